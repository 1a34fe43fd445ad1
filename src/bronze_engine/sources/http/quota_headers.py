"""What the headers of an answer say is left of the server's limits. Pure.

Read are, in this order: the names of the configuration; X-RateLimit-Limit, -Remaining and
-Reset (GitHub, Okta, Reddit and many more), X-Rate-Limit-* (Twitter), RateLimit-* (GitLab,
and the IETF's draft up to its sixth version); RateLimit and RateLimit-Policy of the later
drafts (https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/), as
`"default";r=50;t=30` or `limit=100, remaining=50, reset=30`; and Shopify's
X-Shopify-Shop-Api-Call-Limit, `32/40` of a bucket that leaks a twentieth a second.

A reset is a number of seconds, an instant in seconds or milliseconds since 1970, an ISO
8601 or HTTP date, or a duration such as `1m30s`. Instants are compared with the Date of
the same answer: the clocks may differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.config.api import RateLimitHeaders
from bronze_engine.limits.transient import instant_seconds, parse_instant
from bronze_engine.model.quota import Quota

__all__ = ["Nonsense", "QuotaHeaders"]

_FAMILIES: Final = ("x-ratelimit-", "x-rate-limit-", "ratelimit-")
_STRUCTURED: Final = "ratelimit"
_POLICY: Final = "ratelimit-policy"
_SHOPIFY: Final = "x-shopify-shop-api-call-limit"
_SHOPIFY_DRAIN_SECONDS: Final = 20.0
"""https://shopify.dev/docs/api/admin-rest/usage/rate-limits: 40 leak 2 a second, 400 leak 20."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_DURATION: Final = re.compile(
    r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6}(?:\.\d{1,9})?)s)?"
    r"(?:(\d{1,9}(?:\.\d{1,9})?)ms)?"
)
_DURATION_SECONDS: Final = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_ITEM: Final = re.compile(r'(?:[^,"]|"[^"]*")+')
_PAIR: Final = re.compile(r'([a-z]+)\s*=\s*"?(-?[0-9]{1,18}(?:\.[0-9]{1,9})?)')
_USED: Final = re.compile(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*")

_LONGEST_SECONDS: Final = 35 * 86400.0
"""A month's quota; what is said to be further away is a mistake."""


class Nonsense(ValueError):
    """A header that can't be meant so; the text names it."""


@final
class QuotaHeaders:
    """Reads the quotas of one API's answers."""

    def __init__(self, config: RateLimitHeaders) -> None:
        self._is_read = config.read
        self._own = (config.remaining or "").lower()
        self._own_limit = (config.limit or "").lower()
        self._own_reset = (config.reset or "").lower()

    def read(self, headers: Mapping[str, str], clock: Clock) -> tuple[Quota, ...]:
        """What is left, by headers with lower-case names; nothing where none tells.

        Raises Nonsense for a negative number, a reset in the past or in the far future, and
        what is no number.
        """
        if not self._is_read:
            return ()
        if self._own:
            if self._own not in headers:
                return ()
            return _plain(headers, self._own, self._own_limit, self._own_reset, clock)
        for family in _FAMILIES:
            if (remaining := family + "remaining") in headers:
                return _plain(headers, remaining, family + "limit", family + "reset", clock)
        if _STRUCTURED in headers:
            return tuple(_structured(headers[_STRUCTURED], headers.get(_POLICY, "")))
        if _SHOPIFY in headers:
            return (_shopify(headers[_SHOPIFY]),)
        return ()


def _plain(
    headers: Mapping[str, str], remaining: str, limit: str, reset: str, clock: Clock
) -> tuple[Quota, ...]:
    if reset not in headers:
        return ()  # what is left, and nobody knows until when
    return (
        Quota(
            remaining=_number(headers[remaining], remaining),
            limit=_number(headers[limit], limit) if limit in headers else None,
            reset_seconds=_reset_seconds(headers[reset], reset, headers.get("date"), clock),
        ),
    )


def _number(text: str, header: str) -> float:
    """The first number, of several that are parted by commas."""
    match = _NUMBER.match(text.strip())
    if match is None or (number := float(match[0])) < 0:
        raise Nonsense(header)
    return number


def _reset_seconds(text: str, header: str, date: str | None, clock: Clock) -> float:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        at = instant_seconds(number)
        seconds = number if at is None else at - _now(date, clock).timestamp()
        return _plausible(seconds, header)
    match = _DURATION.fullmatch(text)
    if match is not None and text:
        parts = zip(match.groups(), _DURATION_SECONDS, strict=True)
        return _plausible(sum(float(part) * unit for part, unit in parts if part), header)
    instant = parse_instant(text)
    if instant is None:
        raise Nonsense(header)
    return _plausible((instant - _now(date, clock)).total_seconds(), header)


def _plausible(seconds: float, header: str) -> float:
    # A reset that has just passed was told in whole seconds.
    if not -1.0 <= seconds <= _LONGEST_SECONDS:
        raise Nonsense(header)
    return max(0.0, seconds)


def _now(date: str | None, clock: Clock) -> datetime:
    """By the server's clock where it tells it, else by ours."""
    return (parse_instant(date) if date else None) or clock.now()


def _structured(text: str, policy: str) -> Iterator[Quota]:
    """`"default";r=50;t=30`, several with commas, or `limit=100, remaining=50, reset=30`."""
    pairs = dict(_PAIR.findall(text))
    if "remaining" in pairs and "reset" in pairs:
        limit = pairs.get("limit")
        yield Quota(
            remaining=_number(pairs["remaining"], _STRUCTURED),
            limit=None if limit is None else _number(limit, _STRUCTURED),
            reset_seconds=_plausible(float(pairs["reset"]), _STRUCTURED),
        )
        return
    policies = dict(_items(policy))
    found = False
    for name, values in _items(text):
        stated = policies.get(name, {})
        reset = values.get("t", stated.get("w"))
        if "r" not in values or reset is None:
            continue
        found = True
        yield Quota(
            name=name,
            remaining=_number(values["r"], _STRUCTURED),
            limit=_number(stated["q"], _POLICY) if "q" in stated else None,
            reset_seconds=_plausible(float(reset), _STRUCTURED),
        )
    if not found and text.strip() and "r=" not in text:
        raise Nonsense(_STRUCTURED)


def _items(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for item in _ITEM.findall(text):
        name, _, parameters = item.strip().partition(";")
        yield name.strip().strip('"'), dict(_PAIR.findall(parameters))


def _shopify(text: str) -> Quota:
    match = _USED.fullmatch(text)
    if match is None or not (limit := float(match[2])):
        raise Nonsense(_SHOPIFY)
    used = min(limit, float(match[1]))
    rate = limit / _SHOPIFY_DRAIN_SECONDS
    return Quota(
        remaining=limit - used, limit=limit, reset_seconds=used / rate, refill_per_second=rate
    )
