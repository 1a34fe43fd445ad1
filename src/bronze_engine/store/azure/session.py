"""One HTTP request for azure-core: sent once, its answer read whole, its errors ours.

azure-core's aiohttp transport takes a session from outside. It is given this in its place,
because by itself it calls a request that was sent unsent, has aiohttp send some twice,
warns of large bodies, and leaves the download's own retry with sleeps of its own in
charge of answers that break off. What this raises no policy of the SDK catches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDictProxy

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.limits.transient import Transient
from bronze_engine.network.proxy import ProxyChoice
from bronze_engine.store.azure.faults import WIRE_ERRORS, of_wire
from bronze_engine.telemetry.answers import answered

__all__ = ["Session"]

_SERVICE: Final = "x-ms-request-id"
"""In every answer of the service, and in none of a gateway before it."""
_ONE_CLOCK: Final = timedelta(seconds=2)
"""Further apart than this, the server's clock was set, or another server has answered."""
_SLICE_BYTES: Final = 256 * 1024
"""Of a body, handed to the socket at once: what it does not take is copied."""


@final
class Session:
    """What azure-core needs of an aiohttp.ClientSession, over a real one.

    Answers are small, or windows of an object that the store has asked for, so each is
    read whole here. Raises what `faults.of_wire` says. `read_seconds` bounds the
    silence of a peer that takes no more of a body; the session's own timeouts do the rest.
    """

    auto_decompress = False

    def __init__(
        self, session: aiohttp.ClientSession, *, proxy: ProxyChoice, read_seconds: float
    ) -> None:
        self._session = session
        self._proxy = proxy
        self._read_seconds = read_seconds
        self._date: tuple[datetime, float] | None = None
        """The server's clock, and our monotonic one when it was last told."""

    async def __aenter__(self) -> Session:
        return self

    def server_time(self, max_age_seconds: float = math.inf) -> datetime | None:
        """The server's clock, counted on from its last answer; None where that is older.

        It does not run backwards, although a Date has whole seconds, unless the server's does.
        """
        if self._date is None:
            return None
        date, heard_at = self._date
        age = SYSTEM_CLOCK.monotonic() - heard_at
        return None if age > max_age_seconds else date + timedelta(seconds=age)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: Any = None,
        skip_auto_headers: tuple[str, ...] = (),
        **_: object,
    ) -> Answer:
        """Send one request. What else the SDK asks for (redirects, proxies) is ours to say.

        `data` is bytes, or a tuple of them that leave one after another.
        """
        where = urlsplit(url)
        if isinstance(data, bytes):
            data = (data,) if data else None
        body = _Body(data, self._read_seconds) if isinstance(data, tuple) else data
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                proxy=self._proxy(where.scheme, where.netloc),
                skip_auto_headers=skip_auto_headers,
            ) as response:
                answer = Answer(response, await response.read())
        except WIRE_ERRORS as exc:
            error = of_wire(exc)
        else:
            answered(answer.status)
            if _SERVICE in answer.headers:
                self._remember(answer.headers.get("Date"))
                return answer
            if answer.status >= 400:
                return answer
            error = Transient(f"{answer.status} by somebody else than Azure Storage")
        raise error  # outside of the handler: no text of aiohttp's in its chain

    def _remember(self, text: str | None) -> None:
        try:
            date = parsedate_to_datetime(text or "")
        except ValueError:
            return
        if date.tzinfo is None:
            return
        known = self.server_time()
        if known is not None and abs(known - date) < _ONE_CLOCK:
            date = max(known, date)  # both are behind the server's by less than a second
        self._date = (date, SYSTEM_CLOCK.monotonic())


@final
class Answer:
    """What azure-core reads of an aiohttp.ClientResponse; the body is there already."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers: CIMultiDictProxy[str] = response.headers
        self._body = body

    @property
    def content(self) -> Answer:
        """The stream: it hands on the whole body at once, whatever size is asked for."""
        return self

    async def read(self, _size: int = -1) -> bytes:
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """The connection went back when the body had been read."""


@final
class _Body(aiohttp.Payload):
    """Pieces of bytes on their way out, without a copy of the whole."""

    _value: tuple[bytes, ...]

    def __init__(self, value: tuple[bytes, ...], read_seconds: float) -> None:
        super().__init__(value, content_type="application/octet-stream")
        self._size = sum(map(len, value))
        self._read_seconds = read_seconds

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for piece in self._value:
            view = memoryview(piece)
            for start in range(0, len(view), _SLICE_BYTES):
                async with SYSTEM_CLOCK.timeout(self._read_seconds):  # real, as all socket timeouts
                    await writer.write(view[start : start + _SLICE_BYTES])
