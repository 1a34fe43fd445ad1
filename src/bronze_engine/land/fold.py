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

from bronze_engine.contracts import Decoded, Decoder, Resources, Source
from bronze_engine.errors import ExtractError, QualityError
from bronze_engine.flow import Gate, Lane, ordered, single
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from bronze_engine.model.page import CapturedPage
from bronze_engine.model.slice import Slice
from bronze_engine.telemetry.profile import Profile, applying

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
    """The layout so far, and the gate that keeps later groups behind the first."""

    def __init__(self, layout: Layout | None) -> None:
        self.layout = layout
        self.started = anyio.Event()
        if layout is not None and layout.is_settled:
            self.started.set()


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
    fold = Fold(layout)
    lane = Lane(resources.budget, DECODE_FLOOR_BYTES)
    profile = applying() or Profile()
    groups = Groups(max(GROUP_BYTES, decoder.least_group_bytes), profile)
    decoded_groups = taken_groups = 0
    failure: Exception | None = None
    following: Slice | None = None
    is_whole = False

    async def keep_page(block: Block) -> None:
        if capture is not None and block.captured is not None:
            await capture(block.captured)
            block = msgspec.structs.replace(block, captured=None)  # a group would hold it
        await groups.accept(block)

    async def read() -> None:
        nonlocal failure, following
        try:
            emit = groups.accept if capture is None else keep_page
            following = await source.read(piece, emit)
        except Exception as exc:  # noqa: BLE001  # raised below, in its turn
            failure = exc
        groups.close()

    async def decode(group: Group) -> tuple[Attempted, int]:
        nonlocal decoded_groups
        if group.index and not fold.started.is_set():
            await fold.started.wait()
        given = fold.layout
        result: Decoded | QualityError
        try:
            result = await resources.workers.run(
                decoder.decode, group.blocks, given, stage="decode"
            )
        except QualityError as exc:
            result = exc  # judged in its turn: a newer layout may have room for the value
        decoded_groups += 1
        return Attempted(group, given, result), JSON_MULTIPLE * group.size_bytes

    async def take(attempted: Attempted) -> None:
        nonlocal taken_groups
        profile.stage("encode").filled((decoded_groups - taken_groups) / GROUPS_AHEAD)
        taken_groups += 1
        decoded, layout = attempted.result, fold.layout
        if not attempted.stands_under(layout):
            decoded = await resources.workers.run(
                decoder.decode, attempted.group.blocks, layout, stage="decode"
            )
        elif isinstance(decoded, QualityError):
            raise decoded
        elif layout is not None and not attempted.grew:
            # It may have been decoded before the layout was settled. Handing that older one
            # on would unsettle the fold, and when it was decoded is a matter of timing.
            decoded = msgspec.structs.replace(decoded, layout=layout)
        fold.layout = await consume(decoded)
        fold.started.set()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await ordered(
                groups,
                decode,
                take,
                lane=lane,
                estimate=lambda group: JSON_MULTIPLE * group.size_bytes,
                ahead=GROUPS_AHEAD,
            )
            is_whole = True
    except BaseExceptionGroup as group:
        raise single(group) from None
    if failure is not None:
        raise failure
    if not is_whole:  # a task group takes the cancellation of one of its tasks for its own
        raise ExtractError(
            f"slice {piece.label!r} broke off: something that its source waits for was cancelled, "
            "and not by whoever runs it. Run again"
        )
    return following
