"""A plug-in's source behind its guard: the same source, and faults that name whose they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import pytest

from bronze_engine.contracts import Emit, Preview, Request, Resources, Source
from bronze_engine.errors import ExtractError, QualityError, SliceLost
from bronze_engine.model.slice import Slice
from bronze_engine.sources.plugged import PluggedSourceType
from bronze_engine.telemetry.redact import Redactor
from bronze_engine.testing import SOURCE_CHECKS, SourceCheck, SourceSubject, asked, lend, name_of
from tests.unit.testing.test_source_checks import Kind, Sound

pytestmark = pytest.mark.unit

TOLD = '"queue" of bronze_engine.sources (queues:Queue, of queues)'


@asynccontextmanager
async def guarded() -> AsyncIterator[SourceSubject]:
    kind = PluggedSourceType(Kind(Sound), TOLD)
    yield SourceSubject(source_type=kind, config="whole", broken="broken")


@pytest.mark.asyncio
@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=name_of)
async def test_it_passes_what_the_source_passes(check: SourceCheck) -> None:
    await check(guarded)


class Faulty(Sound):
    async def begin(self) -> None:
        if self.config == "begin":
            raise KeyError("begin")

    def preview(self) -> Preview:
        raise KeyError("preview")

    async def check(self) -> str:
        raise KeyError("check")

    async def slices(self) -> AsyncIterator[Slice]:
        raise KeyError("slices")
        yield  # type: ignore[unreachable]  # a generator

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        if self.config == "lost":
            raise SliceLost("lost")
        await super().read(piece, emit)
        raise KeyError("read")


async def nothing(_block: object) -> None:
    pass


PIECE = Slice(index=0, label="one", spec=msgspec.Raw(b'{"place": 0}'))

CALLS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "check": lambda source: source.check(),
    "slices": lambda source: anext(source.slices()),
    "read": lambda source: source.read(PIECE, nothing),
}


async def reading(config: str, use: Callable[[Any], Awaitable[object]]) -> None:
    async with (
        lend() as lent,
        PluggedSourceType(Kind(Faulty), TOLD).open(config, asked(), lent.resources) as source,
    ):
        await use(source)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", CALLS)
async def test_its_faults_name_the_distribution(name: str) -> None:
    with pytest.raises(ExtractError) as caught:
        await reading("whole", CALLS[name])
    assert f"{TOLD} has failed: KeyError: '{name}'; report it to" in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.asyncio
async def test_a_fault_on_opening_is_its_own_too() -> None:
    with pytest.raises(ExtractError, match="of queues\\) has failed: KeyError: 'begin'"):
        await reading("begin", CALLS["check"])


@pytest.mark.asyncio
async def test_what_is_not_its_fault_passes_as_it_is() -> None:
    async def refuse(_block: object) -> None:
        raise LookupError("ours")

    with pytest.raises(LookupError, match="ours"):
        await reading("whole", lambda source: source.read(PIECE, refuse))
    with pytest.raises(SliceLost):
        await reading("lost", CALLS["read"])

    async def use(_source: object) -> None:
        raise LookupError("the engine's")

    with pytest.raises(LookupError, match="the engine's"):
        await reading("whole", use)


class Grouped(Sound):
    """Has a task group of its own, as sources with a connection to watch do."""

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        async def work() -> None:
            if self.config == "own":
                raise KeyError("in a task")
            if self.config == "lost":
                raise SliceLost("in a task")
            await Sound.read(self, piece, emit)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
        return None


class GroupedKind(Kind):
    @asynccontextmanager
    async def open(
        self, config: str, request: Request, resources: Resources, /
    ) -> AsyncIterator[Source]:
        async with anyio.create_task_group(), super().open(config, request, resources) as source:
            yield source


async def grouped(config: str, emit: Emit = nothing) -> None:
    kind = PluggedSourceType(GroupedKind(Grouped), TOLD)
    async with lend() as lent, kind.open(config, asked(), lent.resources) as source:
        await source.read(PIECE, emit)


@pytest.mark.asyncio
async def test_a_task_group_of_its_own_hides_no_fault() -> None:
    async def refuse(_block: object) -> None:
        raise QualityError("too many are rejected")

    with pytest.raises(QualityError, match="too many are rejected"):
        await grouped("whole", refuse)
    with pytest.raises(SliceLost, match="in a task"):
        await grouped("lost")
    with pytest.raises(ExtractError, match="of queues\\) has failed: KeyError: 'in a task'"):
        await grouped("own")


@pytest.mark.asyncio
async def test_what_its_exceptions_say_is_told_without_secrets() -> None:
    class Telling(Sound):
        async def check(self) -> str:
            raise ValueError("no entry with key-0123456789")

    kind = PluggedSourceType(Kind(Telling), TOLD, Redactor(lambda: frozenset({"key-0123456789"})))
    async with lend() as lent, kind.open("whole", asked(), lent.resources) as source:
        with pytest.raises(ExtractError, match=r"ValueError: no entry with \*\*\*;"):
            await source.check()
