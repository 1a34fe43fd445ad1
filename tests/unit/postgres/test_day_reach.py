"""How far a day may be read: to its end, once nothing of it can come any more."""

from __future__ import annotations

import msgspec
import pytest

from bronze_engine.config.incremental import Incremental
from bronze_engine.model.window import CursorType
from bronze_engine.sources.postgres.cursor import Cursor
from bronze_engine.sources.postgres.query import Origin, Values
from bronze_engine.sources.postgres.window import Reach, _of_day, find_reach
from tests.unit.plan.test_date_windows import plan

pytestmark = pytest.mark.unit

END = "2025-01-16T00:00:00Z"


def cursor(kind: CursorType, type_name: str, timezone: str | None = None) -> Cursor:
    return Cursor(name="at", kind=kind, type_name=type_name, timezone=timezone)


def test_a_day_that_is_settled_is_read_to_its_end_and_tells_of_nobody() -> None:
    at = cursor("timestamp", "timestamptz")
    found = _of_day(END, "2025-01-15T23:59:59.999999+00:00", at, "pid 7 is open")
    assert found == Reach(last=END, is_open=True, settled=END)


def test_a_day_with_an_open_transaction_is_read_up_to_it() -> None:
    at = cursor("timestamp", "timestamptz")
    settled = "2025-01-15T23:59:59.999998+00:00"
    found = _of_day(END, settled, at, "pid 7 is open")
    assert found == Reach(last=settled, settled=settled, warning="pid 7 is open")


def test_naive_timestamps_are_compared_in_their_zone() -> None:
    at = cursor("timestamp", "timestamp", "Europe/Berlin")
    end = "2025-01-16T01:00:00"
    assert _of_day(end, "2025-01-16T00:59:59.999999", at, None).is_open
    assert not _of_day(end, "2025-01-16T00:59:59", at, None).is_open


def test_a_date_is_read_as_it_stands_and_says_whether_it_is_over() -> None:
    day = cursor("date", "date")
    assert _of_day("2025-01-16", "2025-01-15", day, None).settled == "2025-01-16"
    found = _of_day("2025-01-16", "2025-01-14", day, None)
    assert found == Reach(last="2025-01-16", is_open=True, settled="2025-01-14")


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.asyncio
async def test_a_chain_ends_at_its_cap_as_it_was_asked_to(is_open: bool) -> None:
    request = msgspec.structs.replace(plan(Incremental(cursor="at")), cap=END, cap_open=is_open)
    at = cursor("timestamp", "timestamptz")
    assert await find_reach(None, request, at, _no_origin) == Reach(last=END, is_open=is_open)


def _no_origin(_values: Values, /) -> Origin:
    raise AssertionError("nothing is asked")
