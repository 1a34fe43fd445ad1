"""[apis.NAME]: an HTTP API, and the limits that every pipeline of it shares."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.auths.auth import Auth
from bronze_engine.config.units import Duration, Secret

__all__ = ["Api", "CircuitBreaker", "RateLimit", "RateLimitHeaders", "Retry", "Timeout"]


class RateLimitHeaders(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How answers tell what is left of the server's own limits.

    Without names the usual ones are known: X-RateLimit-Remaining, X-Rate-Limit-Remaining,
    RateLimit-Remaining, RateLimit, and Shopify's.
    """

    read: bool = True
    """Whether to slow down by them before the server refuses."""
    remaining: str | None = None
    """The header that says how many requests are left."""
    limit: str | None = None
    """The one that says how many a whole window has."""
    reset: str | None = None
    """The one that says when: seconds, an instant since 1970, a date, or "1m30s"."""


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many requests may be sent; what is set must all grant, and each attempt counts."""

    rps: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Requests a second: a token bucket."""
    burst: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Its capacity; where unset one second's worth, at least 1."""
    requests_per_minute: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """In any 60 seconds."""
    requests_per_day: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """From midnight to midnight, over all processes: counted in engine.state."""
    timezone: str = "UTC"
    """In which the day of requests_per_day begins."""
    headers: RateLimitHeaders = RateLimitHeaders()

    @property
    def is_set(self) -> bool:
        """Whether it limits anything by itself."""
        return (self.rps or self.requests_per_minute or self.requests_per_day) is not None


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Attempts of one request. Wait n is backoff x 2^(n-1) x uniform(1, 2), at most 8 s."""

    attempts: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5
    """How often a request is sent at the most, the first time among them."""
    backoff: Duration = Duration(0.5)
    """Of the wait before the second attempt, which is one to two times this; it doubles from each
    attempt to the next."""
    max_wait: Duration = Duration(300)
    """The longest pause that a Retry-After may ask of one request."""


class CircuitBreaker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Opens after `failures` in a row; after `cooldown` one probe decides."""

    failures: Annotated[int, msgspec.Meta(ge=1)] = 5
    """Failures in a row that open it; of those within 100 ms one counts."""
    cooldown: Duration = Duration(30)
    """How long no request is sent once it is open; then the probe is."""


class Timeout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one attempt."""

    connect: Duration = Duration(10)
    """Name look-up, TCP and TLS."""
    read: Duration = Duration(60)
    """Silence while waiting for the answer or for more of it, and while sending."""
    total: Duration = Duration(600)
    """The whole attempt, body included: a server that trickles can't hold a run."""


class Api(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An HTTP API: where it is, how requests are signed, and the limits they share."""

    name: str = ""
    """The key in [apis], set on loading."""
    base_url: str
    """http or https; a pipeline's path is joined to it. Credentials belong into auth."""
    headers: dict[str, Secret] = {}
    """Sent with every request to the API's own origin; values are never shown."""
    auth: Auth | None = None
    """How requests prove who they are."""
    group: str | None = None
    """APIs of one group share its rate limit, pauses, circuit breaker and concurrency, and must
    say the same of them; where unset the API's name."""
    rate_limit: RateLimit | None = None
    """Where it sets no number: BRONZE_API_RPS, else no limit."""
    retry: Retry = Retry()
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] | Literal["auto"] = "auto"
    """Requests in flight over all pipelines of this API; "auto" finds the number."""
    timeout: Timeout = Timeout()
    allowed_origins: tuple[str, ...] = ()
    """Other origins that next links may point to; credentials are not sent there."""
    proxy: str = "env"
    """"env" (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), "none", or a URL."""
    ca_file: str | None = None
    """PEM file with the certificate authorities to trust beside the system's."""
    client_cert: str | None = None
    """PEM file that proves who we are, with its key unless client_key is set."""
    client_key: str | None = None
    """PEM file with the key of client_cert, where that file does not hold it."""

    @property
    def limit_group(self) -> str:
        """The name under which its limits are shared."""
        return self.group or self.name
