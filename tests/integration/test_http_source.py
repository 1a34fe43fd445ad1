"""The HTTP source against a real server on loopback: what well-behaved APIs do."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from bronze_engine.config.auths.auth import ApiKeyAuth, BasicAuth, BearerAuth
from bronze_engine.config.http.paginator import (
    CursorPaginator,
    LinkHeaderPaginator,
    NextUrlPaginator,
    OffsetPaginator,
    PagePaginator,
)
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.units import ByteSize, Secret
from bronze_engine.errors import PageError, SliceLost
from bronze_engine.telemetry.events import PageFetched
from tests.integration.http_server import Handler, Seen, answer, opened, serve

pytestmark = pytest.mark.integration

ROWS = [{"id": number, "amount": number * 1.25} for number in range(1, 96)]


def paged(
    *, total: bool = True, cap: int = 1000, compress: bool = False, past_end: int = 200
) -> Handler:
    """Serves ROWS by page and size, or by offset and size."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        size = min(cap, int(seen.query.get("limit", 10)))
        if "offset" in seen.query:
            start = int(seen.query["offset"])
        else:
            start = (int(seen.query.get("page", 1)) - 1) * size
        rows = ROWS[start : start + size]
        if not rows and past_end != 200:
            return answer({"error": "no such page"}, status=past_end)
        value: dict[str, Any] = {"data": {"items": rows}}
        if total:
            value["meta"] = {"total": len(ROWS)}
        return answer(value, compress=compress, headers={"Date": "Wed, 15 Jan 2025 10:00:00 GMT"})

    return handle


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


def chained(pages: int = 5) -> Handler:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        number = int(seen.query.get("cursor", 0))
        more = number + 1 < pages
        value: dict[str, Any] = {"items": [{"id": number}], "cursor": number + 1 if more else None}
        headers = {}
        if more:
            value["next"] = f"/x?cursor={number + 1}"
            headers["Link"] = f'</y>; rel="prev", </x?cursor={number + 1}>; rel="next"'
        return answer(value, headers=headers)

    return handle


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
async def test_post_sends_the_rendered_json_with_every_page() -> None:
    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        page = int(seen.query["page"])
        return answer([{"id": page, "day": json.loads(seen.body)["day"]}] if page < 3 else [])

    async with (
        serve(handle) as server,
        opened(
            server,
            method="POST",
            json={"day": "{run_date:%Y%m%d}"},
            paginator=PagePaginator(),
        ) as one,
    ):
        assert await one.read() == [{"id": 1, "day": "20250115"}, {"id": 2, "day": "20250115"}]
        assert {seen.method for seen in server.seen} == {"POST"}
        assert server.seen[0].headers["content-type"] == "application/json"


@pytest.mark.asyncio
async def test_path_and_params_are_rendered_and_encoded() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    async with (
        serve(handle) as server,
        opened(
            server,
            path="/days/{run_date}?fixed=1",
            params={"q": "a b&c/ü", "flags": ["x", "y"], "on": True, "n": 3, "low": "{low}"},
        ) as one,
    ):
        await one.read()
        assert server.seen[0].target == (
            "/days/2025-01-15?fixed=1&q=a%20b%26c%2F%C3%BC&flags=x&flags=y&on=true&n=3"
        )


@pytest.mark.asyncio
async def test_the_window_is_sent_in_the_format_that_the_api_wants() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    incremental = Incremental(
        cursor="updated_at", start_param="since", end_param="until", format="epoch"
    )
    async with (
        serve(handle) as server,
        opened(
            server,
            incremental=incremental,
            low="2025-01-01T00:00:00.5Z",
            cap="2025-01-02T00:00:00.5Z",
        ) as one,
    ):
        await one.read()
        assert server.seen[0].query == {"since": "1735689600", "until": "1735776001"}
        assert "since=1735689600" in one.source.preview().first


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        (BearerAuth(token=Secret("t0ken")), "authorization", "Bearer t0ken"),
        (
            BasicAuth(username="ü", password=Secret("pw")),
            "authorization",
            "Basic w7w6cHc=",
        ),
        (ApiKeyAuth(key=Secret("k3y")), "x-api-key", "k3y"),
    ],
)
async def test_credentials_in_headers(auth: Any, header: str, value: str) -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    async with (
        serve(handle) as server,
        opened(server, api={"auth": auth, "headers": {"X-Tenant": Secret("t1")}}) as one,
    ):
        await one.read()
        assert server.seen[0].headers[header] == value
        assert server.seen[0].headers["x-tenant"] == "t1"
        assert server.seen[0].headers["accept-encoding"] == "gzip"


