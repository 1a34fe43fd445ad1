"""The HTTP source against a real server on loopback: what well-behaved APIs do."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from bronze_engine.config.http.paginator import (
    CursorPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    OffsetPaginator,
    PagePaginator,
)
from bronze_engine.config.units import ByteSize
from bronze_engine.errors import ExtractError
from bronze_engine.telemetry.events import PageFetched
from tests.integration.http.rows import ROWS, chained, paged
from tests.integration.http_server import Seen, answer, opened, serve

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("total", [False, True])
async def test_pages_by_number_arrive_whole_and_in_order(compress: bool, total: bool) -> None:
    paginator = PagePaginator(
        size_param="limit", page_size=10, total_path="meta.total" if total else None
    )
    async with (
        serve(paged(compress=compress)) as server,
        opened(server, records="data.items", paginator=paginator) as one,
    ):
        assert await one.read() == ROWS
        assert one.tally.pages == len(server.seen) == 10
        assert one.tally.requests == 10
        assert one.tally.retries == 0
        assert one.tally.bytes_in > 500
        assert [block.page for block in one.blocks] == list(range(1, 11))
        assert {str(block.as_of) for block in one.blocks} == {"2025-01-15 10:00:00+00:00"}
        pages = [event for event in one.events if isinstance(event, PageFetched)]
        assert sum(event.records for event in pages) == len(ROWS)
        assert pages[0].total_records == (95 if total else None)


@pytest.mark.asyncio
async def test_known_total_lets_pages_be_fetched_side_by_side() -> None:
    inside = 0
    most = 0
    inner = paged()

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        for _ in range(20):
            await asyncio.to_thread(int)  # noqa: TID251  # a slow server, in its own words
        inside -= 1
        return await inner(seen, writer)

    paginator = PagePaginator(size_param="limit", page_size=5, total_path="meta.total")
    async with (
        serve(handle) as server,
        opened(server, records="data.items", paginator=paginator, api={"concurrency": 8}) as one,
    ):
        assert await one.read() == ROWS
        assert 2 < most <= 8


@pytest.mark.asyncio
async def test_without_a_total_pages_are_read_one_after_another() -> None:
    async with (
        serve(paged(total=False)) as server,
        opened(
            server,
            records="data.items",
            paginator=PagePaginator(size_param="limit", page_size=5),
        ) as one,
    ):
        assert await one.read() == ROWS
        # 19 full pages, then the empty one that is the end.
        assert [int(seen.query["page"]) for seen in server.seen] == list(range(1, 21))


@pytest.mark.asyncio
@pytest.mark.parametrize("parallel", [1, 4])
async def test_parallel_without_a_total_ends_at_404(parallel: int) -> None:
    paginator = PagePaginator(parallel=parallel)
    async with (
        serve(paged(total=False, past_end=404)) as server,
        opened(server, records="data.items", paginator=paginator) as one,
    ):
        assert await one.read() == ROWS
        assert one.tally.pages == 10


@pytest.mark.asyncio
async def test_a_404_behind_the_last_page_is_told_with_the_way_out() -> None:
    async with (
        serve(paged(total=False, past_end=404)) as server,
        opened(server, records="data.items", paginator=PagePaginator()) as one,
    ):
        with pytest.raises(ExtractError, match=r"^EXT001 page 11 .*set paginator.parallel = 1"):
            await one.read()


@pytest.mark.asyncio
async def test_parallel_without_a_total_ends_at_404_after_full_pages_only() -> None:
    paginator = PagePaginator(size_param="limit", page_size=19, parallel=3)
    async with (
        serve(paged(total=False, past_end=404)) as server,
        opened(server, records="data.items", paginator=paginator) as one,
    ):
        assert await one.read() == ROWS
        assert max(int(seen.query["page"]) for seen in server.seen) > 5


@pytest.mark.asyncio
@pytest.mark.parametrize("by_offset", [False, True])
async def test_a_server_that_caps_the_page_size_loses_nothing_and_warns(by_offset: bool) -> None:
    paginator: PagePaginator | OffsetPaginator
    if by_offset:
        paginator = OffsetPaginator(size_param="limit", page_size=1000, total_path="meta.total")
    else:
        paginator = PagePaginator(size_param="limit", page_size=1000, total_path="meta.total")
    async with (
        serve(paged(cap=10)) as server,
        opened(server, records="data.items", paginator=paginator) as one,
    ):
        assert await one.read() == ROWS
        assert len(server.seen) == 10
        assert len(one.tally.warnings) == 1
        assert "page_size = 10" in one.tally.warnings[0]


@pytest.mark.asyncio
async def test_a_short_page_amid_parallel_offsets_is_read_on_from_where_it_ended() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        start, size = int(seen.query["offset"]), int(seen.query["limit"])
        if start > 20 and start % 10 != 7:  # only ever guessed, and not good to ask for
            return answer({"message": "no such offset"}, status=400)
        rows = ROWS[start : start + (size - 3 if start == 20 else size)]
        return answer({"items": rows, "total": len(ROWS)})

    paginator = OffsetPaginator(size_param="limit", page_size=10, total_path="total")
    async with (
        serve(handle) as server,
        opened(server, records="items", paginator=paginator) as one,
    ):
        assert await one.read() == ROWS


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "paginator",
    [
        CursorPaginator(cursor_path="cursor"),
        NextUrlPaginator(next_path="next"),
        LinkHeaderPaginator(),
    ],
)
async def test_chained_pages(
    paginator: CursorPaginator | NextUrlPaginator | LinkHeaderPaginator,
) -> None:
    async with (
        serve(chained()) as server,
        opened(server, records="items", paginator=paginator) as one,
    ):
        assert await one.read() == [{"id": number} for number in range(5)]
        assert len(server.seen) == 5
        assert server.connections == 1


@pytest.mark.asyncio
async def test_a_chain_reads_exactly_one_page_ahead_of_the_one_being_handed_on() -> None:
    async with (
        serve(chained(10)) as server,
        opened(server, records="items", paginator=CursorPaginator(cursor_path="cursor")) as one,
    ):
        seen_at_emit: list[int] = []

        async def emit(_: object) -> None:
            for _ in range(200):
                await asyncio.to_thread(int)  # noqa: TID251  # time for a prefetch to arrive
            seen_at_emit.append(len(server.seen))

        async for piece in one.source.slices():
            await one.source.read(piece, emit)
        assert seen_at_emit[:4] == [2, 3, 4, 5]


@pytest.mark.asyncio
async def test_max_pages_stops_without_an_error() -> None:
    paginator = PagePaginator(
        size_param="limit", page_size=10, total_path="meta.total", max_pages=3
    )
    async with (
        serve(paged()) as server,
        opened(server, records="data.items", paginator=paginator) as one,
    ):
        assert await one.read() == ROWS[:30]
        assert len(server.seen) == 3


@pytest.mark.asyncio
async def test_an_empty_result_is_fine() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    async with serve(handle) as server, opened(server, paginator=PagePaginator()) as one:
        assert await one.read() == []
        assert len(server.seen) == 1


@pytest.mark.asyncio
async def test_no_content_is_an_empty_result() -> None:
    async def handle(*_: object) -> bytes:
        return b"HTTP/1.1 204 No Content\r\n\r\n"

    async with serve(handle) as server, opened(server) as one:
        assert await one.read() == []


@pytest.mark.asyncio
async def test_a_large_page_comes_as_several_blocks_with_their_places() -> None:
    rows = [{"id": number, "text": "x" * 1000} for number in range(10_000)]

    async def handle(*_: object) -> bytes:
        return answer(rows)

    async with serve(handle) as server, opened(server) as one:
        assert await one.read() == rows
        assert [block.page for block in one.blocks] == [1, 1, 1]
        assert one.blocks[1].offset == one.blocks[0].records
        assert all(block.size_bytes < 4.1 * 1024**2 for block in one.blocks)


@pytest.mark.asyncio
async def test_the_lane_gives_everything_back_and_a_small_budget_still_passes() -> None:
    paginator = PagePaginator(size_param="limit", page_size=5, total_path="meta.total")
    async with (
        serve(paged()) as server,
        opened(
            server,
            records="data.items",
            paginator=paginator,
            budget_bytes=1,
            max_page_bytes=ByteSize(10_000),
        ) as one,
    ):
        assert await one.read() == ROWS
        assert one.budget.pooled_bytes == 0


@pytest.mark.asyncio
async def test_slices_and_token() -> None:
    async with opened("http://api.example.invalid") as one:
        pieces = [piece async for piece in one.source.slices()]
        assert [piece.index for piece in pieces] == [0]
        assert msgspec.json.decode(pieces[0].spec) is None
        assert one.source.token is None
