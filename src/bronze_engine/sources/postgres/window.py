"""The window of an incremental run: which rows it reads, and the watermark that it leaves.

In two steps. `find_reach`, before the snapshot, says how far rows may be read without leaving
any behind that are committed late. `fix_window`, within the snapshot, says what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import msgspec

from bronze_engine.config.incremental import Incremental
from bronze_engine.contracts import Request
from bronze_engine.errors import ExtractError, QualityError
from bronze_engine.model.day import covers
from bronze_engine.model.identifier import quote_ident
from bronze_engine.model.window import cursor_key
from bronze_engine.sources.postgres.cursor import Cursor
from bronze_engine.sources.postgres.horizon import Unsettled, last_before, look, unsettled
from bronze_engine.sources.postgres.query import Origin, Values, first, select

__all__ = ["Reach", "Span", "check_reach", "find_reach", "fix_window"]

_READ_XMAX = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_READ_XMIN = "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text"

MakeOrigin = Callable[[Values], Origin]


@final
class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How far rows may be read."""

    last: str | None = None
    """The last cursor value; None where only the snapshot says, or where nothing is there."""
    is_open: bool = False
    """Whether `last` is the first value that may not be read: the end of a date window."""
    settled: str | None = None
    """Of a date window the last value that nothing may come below any more."""
    waits_for: Unsettled | None = None
    """It holds for snapshots taken once these have ended."""
    warning: str | None = None


@final
class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one run. Of a full load all of them."""

    origin: Origin
    conditions: tuple[str, ...] = ()
    high: str | None = None
    """The watermark that the rows leave."""
    is_empty: bool = False
    """Whether it is known that there is no row."""
    null_rows: int = 0
    """Rows without a cursor value, which go to the quarantine."""


async def find_reach(
    session: Any,
    request: Request,
    cursor: Cursor,
    origin: MakeOrigin,
) -> Reach:
    """Ask, before the snapshot, for the last value that no open transaction may come below.

    Of numbers and texts that is the highest that is there, once all that was open at its
    reading has ended. Raises ExtractError where it can't be known.
    """
    incremental = _incremental(request)
    if request.cap is not None and incremental.window == "chain":
        return Reach(last=request.cap, is_open=request.cap_open)
    match cursor.kind:
        case "timestamp" | "date":
            horizon = await look(session, incremental.lag)
            last = last_before(horizon.before, cursor)
            if request.cap is not None:
                return _of_day(request.cap, last, cursor, horizon.warning)
            return Reach(last=last, warning=horizon.warning)
        case "xid8":
            return Reach()
        case "integer" | "text":
            low = _low(request, cursor)
            top = _top(
                cursor,
                origin(_values(request, cursor, cursor.last_value)),
                low or f"{cursor.expression} IS NOT NULL",
            )
            found = await session.fetchval(f"SELECT ({top})")
            if found is None:
                return Reach()
            # Asked for later, so whoever was open at that reading is among them or has committed.
            return Reach(last=found, waits_for=await unsettled(session))


def _of_day(end: str, settled: str, cursor: Cursor, warning: str | None) -> Reach:
    """How far a date window may be read: to its end once that is settled, else so far.

    A day is one value of a date: it is read as it stands, and what is recorded of it says
    that it is not over.
    """
    if covers(settled, end, cursor.kind, cursor.timezone):
        return Reach(last=end, is_open=True, settled=end)
    if cursor.kind == "date":
        return Reach(last=end, is_open=True, settled=settled)
    return Reach(last=settled, settled=settled, warning=warning)


async def check_reach(session: Any, request: Request, cursor: Cursor) -> None:
    """Raise ExtractError where `find_reach` would, without waiting for anything."""
    if cursor.kind in ("timestamp", "date"):
        await look(session, _incremental(request).lag)


async def fix_window(
    session: Any, request: Request, cursor: Cursor, reach: Reach, origin: MakeOrigin
) -> Span:
    """Fix the window within the snapshot of the data.

    Raises QualityError for rows without a cursor value where `on_null_cursor` is "fail".
    """
    last = reach.last
    if cursor.next_xid is not None:
        cursor = Cursor.of_xmin(await session.fetchval(_READ_XMAX))
    if last is None and cursor.kind == "xid8":
        last = await session.fetchval(_READ_XMIN)
    source = origin(_values(request, cursor, None if last is None else cursor.literal(last)))
    nulls = await _null_rows(session, request, cursor, source)
    if last is None:
        return Span(origin=source, is_empty=True, null_rows=nulls)
    low = _low(request, cursor)
    conditions = (
        *([] if low is None else [low]),
        cursor.below(last) if reach.is_open else cursor.up_to(last),
    )
    high = last
    if request.cap is None and cursor.kind in ("timestamp", "date"):
        found = await session.fetchval(_top(cursor, source, *conditions))
        if found is None:
            return Span(origin=source, is_empty=True, null_rows=nulls)
        high = found
    return Span(
        origin=source,
        conditions=conditions,
        high=_highest(high, request),
        null_rows=nulls,
    )


async def _null_rows(session: Any, request: Request, cursor: Cursor, origin: Origin) -> int:
    if not cursor.nullable:
        return 0
    count: int = await session.fetchval(select(["count(*)"], origin, cursor.is_null))
    if count and _incremental(request).on_null_cursor == "fail":
        raise QualityError(
            f"{count} rows have no {cursor.name!r}, which is the cursor, so no window would ever"
            ' hold them; set incremental.on_null_cursor = "quarantine", leave them out by'
            " source.where, or take a column that is NOT NULL"
        )
    return count


def _top(cursor: Cursor, origin: Origin, *conditions: str) -> str:
    """The highest cursor value, by an index where there is one: max() is not there for uuid."""
    order = f"{cursor.expression} DESC"
    return first([cursor.text], [quote_ident(cursor.name)], origin, *conditions, order_by=[order])


def _low(request: Request, cursor: Cursor) -> str | None:
    """The condition of the rows that have not landed, and of those looked back at."""
    read_from = request.read_from
    return None if read_from is None else cursor.above(read_from, is_open=request.low_open)


def _values(request: Request, cursor: Cursor, high: str | None) -> Values:
    low = None if request.read_from is None else cursor.literal(request.read_from)
    return Values(run_date=request.run_date, low=low, high=high)


def _highest(high: str, request: Request) -> str:
    """A lookback may find nothing above low: the watermark never goes back."""
    incremental, low = _incremental(request), request.low

    def key(value: str) -> Any:
        return cursor_key(value, incremental.cursor_type, incremental.cursor_timezone)

    try:
        highest = key(high)
    except ValueError as exc:  # no later run could begin there
        raise ExtractError(
            f"the highest {incremental.cursor!r} is {high}, which is no watermark: {exc}; leave"
            " such rows out by source.where, or take another column as the cursor"
        ) from exc
    return high if low is None or highest > key(low) else low


def _incremental(request: Request) -> Incremental:
    assert request.incremental is not None  # noqa: S101  # or there would be no cursor
    return request.incremental
