"""One slice, decoded: groups of blocks side by side in workers, folded in order.

    source.read -> blocks -> groups of 1 MiB -> decode in workers -> consume, in order

Groups are cut by bytes and order, never by arrival. Decoding is a fold over layouts: a
group that was decoded with an older layout is decoded again, so what comes out depends
on the input alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, final

import anyio
import msgspec

from bronze_engine.contracts import Decoded, Decoder, Emit, Resources, Source
from bronze_engine.errors import ExtractError, QualityError
from bronze_engine.flow import Gate, Lane, ordered, ungrouped
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.slice import Slice
from bronze_engine.telemetry.profile import Profile, applying
from bronze_engine.workers import Workers

__all__ = ["DECODE_FLOOR_BYTES", "decode_slice"]

GROUP_BYTES: Final = 1024**2
"""A group closes at the first block that reaches this: one job of a few ms in a worker. Decoders
with a fixed cost ask for more."""

FIRST_GROUP_BYTES: Final = 64 * 1024
"""The same for the first group, which infers the types record by record in Python."""

JSON_MULTIPLE: Final = 3
"""Arrow and parser memory of one group over its bytes, measured on 340-byte records."""

DECODE_FLOOR_BYTES: Final = 2 * JSON_MULTIPLE * GROUP_BYTES

GROUPS_AHEAD: Final = 12
"""Groups decoded while one row group is being encoded: it keeps the workers busy."""


class Group(msgspec.Struct, frozen=True):
    """Consecutive blocks that are decoded together."""

    index: int
    blocks: tuple[Block, ...]
    size_bytes: int


@final
class Groups:
    """Cuts the blocks of a slice into groups, by bytes and order.

    `accept` is what the source emits to: it waits while a whole group has not been taken,
    and not at each block.
    """

    def __init__(self, group_bytes: int, profile: Profile) -> None:
        self._group_bytes = group_bytes
        self._profile = profile
        self._index = 0
        self._blocks: list[Block] = []
        self._size = 0
        self._whole: Group | None = None
        self._is_closed = False
        self._came, self._left = Gate(), Gate()

    async def accept(self, block: Block) -> None:
        if not block.data and block.batch is None and not block.rejects:
            return
        self._blocks.append(block)
        self._size += block.size_bytes
        if self._size < (self._group_bytes if self._index else FIRST_GROUP_BYTES):
            return
        with self._profile.blocked:
            while self._whole is not None:
                await self._left.wait()
        self._whole = self._cut()
        self._came.open()

    def close(self) -> None:
        """No more blocks: the rest is the last group."""
        self._is_closed = True
        self._came.open()

    def __aiter__(self) -> Groups:
        return self

    async def __anext__(self) -> Group:
        decoding = self._profile.stage("decode")
        decoding.filled(0.0 if self._whole is None else 1.0)
        with self._profile.starved:
            while self._whole is None and not self._is_closed:
                await self._came.wait()
        group, self._whole = self._whole, None
        self._left.open()
        if group is None:
            if not self._blocks:
                raise StopAsyncIteration
            group = self._cut()
        return group

    def _cut(self) -> Group:
        group = Group(self._index, tuple(self._blocks), self._size)
        self._index += 1
        self._blocks.clear()
        self._size = 0
        return group


class Attempted(msgspec.Struct, frozen=True):
    """A group decoded with the layout that was current when its turn in a worker came."""

    group: Group
    given: Layout | None
    result: Decoded | QualityError

    @property
    def grew(self) -> bool:
        """Whether the group itself changed the layout, or might with another one."""
        if self.given is None or isinstance(self.result, QualityError):
            return True
        return self.result.layout.version != self.given.version

    def stands_under(self, layout: Layout | None) -> bool:
        """Whether decoding it again with `layout` would give the same."""
        if self.given is None or layout is None:
            return self.given is layout
        if self.given.version == layout.version:
            return True
        return not self.grew and self.given.schema.equals(layout.schema, check_metadata=True)


@final
class Fold:
    """The layout so far: groups are decoded with it side by side, and taken in order.

    `consume` returns the layout that later groups are decoded with.
    """

    def __init__(
        self,
        decoder: Decoder,
        workers: Workers,
        consume: Callable[[Decoded], Awaitable[Layout]],
        layout: Layout | None,
        profile: Profile,
    ) -> None:
        self._decoder = decoder
        self._workers = workers
        self._consume = consume
        self._layout = layout
        self._started = anyio.Event()
        """Later groups wait until the first has said how they begin."""
        if layout is not None and layout.is_settled:
            self._started.set()
        self._profile = profile
        self._decoded = self._taken = 0

    async def decode(self, group: Group) -> tuple[Attempted, int]:
        """Decode with the layout of now. Returns with it the bytes that the result holds."""
        if group.index and not self._started.is_set():
            await self._started.wait()
        given = self._layout
        result: Decoded | QualityError
        try:
            result = await self._decode(group, given)
        except QualityError as exc:
            result = exc  # judged in its turn: a newer layout may have room for the value
        self._decoded += 1
        return Attempted(group, given, result), JSON_MULTIPLE * group.size_bytes

    async def take(self, attempted: Attempted) -> None:
        """Hand the next group in order on, decoded anew where an older layout gave another one."""
        self._profile.stage("encode").filled((self._decoded - self._taken) / GROUPS_AHEAD)
        self._taken += 1
        decoded, layout = attempted.result, self._layout
        if not attempted.stands_under(layout):
            decoded = await self._decode(attempted.group, layout)
        elif isinstance(decoded, QualityError):
            raise decoded
        elif layout is not None and not attempted.grew:
            # It may have been decoded before the layout was settled. Handing that older one
            # on would unsettle the fold, and when it was decoded is a matter of timing.
            decoded = msgspec.structs.replace(decoded, layout=layout)
        self._layout = await self._consume(decoded)
        self._started.set()

    async def _decode(self, group: Group, layout: Layout | None) -> Decoded:
        return await self._workers.run(self._decoder.decode, group.blocks, layout, stage="decode")


async def decode_slice(
    source: Source,
    decoder: Decoder,
    piece: Slice,
    resources: Resources,
    consume: Callable[[Decoded], Awaitable[Layout]],
    *,
    layout: Layout | None,
    capture: Callable[[CapturedPage], Awaitable[None]] | None = None,
) -> Slice | None:
    """Read one slice and hand its groups, decoded, to `consume` in order.

    `consume` returns the layout that the next groups are decoded with: the group's own,
    or that one settled. Returns what the source returned: the next slice of a chain.
    `capture` takes the captured pages, in order, as they come.
    An error of the source is raised after all that it handed on before has been consumed,
    so the first fault in order is the one that is seen.
    """
    profile = applying() or Profile()
    groups = Groups(max(GROUP_BYTES, decoder.least_group_bytes), profile)
    fold = Fold(decoder, resources.workers, consume, layout, profile)
    emit = groups.accept if capture is None else _capturing(capture, groups.accept)
    failure: Exception | None = None
    following: Slice | None = None
    is_whole = False

    async def read() -> None:
        nonlocal failure, following
        try:
            following = await source.read(piece, emit)
        except Exception as exc:  # noqa: BLE001  # raised below, in its turn
            failure = exc
        groups.close()

    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await ordered(
                groups,
                fold.decode,
                fold.take,
                lane=Lane(resources.budget, DECODE_FLOOR_BYTES),
                estimate=lambda group: JSON_MULTIPLE * group.size_bytes,
                ahead=GROUPS_AHEAD,
            )
            is_whole = True
    if failure is not None:
        raise failure
    if not is_whole:  # a task group takes the cancellation of one of its tasks for its own
        raise ExtractError(
            f"slice {piece.label!r} broke off: something that its source waits for was cancelled, "
            "and not by whoever runs it. Run again"
        )
    return following


def _capturing(capture: Callable[[CapturedPage], Awaitable[None]], accept: Emit) -> Emit:
    """Give each captured page to `capture`, and its block without it to `accept`."""

    async def emit(block: Block) -> None:
        if block.captured is not None:
            await capture(block.captured)
            block = msgspec.structs.replace(block, captured=None)  # a group would hold it
        await accept(block)

    return emit
