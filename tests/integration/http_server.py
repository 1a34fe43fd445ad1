"""A small HTTP server that misbehaves on demand, and a source that reads from it."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, urlsplit

from bronze_engine.adapters import open_auth
from bronze_engine.clock import Clock
from bronze_engine.config.api import Api, CircuitBreaker, Retry
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.units import Duration
from bronze_engine.contracts import (
    Auth,
    AuthResources,
    Decoder,
    Request,
    Resources,
    Source,
    Store,
    TextCaster,
    TextTypes,
    TokenStore,
)
from bronze_engine.flow import Budget
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.model.block import Block
from bronze_engine.sources.http.source import HttpSourceType
from bronze_engine.telemetry.events import Event
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.testing.clock import ManualClock
from bronze_engine.workers import Workers

T = TypeVar("T")


class Seen:
    """One request as the server saw it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.path = urlsplit(self.target).path
        self.query = dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))
        self.headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        self.raw = head + body
        self.body = body


Handler = Callable[[Seen, asyncio.StreamWriter], Awaitable[bytes | None]]
"""Returns the bytes of an answer, or None to close the connection."""


class Server:
    """On loopback. `seen` holds every request in order of arrival."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None) -> None:
        self.handler = handler
        self.seen: list[Seen] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._open: set[asyncio.StreamWriter] = set()
        self.talks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        if (task := asyncio.current_task()) is not None:
            self.talks.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen = Seen(head, b"")
                length = int(seen.headers.get("content-length", 0))
                if length:
                    seen = Seen(head, await reader.readexactly(length))
                self.seen.append(seen)
                answer = await self.handler(seen, writer)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            self._open.discard(writer)
            writer.close()

    async def aclose(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        for talk in self.talks:
            talk.cancel()
        await asyncio.gather(*self.talks)


@asynccontextmanager
async def serve(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(handler, tls)
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await server.aclose()


def answer(
    value: Any = None,
    *,
    status: int = 200,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    compress: bool = False,
) -> bytes:
    """A whole answer: JSON of `value`, or `body` as it is."""
    content = json.dumps(value).encode() if body is None else body
    fields = {"Content-Type": "application/json", **(headers or {})}
    if compress:
        content = gzip.compress(content)
        fields["Content-Encoding"] = "gzip"
    fields.setdefault("Content-Length", str(len(content)))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + content


class Opened:
    """A source with what it was given, and what it handed on."""

    def __init__(self, source: Source, resources: Resources) -> None:
        self.source = source
        self.tally = resources.tally
        self.budget = resources.budget
        self.clock = resources.clock
        self.events: list[Event] = []
        self.blocks: list[Block] = []

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for block in self.blocks for line in block.data.splitlines()]

    async def read(self) -> list[Any]:
        """Everything, on a clock that jumps over every wait."""
        if isinstance(self.clock, ManualClock):
            await self.clock.drive(self._read())
        else:
            await self._read()
        return self.records

    async def _read(self) -> None:
        pieces = [piece async for piece in self.source.slices()]
        for piece in pieces:
            await self.source.read(piece, self.emit)

    async def emit(self, block: Block) -> None:
        self.blocks.append(block)


async def _open_auth(clock: Clock, workers: Workers, api: Api) -> Auth | None:
    return await open_auth(
        AuthResources(api=api, clock=clock, workers=workers, open_tokens=_no_tokens)
    )


async def _no_tokens(_: str) -> TokenStore:
    raise NotImplementedError


def _no_decoder(_: Request) -> Decoder:
    raise NotImplementedError


def _no_caster(_: Request, __: TextTypes) -> TextCaster:
    raise NotImplementedError


async def _no_store(_: StoreConfig) -> Store:
    raise NotImplementedError


def request(**fields: Any) -> Request:
    values: dict[str, Any] = {
        "pipeline": "team.orders",
        "system": "team",
        "entity": "orders",
        "run_date": date(2025, 1, 15),
        "run": "r1",
        "load": "full",
        "started_at": datetime(2025, 1, 15, tzinfo=UTC),
    }
    return Request(**{**values, **fields})


@asynccontextmanager
async def opened(
    server: Server | str,
    *,
    api: dict[str, Any] | None = None,
    incremental: Incremental | None = None,
    low: str | None = None,
    cap: str | None = None,
    budget_bytes: int = 64 * 1024**2,
    clock: Clock | None = None,
    client: object = None,
    **source: Any,
) -> AsyncIterator[Opened]:
    """A source over a server, with real limits and workers and quick waits.

    `client` stands in for the API's own, for tests without a server.
    """
    base_url = server if isinstance(server, str) else server.url
    settings: dict[str, Any] = {
        "name": "shop",
        "base_url": base_url,
        "proxy": "none",
        "concurrency": 8,
    }
    config = HttpSourceConfig(api=Api(**{**settings, **(api or {})}), **{"path": "/x", **source})
    clock = clock or ManualClock()
    tally = SourceTally()
    events: list[Event] = []
    async with AsyncExitStack() as stack:
        workers = stack.enter_context(Workers(2))

        async def share(_: str, make: Callable[[], AbstractAsyncContextManager[T]], /) -> T:
            if client is not None:
                return cast("T", client)
            return await stack.enter_async_context(make())

        group = LimitRegistry(clock, events.append).group(
            "shop",
            "ApiExtractor",
            rate=None,
            retry=config.api.retry,
            breaker=CircuitBreaker(failures=100),
            concurrency=config.api.concurrency,
        )
        resources = Resources(
            clock=clock,
            workers=workers,
            budget=Budget(budget_bytes),
            share=share,
            tally=tally,
            publish=events.append,
            limits=group.limits(),
            json_decoder=_no_decoder,
            arrow_decoder=_no_decoder,
            text_caster=_no_caster,
            open_auth=partial(_open_auth, clock, workers),
            hide=lambda *_: None,
            open_store=_no_store,
        )
        wanted = request(incremental=incremental, low=low, read_from=low, cap=cap)
        source_of = HttpSourceType().open(config, wanted, resources)
        one = Opened(await stack.enter_async_context(source_of), resources)
        one.events = events
        yield one


ONCE = Retry(attempts=1, backoff=Duration(0.001))
"""For faults that must not be tried again, and to see each attempt alone."""
