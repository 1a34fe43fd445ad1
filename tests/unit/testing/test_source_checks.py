"""The checks of sources can fail: each finds the faults that are planted for it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec
import pytest

from bronze_engine.contracts import Decoded, Decoder, Emit, Preview, Request, Resources, Source
from bronze_engine.errors import ExtractError
from bronze_engine.flow import Lane
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from bronze_engine.model.slice import Slice
from bronze_engine.testing import SOURCE_CHECKS, SourceSubject, left, name_of, page

pytestmark = pytest.mark.unit

CANARY = "canary-0123456789"
CHECKS = {name_of(check): check for check in SOURCE_CHECKS}
SLICES = [
    [page(1, {"id": 1}), page(2, {"id": 2}, {"id": 3})],
    [page(1, {"id": 4}), page(2, {"id": 5})],
]
FLOOR = 1000
LEFT: set[int] = set()
"""Descriptors that a planted fault has left open."""


class Sound:
    """A source without a fault, of two slices with two blocks each; faults override parts."""

    token: str | None = "fixed"

    def __init__(self, origin: Kind, config: str, request: Request, resources: Resources) -> None:
        self.origin = origin
        self.config = config
        self.request = request
        self.resources = resources

    async def begin(self) -> None:
        """What is done on opening."""

    def preview(self) -> Preview:
        return Preview(location="memory:", first="the first", slices=("one", "two"))

    async def check(self) -> str:
        return "two slices"

    def number(self, index: int) -> int:
        return index

    async def slices(self) -> AsyncIterator[Slice]:
        for index in range(len(SLICES)):
            spec = msgspec.Raw(b'{"place": %d}' % index)
            yield Slice(index=self.number(index), label=f"slice {index}", spec=spec)

    def blocks(self, piece: Slice) -> Sequence[Block]:
        return SLICES[msgspec.json.decode(piece.spec)["place"]]

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        if self.config == "broken":
            raise ExtractError("memory: there is nothing; ask for something else")
        for block in self.blocks(piece):
            await self.resources.limits.call(anyio.lowlevel.checkpoint, describe="a block")
            await emit(block)
        return None

    def decoder(self) -> Decoder:
        return self.resources.json_decoder(self.request)


class Kind:
    """Its source type. `opened` counts, so that a fault may tell one opening from another."""

    def __init__(self, source: type[Sound], at_once: int = 2) -> None:
        self.source = source
        self.at_once = at_once
        self.opened = 0
        self.left: asyncio.Task[Any] | None = None

    def floor_bytes(self, _config: str, /) -> int:
        return FLOOR

    def slices_at_once(self, _config: str, /) -> int:
        return self.at_once

    @asynccontextmanager
    async def open(
        self, config: str, request: Request, resources: Resources, /
    ) -> AsyncIterator[Source]:
        self.opened += 1
        source = self.source(self, config, request, resources)
        await source.begin()
        yield source


def made(source: type[Sound]) -> Callable[[], Any]:
    @asynccontextmanager
    async def make() -> AsyncIterator[SourceSubject]:
        yield SourceSubject(
            source_type=Kind(source), config="whole", broken="broken", secrets=(CANARY,)
        )

    return make


@pytest.mark.asyncio
@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=name_of)
async def test_a_sound_source_passes(check: Callable[[Any], Any]) -> None:
    await check(made(Sound))


class AsksOnOpening(Sound):
    async def begin(self) -> None:
        await self.resources.limits.call(anyio.lowlevel.checkpoint, describe="too early")


class CountsARequest(Sound):
    async def begin(self) -> None:
        self.resources.tally.requests += 1


class PreviewsASecret(Sound):
    def preview(self) -> Preview:
        return Preview(location=f"https://me:{CANARY}@shop", first="x", slices=())


class SaysNothing(Sound):
    async def check(self) -> str:
        return ""


class CountsFromOne(Sound):
    def number(self, index: int) -> int:
        return index + 1


class NamesSlicesAnew(Sound):
    async def slices(self) -> AsyncIterator[Slice]:
        async for piece in super().slices():
            yield msgspec.structs.replace(piece, label=f"{piece.label} of {self.origin.opened}")


class HasOtherRowsEachTime(Sound):
    def blocks(self, piece: Slice) -> Sequence[Block]:
        return [*super().blocks(piece), page(3, {"opening": self.origin.opened})]


class CutsAtOtherPlaces(Sound):
    def blocks(self, piece: Slice) -> Sequence[Block]:
        blocks = super().blocks(piece)
        if self.origin.opened == 1:
            return blocks
        data = b"".join(block.data for block in blocks)
        return [Block(data=data, records=data.count(b"\n"), page=1)]


class EmitsSideBySide(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        async with anyio.create_task_group() as tasks:
            for block in self.blocks(piece):
                tasks.start_soon(self.hand_on, emit, block)
        return None

    async def hand_on(self, emit: Emit, block: Block) -> None:
        await emit(block)


class EmitsBackwards(Sound):
    def blocks(self, piece: Slice) -> Sequence[Block]:
        return super().blocks(piece)[::-1]


class SwallowsARefusal(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        try:
            return await super().read(piece, emit)
        except Exception:  # noqa: BLE001  # the fault that is planted
            return None


class GroupsARefusal(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(super().read, piece, emit)
        return None


class LeavesATask(Sound):
    async def begin(self) -> None:
        self.origin.left = asyncio.create_task(asyncio.Event().wait())


class LeavesAThreadWhenCancelled(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        ended = threading.Event()
        thread = threading.Thread(target=ended.wait, args=(1,), name="forgotten")
        thread.start()
        following = await super().read(piece, emit)
        ended.set()
        thread.join()
        return following


class LeavesAFileWhenCancelled(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        descriptor = os.open(__file__, os.O_RDONLY)
        LEFT.add(descriptor)
        following = await super().read(piece, emit)
        os.close(descriptor)
        LEFT.discard(descriptor)
        return following


class KeepsBytes(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        await Lane(self.resources.budget, 0).take(10)
        return await super().read(piece, emit)


class ReadsOn(Sound):
    """What was handed on once does not come again."""

    def blocks(self, piece: Slice) -> Sequence[Block]:
        read = self.__dict__.setdefault("read_of", set())
        blocks = super().blocks(piece)
        if piece.index in read:
            return blocks[1:]
        read.add(piece.index)
        return blocks


class HasATokenForEach(Sound):
    @property
    def token(self) -> str | None:  # type: ignore[override]
        return str(self.origin.opened)


class KnowsOnlyItsOwnSlices(Sound):
    """A slice out of a checkpoint is another object."""

    async def slices(self) -> AsyncIterator[Slice]:
        known = self.__dict__.setdefault("known", [])
        async for piece in super().slices():
            known.append(piece)
            yield piece

    def blocks(self, piece: Slice) -> Sequence[Block]:
        is_own = any(piece is own for own in self.__dict__.get("known", ()))
        return super().blocks(piece) if is_own else []


class MixesSlices(Sound):
    """The place lies in the source, and not in the slice."""

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        self.place = piece
        for number in range(2):
            await self.resources.limits.call(anyio.lowlevel.checkpoint, describe="a block")
            await emit(self.blocks(self.place)[number])
        return None


class HasOtherColumns(Sound):
    """The second slice has a key that the first has not."""

    def blocks(self, piece: Slice) -> Sequence[Block]:
        blocks = super().blocks(piece)
        return [*blocks, page(3, {"id": 9, "more": 1})] if piece.index else blocks


class DecodesByCount(Sound):
    def decoder(self) -> Decoder:
        return Counting(super().decoder())


class Counting:
    least_group_bytes = 0

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._count = 0

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        self._count += 1
        return self._decoder.decode([*blocks, page(9, {"count": self._count})], layout)


class MakesOtherDecoders(Sound):
    def decoder(self) -> Decoder:
        self.made = getattr(self, "made", 0) + 1
        decoder = super().decoder()
        return decoder if self.made == 1 else Shortened(decoder)


class Shortened:
    least_group_bytes = 0

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        return self._decoder.decode(blocks[:1], layout)


class FailsAsPythonDoes(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        if self.config == "broken":
            raise KeyError(self.config)
        return await super().read(piece, emit)


class ReadsWhatIsBroken(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        self.config = "whole"
        return await super().read(piece, emit)


class FailsWithASecret(Sound):
    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        if self.config == "broken":
            raise ExtractError(f"the server has refused {CANARY}")
        return await super().read(piece, emit)


FAULTS: list[tuple[str, type[Sound], str]] = [
    ("preview_asks_nothing", AsksOnOpening, "has used the limits"),
    ("preview_asks_nothing", CountsARequest, "has made a request"),
    ("preview_asks_nothing", PreviewsASecret, "a secret of the configuration"),
    ("check_says_what_it_found", SaysNothing, "has nothing to say"),
    ("slices_are_the_same_again", CountsFromOne, ""),
    ("slices_are_the_same_again", NamesSlicesAnew, "in another opening"),
    ("blocks_are_the_same_again", HasOtherRowsEachTime, "has emitted other blocks"),
    ("blocks_are_the_same_again", CutsAtOtherPlaces, "has emitted other blocks"),
    ("emits_one_block_at_a_time", EmitsSideBySide, "another one was not accepted"),
    ("emits_one_block_at_a_time", EmitsBackwards, "came out of order"),
    ("what_refuses_a_block_ends_the_reading", SwallowsARefusal, "came out of read as None"),
    ("what_refuses_a_block_ends_the_reading", GroupsARefusal, "ExceptionGroup"),
    ("cancelled_anywhere_leaves_nothing", LeavesATask, "left behind: task"),
    ("cancelled_anywhere_leaves_nothing", LeavesAThreadWhenCancelled, "thread forgotten"),
    ("cancelled_anywhere_leaves_nothing", LeavesAFileWhenCancelled, "test_source_checks"),
    ("reads_within_its_floor", KeepsBytes, "were not given back"),
    ("a_broken_slice_can_be_read_again", ReadsOn, "another one when read again"),
    ("slices_resume_by_their_token", HasATokenForEach, "has another token"),
    ("slices_resume_by_their_token", KnowsOnlyItsOwnSlices, "when resumed"),
    ("slices_are_read_side_by_side", MixesSlices, "another one beside others"),
    ("slices_are_read_side_by_side", HasOtherColumns, "must have one layout"),
    ("decoder_is_pure_and_thread_safe", DecodesByCount, ""),
    ("decoder_is_pure_and_thread_safe", MakesOtherDecoders, "another decoder"),
    ("faults_are_bronze_errors", FailsAsPythonDoes, "is no BronzeError: KeyError"),
    ("faults_are_bronze_errors", ReadsWhatIsBroken, "was read without a fault"),
    ("faults_are_bronze_errors", FailsWithASecret, "a secret of the configuration"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "source", "says"), FAULTS)
async def test_a_planted_fault_is_found(
    name: str, source: type[Sound], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left, "_PATIENCE_SECONDS", 0.1)
    try:
        with pytest.raises((AssertionError, BaseExceptionGroup)) as caught:
            await CHECKS[name](made(source))
    finally:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        for descriptor in LEFT:
            os.close(descriptor)
        LEFT.clear()
    found: BaseException = caught.value
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, AssertionError)
    assert says in str(found)


def test_every_check_has_a_planted_fault() -> None:
    assert {name for name, _, _ in FAULTS} == set(CHECKS)
