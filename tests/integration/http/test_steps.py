"""Steps of integers, which end where the numbers do: against APIs with gaps, and with faults."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bronze_engine.config.http.paginator import CursorPaginator
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Request
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.errors import PageError
from tests.integration.http_server import Handler, Opened, Seen, answer, opened, request, serve

pytestmark = pytest.mark.integration

STEPS = Incremental(
    cursor="id",
    cursor_type="integer",
    step=Duration(10),
    start_param="above",
    end_param="to",
)


def numbers(ids: list[int], *, takes_ends_in: bool = True, ignores: bool = False) -> Handler:
    """Serves the ids within the bounds, three a page."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        low, high = int(seen.query["above"]), int(seen.query.get("to", 10**9))
        found = [
            number
            for number in ids
            if ignores or (low <= number <= high if takes_ends_in else low < number < high)
        ]
        start = int(seen.query.get("cursor", 0))
        more = str(start + 3) if start + 3 < len(found) else None
        return answer(
            {"rows": [{"id": number} for number in found[start : start + 3]], "next": more}
        )

    return handle


def landed(one: Opened, asked: Request) -> list[int]:
    found: list[Any] = []
    layout = None
    for block in one.blocks:
        decoded = JsonDecoder(asked).decode([block], layout)
        layout = decoded.layout
        found += decoded.batch.column("id").to_pylist()
    return found


async def read(handler: Handler, low: str = "0", **source: Any) -> tuple[list[int], list[Seen]]:
    async with (
        serve(handler) as server,
        opened(
            server,
            incremental=STEPS,
            low=low,
            records="rows",
            paginator=CursorPaginator(cursor_path="next"),
            **source,
        ) as one,
    ):
        await one.read()
        assert one.budget.pooled_bytes == 0
        return landed(one, request(incremental=STEPS, low=low, read_from=low)), server.seen


@pytest.mark.asyncio
@pytest.mark.parametrize("takes_ends_in", [True, False])
@pytest.mark.parametrize("parallel", [1, 2, 8])
@pytest.mark.parametrize(
    "ids",
    [
        [],
        [1],
        [10, 20, 30],
        [*range(1, 41)],
        [3, 4, 5, 9, 10, 11, 300, 301, 302, 303, 5000],
        [100],
    ],
)
async def test_integers_land_once_each_whatever_gaps_there_are(
    ids: list[int], parallel: int, takes_ends_in: bool
) -> None:
    handler = numbers(ids, takes_ends_in=takes_ends_in)
    found, _ = await read(handler, parallel=parallel)
    assert found == ids


@pytest.mark.asyncio
async def test_the_last_request_has_no_end_and_begins_at_the_empty_step() -> None:
    _, seen = await read(numbers([1, 2, 12, 22]), parallel=1)
    asked = [one.query for one in seen]
    assert asked[:4] == [
        {"above": "0", "to": "11"},
        {"above": "10", "to": "21"},
        {"above": "20", "to": "31"},
        {"above": "30", "to": "41"},
    ]
    assert asked[-1] == {"above": "30"}


@pytest.mark.asyncio
async def test_an_api_that_ignores_the_bounds_is_found_out() -> None:
    with pytest.raises(PageError, match=r"id 30 to 40: 4 steps in a row begin with the same"):
        await read(numbers([5, 6, 7, 8], ignores=True))


@pytest.mark.asyncio
async def test_faults_of_steps_behind_the_end_do_not_matter() -> None:
    inner = numbers([1, 2, 12])

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> bytes | None:
        if int(seen.query["above"]) > 20:
            return answer({"error": "out of range"}, status=400)
        return await inner(seen, writer)

    found, _ = await read(handle)
    assert found == [1, 2, 12]


@pytest.mark.asyncio
async def test_preview_says_how_the_steps_end() -> None:
    async with (
        serve(numbers([])) as server,
        opened(server, incremental=STEPS, low="5") as one,
    ):
        preview = one.source.preview()
        assert preview.first == f"GET {server.url}/x?above=5&to=16"
        assert preview.slices == ("steps until one is empty, 8 side by side",)
        assert server.seen == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("seconds", "told", "per_slice"),
    [(86_400, "380 steps", "8"), (1, "more than 10,000 steps", "328,320")],
)
async def test_preview_counts_the_steps_as_far_as_that_is_quick(
    seconds: int, told: str, per_slice: str
) -> None:
    incremental = Incremental(cursor="at", step=Duration(seconds), start_param="s", end_param="e")
    async with (
        serve(numbers([])) as server,
        opened(server, incremental=incremental, low="2024-01-01T00:00:00Z") as one,
    ):
        assert one.source.preview().slices == (f"{told}, 8 side by side, {per_slice} a slice",)


@pytest.mark.asyncio
async def test_a_window_without_steps_asks_for_nothing() -> None:
    incremental = Incremental(cursor="at", step=Duration(86400), start_param="s", end_param="e")
    async with (
        serve(numbers([])) as server,
        opened(server, incremental=incremental, low="2026-01-01T00:00:00Z") as one,
    ):
        preview = one.source.preview()
        assert (preview.location, preview.first, preview.slices) == (
            f"{server.url}/x",
            "no request: the window is empty",
            ("0 steps, 8 side by side",),
        )
        assert await one.read() == []
        assert "nothing to ask it for yet" in await one.source.check()
        assert server.seen == []