@pytest.mark.asyncio
async def test_a_key_in_the_query_goes_with_every_page_and_is_not_shown() -> None:
    auth = ApiKeyAuth(key=Secret("k3y&="), name="key", location="query")
    async with (
        serve(chained(3)) as server,
        opened(
            server,
            api={"auth": auth},
            records="items",
            paginator=NextUrlPaginator(next_path="next"),
        ) as one,
    ):
        await one.read()
        assert [seen.query["key"] for seen in server.seen] == ["k3y&="] * 3


@pytest.mark.asyncio
async def test_identity_is_asked_for_where_it_is_configured() -> None:
    async def handle(*_: object) -> bytes:
        return answer([])

    headers = {"accept-encoding": Secret("identity")}
    async with serve(handle) as server, opened(server, api={"headers": headers}) as one:
        await one.read()
        assert server.seen[0].headers["accept-encoding"] == "identity"


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
async def test_preview_sends_nothing_and_masks_what_is_no_paginators() -> None:
    async with opened(
        "https://api.example.invalid/v1",
        path="/orders",
        params={"token": "canary", "state": "open"},
        paginator=PagePaginator(size_param="limit", page_size=10),
    ) as one:
        preview = one.source.preview()
        assert preview.location == "https://api.example.invalid/v1/orders"
        assert preview.first == (
            "GET https://api.example.invalid/v1/orders?token=***&state=***&page=1&limit=10"
        )
        assert preview.slices == ("all pages",)


@pytest.mark.asyncio
async def test_check_asks_for_one_small_page() -> None:
    paginator = PagePaginator(size_param="limit", page_size=10, total_path="meta.total")
    async with (
        serve(paged()) as server,
        opened(server, records="data.items", paginator=paginator) as one,
    ):
        said = await one.source.check()
        assert said.endswith("answers 200 with 1 records, meta.total = 95")
        assert [seen.query["limit"] for seen in server.seen] == ["1"]
        assert one.blocks == []


def shifting(stated: list[int]) -> Handler:
    """Each reading (a request of page 1) states the next total over two pages of one row."""
    readings = 0

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        nonlocal readings
        page = int(seen.query["page"])
        readings += page == 1
        rows = [{"id": page}] if page < 3 else []
        return answer({"items": rows, "total": stated[min(readings, len(stated)) - 1]})

    return handle


async def read_shifting(on_shift: str, stated: list[int]) -> tuple[list[Any], list[str], int]:
    async with (
        serve(shifting(stated)) as server,
        opened(
            server,
            records="items",
            paginator=PagePaginator(total_path="total"),
            on_shift=on_shift,
        ) as one,
    ):
        for _ in range(3):
            one.blocks.clear()
            try:
                await one.read()
            except SliceLost:
                continue
            break
        else:
            await one.read()
        return one.records, one.tally.warnings, len(server.seen)


@pytest.mark.asyncio
async def test_a_total_that_is_not_met_fails() -> None:
    with pytest.raises(PageError, match="2 records were received and 3 stated"):
        await read_shifting("fail", [3])


@pytest.mark.asyncio
async def test_a_total_that_is_not_met_only_warns_where_configured() -> None:
    records, warnings, _ = await read_shifting("warn", [3])
    assert len(records) == 2
    assert "2 records were received and 3 stated" in warnings[0]


@pytest.mark.asyncio
async def test_a_total_that_is_not_met_has_the_slice_read_again() -> None:
    records, _, requests = await read_shifting("retry", [3, 2])
    assert len(records) == 2
    assert requests == 3 + 2


@pytest.mark.asyncio
async def test_pages_that_keep_shifting_are_an_error_after_two_rereads() -> None:
    with pytest.raises(PageError, match="in 3 readings"):
        await read_shifting("retry", [3])


@pytest.mark.asyncio
async def test_an_empty_shifted_reading_begins_again_by_itself() -> None:
    readings = 0

    async def handle(*_: object) -> bytes:
        nonlocal readings
        readings += 1
        return answer({"items": [{"id": 1}] if readings == 2 else [], "total": 1})

    async with (
        serve(handle) as server,
        opened(
            server,
            records="items",
            paginator=PagePaginator(total_path="total"),
            on_shift="retry",
        ) as one,
    ):
        assert await one.read() == [{"id": 1}]
        assert len(server.seen) == 2


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
