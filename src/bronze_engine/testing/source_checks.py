# ruff: noqa: S101  # asserting is what a check does
"""The behaviour of a source, as checks that every implementation passes.

    @asynccontextmanager
    async def feed():
        yield SourceSubject(
            source_type=FeedSource(),
            config=FeedConfig(path="three-slices.xml"),
            broken=FeedConfig(path="missing.xml"),
        )

    @pytest.mark.parametrize("check", SOURCE_CHECKS, ids=name_of)
    async def test_contract(check):
        await check(feed)

A check enters the subject, opens its source once or more, and reads it. The subject should have
several slices where its kind of source can, and several blocks in one of them: what is never
handed on can't be checked. Around each opening tasks, threads and open descriptors are counted.
Checks raise AssertionError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import anyio
import anyio.lowlevel
import msgspec

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Decoded, Source
from bronze_engine.errors import BronzeError, SliceLost, SnapshotLost
from bronze_engine.model.block import Block
from bronze_engine.model.slice import Slice
from bronze_engine.testing.cut import CutStyle, cut_at
from bronze_engine.testing.left import nothing_left
from bronze_engine.testing.lent import lend
from bronze_engine.testing.source_subject import (
    SourceFactory,
    SourceSubject,
    each_piece,
    into,
    opened,
    read_whole,
    told,
)

__all__ = ["SOURCE_CHECKS", "SourceCheck", "SourceFactory", "SourceSubject"]

_PATIENCE_SECONDS: Final = 30.0
_TURNS: Final = 20
"""Of the loop, in which whatever is ready has its chance."""


SourceCheck = Callable[[SourceFactory], Awaitable[None]]


async def check_preview_asks_nothing(make: SourceFactory) -> None:
    """What would be read is told without a request, and without a secret."""
    async with make() as subject:
        assert subject.source_type.floor_bytes(subject.config) > 0
        assert subject.source_type.slices_at_once(subject.config) >= 1
        async with opened(subject) as (source, lent):
            seen = source.preview()
            assert lent.limits.calls == 0, "opening or previewing has used the limits"
            assert lent.resources.tally.requests == 0, "opening or previewing has made a request"
            assert seen.location
            assert seen.first
            _tells_no_secret(subject, repr(seen))


async def check_check_says_what_it_found(make: SourceFactory) -> None:
    async with make() as subject, opened(subject) as (source, _):
        text = await source.check()
        assert text, "check() has nothing to say"
        _tells_no_secret(subject, text)


async def check_slices_are_the_same_again(make: SourceFactory) -> None:
    """Numbered from 0 without a gap, and with the same labels and specs in another opening."""
    async with make() as subject:
        found: list[list[Slice]] = []
        for _ in range(2):
            async with opened(subject) as (source, _lent):
                found.append([piece for piece, _ in await read_whole(source)])
        first, again = found
        assert first, "there is no slice"
        assert [piece.index for piece in first] == list(range(len(first)))
        assert first == again, f"{first} are {again} in another opening"
        for piece in first:
            assert piece.label
            _tells_no_secret(subject, repr(piece))


async def check_blocks_are_the_same_again(make: SourceFactory) -> None:
    """The same blocks, cut at the same places: files are made of them."""
    async with make() as subject:
        found: list[list[Any]] = []
        for _ in range(2):
            async with opened(subject) as (source, _lent):
                found.append([subject.told(blocks) for _, blocks in await read_whole(source)])
        assert any(found[0]), "nothing was emitted"
        assert found[0] == found[1], "another opening has emitted other blocks"


async def check_emits_one_block_at_a_time(make: SourceFactory) -> None:
    """Nothing is emitted while a block is not accepted, and it comes in order of pages."""
    async with make() as subject, opened(subject) as (source, _):
        held = 0
        places: list[tuple[int, int]] = []

        async def emit(block: Block) -> None:
            nonlocal held
            held += 1
            assert held == 1, "a block was emitted while another one was not accepted"
            for _turn in range(_TURNS):
                await anyio.lowlevel.checkpoint()
            places.append((block.page, block.offset))
            held -= 1

        async for piece in each_piece(source, lambda _piece: emit):
            assert places == sorted(places), f"blocks of {piece.label!r} came out of order"
            places.clear()


async def check_what_refuses_a_block_ends_the_reading(make: SourceFactory) -> None:
    """The error of `emit` comes out of `read` as it is, and the source can be left."""
    async with make() as subject, opened(subject) as (source, _):

        async def emit(_block: Block) -> None:
            raise _RefusedError

        caught: BaseException | None = None
        try:
            async for _piece in each_piece(source, lambda _piece: emit):
                pass
        except BaseException as exc:  # noqa: BLE001  # whatever it is, it is judged
            caught = exc
        assert type(caught) is _RefusedError, f"a refused block came out of read as {caught!r}"


async def check_cancelled_anywhere_leaves_nothing(make: SourceFactory) -> None:
    """At step after step of the loop, by `task.cancel()` and by a scope; then it reads on."""
    styles: tuple[CutStyle, ...] = ("native", "scope")
    for style in styles:
        async with make() as subject:
            at = 1
            while await _cut(subject, at, style):
                at += max(1, at // 4)  # every step at first; what follows is much of the same
            assert at > 1, "reading never waits"
            async with opened(subject) as (source, _):
                assert await read_whole(source)


async def check_reads_within_its_floor(make: SourceFactory) -> None:
    """With no more than `floor_bytes` it reads to the end, and gives every byte back."""
    async with make() as subject:
        floor = subject.source_type.floor_bytes(subject.config)
        async with opened(subject, budget_bytes=floor) as (source, lent):
            budget = lent.resources.budget
            async with budget.reserve(floor):
                try:
                    async with SYSTEM_CLOCK.timeout(_PATIENCE_SECONDS):
                        await read_whole(source)
                except TimeoutError:
                    raise AssertionError(
                        f"reading waits for ever with floor_bytes = {floor}"
                    ) from None
                assert budget.pooled_bytes == 0, f"{budget.pooled_bytes} bytes were not given back"


async def check_a_broken_slice_can_be_read_again(make: SourceFactory) -> None:
    """After it broke off, the slice is read whole by the same source, or SnapshotLost is raised."""
    async with make() as subject:
        async with opened(subject) as (source, _):
            whole = await read_whole(source)
        for number, (piece, blocks) in enumerate(whole):
            if not blocks:
                continue
            async with opened(subject) as (source, _):
                await _broken_off(source, number)
                got: list[Block] = []
                try:
                    await source.read(piece, into(got))
                except SnapshotLost:
                    return
                assert subject.told(got) == subject.told(blocks), (
                    f"{piece.label!r} is another one when read again"
                )


async def check_slices_resume_by_their_token(make: SourceFactory) -> None:
    """Where there is a token, it is the same in another opening, and so is each slice that has
    lain in a checkpoint meanwhile."""
    async with make() as subject:
        async with opened(subject) as (source, _):
            whole = await read_whole(source)
            token = source.token
        if token is None:
            return
        _tells_no_secret(subject, token)
        for number, (piece, blocks) in enumerate(whole):
            kept = msgspec.json.decode(msgspec.json.encode(piece), type=Slice)
            async with opened(subject) as (source, _):
                got: list[Block] = []
                told_of = 0
                async for first in source.slices():
                    told_of += 1
                    assert source.token == token, "another opening has another token"
                    if first.index >= number:
                        break
                await source.read(kept, into(got))
                assert subject.told(got) == subject.told(blocks), (
                    f"{piece.label!r} is another one when resumed"
                )


async def check_slices_are_read_side_by_side(make: SourceFactory) -> None:
    """As many as `slices_at_once` says: each has the blocks that it has alone, and where they
    are several, all have one layout."""
    async with make() as subject:
        at_once = subject.source_type.slices_at_once(subject.config)
        async with opened(subject) as (source, _):
            whole = [blocks for _, blocks in await read_whole(source)]
            alone = [subject.told(blocks) for blocks in whole]
            decoder = source.decoder()
            layouts = [decoder.decode(blocks, None).layout for blocks in whole if blocks]
        if at_once > 1:
            first = layouts[0].schema
            is_one = all(first.equals(other.schema, check_metadata=True) for other in layouts)
            assert is_one, "slices that are read side by side must have one layout: return 1"
        async with opened(subject) as (source, _):
            pieces: list[Slice] = []
            async for piece in source.slices():
                pieces.append(piece)
                if len(pieces) == at_once:
                    break
            got: dict[int, list[Block]] = {piece.index: [] for piece in pieces}
            async with anyio.create_task_group() as tasks:
                for piece in pieces:
                    tasks.start_soon(source.read, piece, into(got[piece.index]))
        for index, blocks in got.items():
            assert subject.told(blocks) == alone[index], (
                f"slice {index} is another one beside others"
            )


async def check_decoder_is_pure_and_thread_safe(make: SourceFactory) -> None:
    """The same blocks give the same batch, in any thread, whatever else is decoded meanwhile; the
    blocks stay as they are."""
    async with make() as subject, opened(subject) as (source, _):
        groups = [blocks for _, blocks in await read_whole(source) if blocks]
        groups += [[block] for blocks in groups for block in blocks[:3]]
        before = [told(blocks) for blocks in groups]
        decoder = source.decoder()
        once = [decoder.decode(blocks, None) for blocks in groups]
        for blocks, decoded in zip(groups, once, strict=True):
            assert decoded.batch.schema.equals(decoded.layout.schema), "batch and layout differ"
            records = sum(block.records for block in blocks)
            rows = decoded.batch.num_rows + len(decoded.rejects)
            rows += decoded.later_rows
            assert rows <= records or not records, f"{records} records became {rows} rows"
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(decoder.decode, blocks, None) for blocks in [*groups, *groups]]
            again = [job.result() for job in jobs]
        for number, decoded in enumerate(again):
            assert _same(decoded, once[number % len(once)]), "decoding again gives another batch"
        other = source.decoder()
        assert all(
            _same(other.decode(blocks, None), decoded)
            for blocks, decoded in zip(groups, once, strict=True)
        ), "another decoder of the same source gives another batch"
        assert [told(blocks) for blocks in groups] == before, "decoding has changed its blocks"


async def check_faults_are_bronze_errors(make: SourceFactory) -> None:
    """What can't be read ends in a BronzeError that tells no secret, and leaves nothing."""
    async with make() as subject:
        caught: BaseException | None = None
        async with nothing_left():
            try:
                async with (
                    lend() as lent,
                    subject.source_type.open(
                        subject.broken, subject.request, lent.resources
                    ) as source,
                ):
                    await read_whole(source)
            except Exception as exc:  # noqa: BLE001  # whatever it is, it is judged
                caught = exc
        assert caught is not None, "what is broken was read without a fault"
        assert isinstance(caught, BronzeError | SliceLost | SnapshotLost), (
            f"a fault of the source is no BronzeError: {caught!r}"
        )
        _tells_no_secret(subject, f"{caught} {caught!r}")


