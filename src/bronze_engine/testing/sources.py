"""A source that emits what a test tells it, and fails, waits or loses its place where told.

    shop = ScriptedSource([[page(1, {"id": 1}), page(2, {"id": 2}), ExtractError("cut off")]])
    async with open_engine(config, sources={"http": shop}) as engine: ...

It takes the place of a configured source, so configuration, limits and windows are those
of the pipeline, and no server is needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, final

import msgspec

from bronze_engine.contracts import Decoder, Emit, Preview, Replayer, Request, Resources, Source
from bronze_engine.model.block import Block
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.slice import Slice

__all__ = ["Pause", "ScriptedSource", "Step", "page"]


class Pause(msgspec.Struct, frozen=True):
    """Wait for so long, on the engine's clock; zero only lets other tasks run."""

    seconds: float = 0.0


Step = Block | Pause | Exception
"""Emit a block, wait, or raise."""

Script = Sequence[Sequence[Step]]
"""The steps of each slice."""


def page(
    number: int, *records: Any, as_of: datetime | None = None, captured: bool = False
) -> Block:
    """A block of JSON lines: `bytes` stand for themselves, anything else is encoded.

    `captured` says that its lines are the body of a page that is kept.
    """
    lines = [each if isinstance(each, bytes) else msgspec.json.encode(each) for each in records]
    data = b"".join(line + b"\n" for line in lines)
    kept = CapturedPage(
        page=number,
        status=200,
        url=f"script:{number}",
        fetched_at=datetime(2025, 1, 15, tzinfo=UTC),
        as_of=as_of,
        body=data,
    )
    return Block(
        data=data,
        records=len(lines),
        page=number,
        as_of=as_of,
        captured=kept if captured else None,
    )


@final
class ScriptedSource:
    """`contracts.SourceType`: the slices of its script, each from its first step to its last.

    `script` may be a function of the request, called for each run. A slice that is read
    again takes its steps from the next of `rereads`, if there is one; a source that is
    opened again takes its script from the next of `reopens`. `slices_at_once` are read side by
    side; their records must lead to one layout. With `chained` each slice
    names the one after it, in place of listing all of them. With a `token` its slices resume.
    """

    def __init__(
        self,
        script: Script | Callable[[Request], Script],
        *,
        rereads: Sequence[Script] = (),
        reopens: Sequence[Script] = (),
        chained: bool = False,
        floor_bytes: int = 1024**2,
        slices_at_once: int = 1,
        token: str | None = None,
    ) -> None:
        self._script = script
        self._rereads = rereads
        self._reopens = reopens
        self._chained = chained
        self._floor_bytes = floor_bytes
        self._slices_at_once = slices_at_once
        self.token = token
        self.requests: list[Request] = []
        """What each run asked for, in order of opening."""
        self.emitted = 0
        """Blocks that were accepted, over all runs."""
        self.read: list[int] = []
        """The slices whose reading was begun, over all runs."""
        self.opened = 0
        """Sources that are open now."""

    def floor_bytes(self, _config: object, /) -> int:
        return self._floor_bytes

    def slices_at_once(self, _config: object, /) -> int:
        return self._slices_at_once

    def replayer(self, _config: object, request: Request, resources: Resources, /) -> Replayer:
        """What makes blocks of captured pages again; it needs no script."""
        self.requests.append(request)
        return _Replayed(request, resources)

    @asynccontextmanager
    async def open(
        self,
        _config: object,
        request: Request,
        resources: Resources,
        /,
    ) -> AsyncIterator[Source]:
        openings = sum(one.run == request.run for one in self.requests)
        self.requests.append(request)
        script = self._script(request) if callable(self._script) else self._script
        scripts = [script, *self._reopens]
        self.opened += 1
        try:
            current = scripts[min(openings, len(scripts) - 1)]
            readings = [current, *self._rereads]
            yield _Scripted(self, readings, request, resources, chained=self._chained)
        finally:
            self.opened -= 1


@final
class _Replayed:
    def __init__(self, request: Request, resources: Resources) -> None:
        self._request = request
        self._resources = resources

    def blocks(self, page: CapturedPage, /) -> Sequence[Block]:
        records = page.body.count(b"\n")
        return [Block(data=page.body, records=records, page=page.page, as_of=page.as_of)]

    def decoder(self) -> Decoder:
        return self._resources.json_decoder(self._request)


@final
class _Scripted:
    def __init__(
        self,
        origin: ScriptedSource,
        scripts: Sequence[Script],
        request: Request,
        resources: Resources,
        *,
        chained: bool,
    ) -> None:
        self._origin = origin
        self._scripts = scripts
        self._count = len(scripts[0])
        self._chained = chained
        self._request = request
        self._resources = resources
        self._readings = [0] * self._count

    @property
    def token(self) -> str | None:
        return self._origin.token

    def preview(self) -> Preview:
        labels = tuple(self._slice(index).label for index in range(self._count))
        return Preview(location="script:", first="the script", slices=labels)

    async def check(self) -> str:
        return f"a script of {self._count} slices"

    async def slices(self) -> AsyncIterator[Slice]:
        for index in range(min(1, self._count) if self._chained else self._count):
            yield self._slice(index)

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        self._origin.read.append(piece.index)
        reading = self._readings[piece.index]
        self._readings[piece.index] += 1
        script = self._scripts[min(reading, len(self._scripts) - 1)]
        for step in script[piece.index]:
            match step:
                case Pause():
                    await self._resources.clock.sleep(step.seconds)
                case Block():
                    self._resources.tally.pages += 1
                    await emit(step)
                    self._origin.emitted += 1
                case _:
                    raise step
        following = piece.index + 1
        if self._chained and following < self._count:
            return self._slice(following)
        return None

    def decoder(self) -> Decoder:
        return self._resources.json_decoder(self._request)

    def _slice(self, index: int) -> Slice:
        return Slice(index=index, label=f"slice {index}")
