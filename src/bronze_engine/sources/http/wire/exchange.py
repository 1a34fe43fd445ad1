"""Requests for tokens: to whom they are meant for, and nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, final

import httpx

from bronze_engine.clock import Clock
from bronze_engine.contracts import Limits, TokenAnswer, TokenRequest
from bronze_engine.errors import ExtractError
from bronze_engine.limits.transient import Transient, parse_retry_after
from bronze_engine.sources.http.body.gunzip import gunzip
from bronze_engine.sources.http.body.stream import BadStream, CutBody
from bronze_engine.sources.http.wire.client import Answer, Client
from bronze_engine.sources.http.wire.faults import is_passing
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.telemetry.redact import redact_url

__all__ = ["TokenExchange"]

T = TypeVar("T")

_LIMIT_BYTES: Final = 1024**2
"""More than any answer with a token has."""


@final
class TokenExchange:
    """Implements `credentials.Exchange` for one run: its limits, its counts.

    Without limits everything is tried once, and what may pass is raised as Transient.
    """

    def __init__(
        self, client: Client, limits: Limits | None, clock: Clock, tally: SourceTally
    ) -> None:
        self._client = client
        self._limits = limits
        self._clock = clock
        self._tally = tally

    async def ask(self, request: TokenRequest, /) -> TokenAnswer:
        shown = redact_url(request.url)
        return await self.call(
            lambda: self.attempt(request), describe=f"{request.method} {shown} for a token"
        )

    async def call(self, operation: Callable[[], Awaitable[T]], /, *, describe: str) -> T:
        attempts = 0

        async def counted() -> T:
            nonlocal attempts
            attempts += 1
            self._tally.retries += attempts > 1
            return await operation()

        if self._limits is None:
            return await operation()
        return await self._limits.call(counted, describe=describe)

    async def attempt(self, request: TokenRequest, /) -> TokenAnswer:
        answer = await self._send(request)
        status = answer.status
        if 300 <= status < 400:
            raise ExtractError(
                f"{redact_url(request.url)} redirects the request for a token ({status}), which "
                "would carry its secrets along; set the URL to where it is now"
            )
        if status == 429 or status >= 500 or status in (408, 425):
            asked = None
            if status in (429, 503):
                asked = parse_retry_after(
                    answer.headers.get("retry-after"),
                    self._clock.now(),
                    answer.headers.get("date"),
                )
            raise Transient(f"status {status}", counts=status != 429, retry_after_seconds=asked)
        return TokenAnswer(status=status, headers=answer.headers, body=_body(answer, request.url))

    async def _send(self, request: TokenRequest) -> Answer:
        def on_request() -> None:
            self._tally.requests += 1

        def on_bytes(count: int) -> None:
            self._tally.bytes_in += count

        total = self._client.timeout.total
        try:
            async with self._clock.timeout(total):
                return await self._client.send(
                    self._client.credentials.token_request(request),
                    limit_bytes=_LIMIT_BYTES,
                    on_request=on_request,
                    on_bytes=on_bytes,
                )
        except TimeoutError:
            raise Transient(f"no whole answer within {total:g} s") from None
        except httpx.TransportError as exc:
            if is_passing(exc):
                raise Transient(str(exc)) from exc
            raise ExtractError(
                f"{redact_url(request.url)}: {exc}; check the URL, proxy and ca_file"
            ) from exc


def _body(answer: Answer, url: str) -> bytes:
    body = b"".join(answer.chunks)
    if not answer.encoding:
        return body
    try:
        if answer.encoding == "gzip":
            return bytes(gunzip([body], _LIMIT_BYTES))
    except (BadStream, CutBody):
        pass
    raise ExtractError(f"{redact_url(url)} compresses its answer, and was asked not to")