SOURCE_CHECKS: Final[tuple[SourceCheck, ...]] = (
    check_preview_asks_nothing,
    check_check_says_what_it_found,
    check_slices_are_the_same_again,
    check_blocks_are_the_same_again,
    check_emits_one_block_at_a_time,
    check_what_refuses_a_block_ends_the_reading,
    check_cancelled_anywhere_leaves_nothing,
    check_reads_within_its_floor,
    check_a_broken_slice_can_be_read_again,
    check_slices_resume_by_their_token,
    check_slices_are_read_side_by_side,
    check_decoder_is_pure_and_thread_safe,
    check_faults_are_bronze_errors,
)


class _RefusedError(Exception):
    pass


async def _broken_off(source: Source, number: int) -> None:
    """Read up to the first block of one slice, and refuse that."""

    async def emit(mine: bool, _block: Block) -> None:
        if mine:
            raise _RefusedError

    try:
        async for _piece in each_piece(source, lambda piece: partial(emit, piece.index == number)):
            pass
    except _RefusedError:
        pass


async def _cut(subject: SourceSubject, at: int, style: CutStyle) -> bool:
    async def work() -> None:
        async with (
            lend() as lent,
            subject.source_type.open(subject.config, subject.request, lent.resources) as source,
        ):
            await read_whole(source)

    async with nothing_left():
        if not await cut_at(work(), at, style):
            return False
    return True


def _same(one: Decoded, other: Decoded) -> bool:
    return (
        one.batch.equals(other.batch)
        and one.layout.schema.equals(other.layout.schema, check_metadata=True)
        and one.rejects == other.rejects
        and one.high == other.high
    )


def _tells_no_secret(subject: SourceSubject, text: str) -> None:
    for secret in subject.secrets:
        assert secret not in text, "a secret of the configuration is told"
