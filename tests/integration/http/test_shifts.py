"""Totals that are not met: the slice is read again, fails or warns, as `on_shift` has it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bronze_engine.config.http.paginator import PagePaginator
from bronze_engine.errors import PageError, SliceLost
from tests.integration.http_server import Handler, Seen, answer, opened, serve

pytestmark = pytest.mark.integration


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
