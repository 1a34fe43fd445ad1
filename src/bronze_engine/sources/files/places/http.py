"""Files of a server, by their URLs: there is no listing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal, final

import httpx

from bronze_engine.config.api import Api
from bronze_engine.contracts import Resources
from bronze_engine.errors import AuthError, ExtractError, SliceLost
from bronze_engine.limits.transient import Transient
from bronze_engine.sources.files.places.place import Found, Observe
from bronze_engine.sources.http.status import excerpt, raise_for_status, shortened
from bronze_engine.sources.http.wire.client import Answer, Client, Refused, open_client
from bronze_engine.sources.http.wire.exchange import TokenExchange
from bronze_engine.sources.http.wire.faults import Malformed, is_passing
from bronze_engine.sources.http.wire.transport import Reply
from bronze_engine.telemetry.redact import redact_url

__all__ = ["HttpPlace", "open_http_place"]

_AS_STORED: Final = {"Accept-Encoding": "identity"}
_PIECE_BYTES: Final = 1024**2
_BREAKS: Final = 5
"""How often in a row a connection may break without a byte in between."""
_MISSING: Final = frozenset({404, 410})
_NO_HEAD: Final = frozenset({400, 403, 404, 405, 410, 501})
"""How servers answer that have the file, and no HEAD: what they say to GET counts."""


async def open_http_place(api: Api, resources: Resources) -> HttpPlace:
    """The place of an API's files, or of a server's, over the client that its pipelines share."""
    client = await resources.share(
        f"http:{api.name}" if api.name else f"files:{api.base_url}",
        lambda: open_client(api, resources.open_auth, resources.clock, resources.hide),
    )
    return HttpPlace(api, client, resources)


@final
class HttpPlace:
    """The files of one API or server. A key is the whole URL, which may hold credentials."""

    is_remote: Final = True
    sends_parts: Final = False

    def __init__(self, api: Api, client: Client, resources: Resources) -> None:
        self._api = api
        self._client = client
        self._resources = resources
        self.workers: Final = resources.workers
        self._tokens = TokenExchange(client, resources.limits, resources.clock, resources.tally)

    async def scan(self, pattern: str, /) -> AsyncIterator[Found]:
        """The URL itself, with what the server tells of it without sending it, where it does."""
        try:
            async with AsyncExitStack() as stack:
                answer, _ = await self.ask("HEAD", pattern, {}, stack)
        except ExtractError as exc:
            if not isinstance(exc.__cause__, Malformed):
                raise
            # Servers that answer HEAD as they do GET send a body, which is no HTTP there.
            yield Found(key=pattern, path=redact_url(pattern))
            return
        if answer.status in _MISSING:  # to HEAD at least
            async with AsyncExitStack() as stack:
                answer, _ = await self.ask("GET", pattern, {}, stack, may_be_missing=True)
        if answer.status < 300:
            yield _told(pattern, answer)
        elif answer.status not in _MISSING:
            yield Found(key=pattern, path=redact_url(pattern))

    async def near(self, pattern: str, /) -> Sequence[str]:  # noqa: ARG002  # nothing is listed
        return ()

    async def look(self, file: Found, /) -> Found:
        return file

    def on_disk(self, file: Found, /) -> None:  # noqa: ARG002
        return

    @asynccontextmanager
    async def read(
        self, file: Found, observe: Observe, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with AsyncExitStack() as stack:
            body = _Body(self, file, start, length, stack)
            await body.open()
            yield body.chunks(observe)

    async def ask(
        self,
        method: Literal["GET", "HEAD"],
        url: str,
        headers: dict[str, str],
        stack: AsyncExitStack,
        *,
        may_be_missing: bool = False,
    ) -> tuple[Answer, Reply]:
        """Send a request, with credentials and retries; the reply is closed with the stack."""
        attempts = 0
        tally = self._resources.tally

        def on_request() -> None:
            tally.requests += 1

        async def attempt() -> tuple[Answer, Reply]:
            nonlocal attempts
            attempts += 1
            tally.retries += attempts > 1
            async with AsyncExitStack() as attempted:
                try:
                    async with self._resources.clock.timeout(self._client.timeout.read):
                        answer, reply = await attempted.enter_async_context(
                            self._client.opened(
                                method,
                                url,
                                headers={**_AS_STORED, **headers},
                                on_request=on_request,
                            )
                        )
                except TimeoutError:
                    raise Transient("no answer within the read timeout") from None
                except httpx.TransportError as exc:
                    raise self.fault(exc) from exc
                if not (may_be_missing and answer.status in _MISSING):
                    self._judge(method, answer)
                stack.push_async_exit(attempted.pop_all())
                return answer, reply

        shown = redact_url(url)
        try:
            return await self._client.admitted(
                lambda: self._resources.limits.call(attempt, describe=f"{method} {shown}"),
                self._tokens,
                self._resources.workers,
            )
        except (AuthError, ExtractError) as exc:
            raise type(exc)(f"{shown}: {exc.message}", **exc.context) from exc.__cause__

    def _judge(self, method: str, answer: Answer) -> None:
        if method == "HEAD" and answer.status in _NO_HEAD:
            return
        try:
            raise_for_status(
                answer,
                said=shortened(excerpt(answer)) if answer.chunks else "",
                api=self._api,
                now=self._resources.clock.now(),
            )
        except AuthError as exc:
            if answer.status == 401 and self._client.is_home(answer):
                raise Refused(answer.version, exc) from None
            raise

    def fault(self, exc: httpx.TransportError) -> Transient | ExtractError:
        """What an error of the connection means."""
        if is_passing(exc):
            return Transient(str(exc))
        return ExtractError(f"{exc}; check the URL, proxy and ca_file")


@final
class _Body:
    """One file on its way. What broke goes on from its offset, where it is the same file."""

    def __init__(
        self, place: HttpPlace, file: Found, start: int, length: int | None, stack: AsyncExitStack
    ) -> None:
        self._place = place
        self._file = file
        self._offset = start
        self._end = None if length is None else start + length
        self._stack = stack
        self._begun: Found | None = None
        self._reply: Reply | None = None

    async def open(self) -> None:
        headers: dict[str, str] = {}
        if self._offset or self._end is not None:
            last = "" if self._end is None else self._end - 1
            headers["Range"] = f"bytes={self._offset}-{last}"
        answer, reply = await self._place.ask("GET", self._file.key, headers, self._stack)
        told = _told(self._file.key, answer)
        if self._offset and answer.status != 206:
            raise SliceLost(f"{self._file.path}: the server sends no part of a file")
        before = self._file.version if self._begun is None else self._begun.version
        if before is not None and told.version is not None and before != told.version:
            raise ExtractError(
                f"{self._file.path} has changed while it was read; run again when it is whole"
            )
        if self._offset and self._begun is not None and told.version is None:
            raise SliceLost(f"{self._file.path}: nothing tells whether it is still the same file")
        self._begun, self._reply = told, reply

    async def chunks(self, observe: Observe) -> AsyncIterator[bytes]:
        broken = 0
        while True:
            assert self._reply is not None  # noqa: S101  # it is open
            try:
                async for chunk in self._reply:
                    broken = 0
                    piece = chunk
                    if self._end is not None:
                        piece = chunk[: self._end - self._offset]
                    self._offset += len(piece)
                    await self._place.workers.run(observe, piece)
                    for at in range(0, len(piece), _PIECE_BYTES):
                        yield piece[at : at + _PIECE_BYTES]
                    if self._offset == self._end:
                        return
            except httpx.TransportError as exc:
                error = self._place.fault(exc)
                broken += 1
                if isinstance(error, ExtractError):
                    raise ExtractError(f"{self._file.path}: {error.message}") from exc
                if broken == _BREAKS:
                    raise SliceLost(f"{self._file.path}: {exc}") from exc
            else:
                return
            await self._stack.aclose()
            await self.open()


def _told(url: str, answer: Answer) -> Found:
    """What the headers say of a file."""
    headers = answer.headers
    size, modified = headers.get("content-length", ""), headers.get("last-modified")
    return Found(
        key=url,
        path=redact_url(url),
        size_bytes=int(size) if size.isdecimal() and "content-encoding" not in headers else None,
        modified=None if modified is None else _instant(modified),
        version=headers.get("etag"),
    )


def _instant(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
