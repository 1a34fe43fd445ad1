"""What is settled over a session before the first row: columns, window, statement."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.database.adbc import AdbcSourceConfig
from bronze_engine.config.incremental import Incremental
from bronze_engine.contracts import Request
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.model.arrow import Scalar
from bronze_engine.model.day import before_repeated_hour, covers
from bronze_engine.model.nearest import nearest
from bronze_engine.model.window import CursorType
from bronze_engine.sources.adbc.columns import Asked, Columns
from bronze_engine.sources.adbc.cursor import Cursor
from bronze_engine.sources.adbc.database import Session
from bronze_engine.sources.adbc.decoder import CursorRows
from bronze_engine.sources.adbc.query import Condition, Origin, Query, Values
from bronze_engine.sources.adbc.window import AdbcWindow, instant_of, last_day_over

__all__ = ["Plan", "Planner"]

_USUAL: Final[dict[CursorType, pa.DataType]] = {
    "date": pa.date32(),
    "integer": pa.int64(),
    "text": pa.string(),
}
_NOW: Final = Query("SELECT CURRENT_TIMESTAMP")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is read, and what the decoder must know of it."""

    origin: Origin
    asked: list[Asked]
    columns: Columns
    window: AdbcWindow | None = None
    on_null: str = "fail"
    is_day: bool = False
    """Whether the window is that of a date."""
    is_low_late: bool = False
    """Whether rows exactly at the low have landed before."""

    def select(self, columns: str) -> Query:
        """SELECT of the rows that the run reads."""
        if self.window is None:
            return self.origin.select(columns)
        return self.origin.select(columns, self.window.rows)

    @property
    def settled(self) -> str | None:
        """Of a date window up to where rows may not come any more, where the database says so."""
        is_known = self.is_day and self.window is not None and self.window.cursor.kind != "date"
        return self.window.high if is_known and self.window is not None else None

    @property
    def columns_sql(self) -> str:
        """What is selected of them."""
        return ", ".join(each.sql for each in self.asked)

    def cursor_rows(self) -> CursorRows | None:
        if self.window is None:
            return None
        cursor = self.window.cursor
        return CursorRows(
            place=[each.name for each in self.asked].index(cursor.name),
            name=cursor.name,
            low=self.window.low,
            high=self.window.high,
            is_low_late=self.is_low_late,
            on_null=self.on_null,
        )


@final
class Planner:
    """Asks a database what a run's statement must be. `now` is this machine's clock."""

    def __init__(
        self,
        config: AdbcSourceConfig,
        request: Request,
        session: Session,
        *,
        origin: str,
        now: datetime,
    ) -> None:
        self._config = config
        self._request = request
        self._session = session
        self._origin = origin
        self._now = now

    async def describe(self) -> pa.Schema:
        """The columns of the table or query, all of them, by a query for no row.

        Where types are guessed from rows they are nothing to go by.
        """
        incremental = self._request.incremental
        values = Values(run_date=self._request.run_date)
        if incremental is not None:
            values = self._values(_presumed(incremental), self._now)
        origin = Origin(self._config, self._session.dialect, values)
        query = origin.select("*", lambda _: "1 = 0", where=False)
        async with self._session.query(query) as result:
            return result.schema

    async def settle(self) -> Plan:
        """All that is to be known. Raises Transient and SliceLost, or a BronzeError."""
        described = await self.describe()
        request, dialect = self._request, self._session.dialect
        columns = Columns(self._config, request.schema, request.base, dialect, self._origin)
        asked = columns.ask(described)
        if request.incremental is None:
            origin = Origin(self._config, dialect, Values(run_date=request.run_date))
            return Plan(origin=origin, asked=asked, columns=columns)
        window, values = await self._window(described, request.incremental)
        return Plan(
            origin=Origin(self._config, dialect, values),
            asked=asked,
            columns=columns,
            window=window,
            on_null=request.incremental.on_null_cursor,
            is_day=request.incremental.window == "date",
            is_low_late=request.low_open or not request.incremental.low_open,
        )

    async def _window(
        self, described: pa.Schema, incremental: Incremental
    ) -> tuple[AdbcWindow, Values]:
        name = incremental.cursor
        if name not in described.names:
            raise ExtractError(
                f"incremental.cursor names {name!r}, and {self._origin} has no such column;"
                f" {nearest(name, described.names, write=repr)}"
            )
        dialect = self._session.dialect
        cursor = _presumed(incremental)
        if not dialect.guesses_types:
            cursor = Cursor.of_column(name, described.field(name).type, incremental)
        elif cursor.kind in ("timestamp", "date"):
            raise ConfigError(
                f"incremental.cursor {name!r}: {self._session.vendor} has no type for days and"
                ' times; set incremental.cursor_type = "text" or "integer", as its values are'
            )
        limit = None
        if cursor.kind == "timestamp":
            limit = await self._limit(cursor, incremental)
        values = self._values(cursor, limit)
        window = AdbcWindow.begin(cursor, dialect.quoted(name), self._request)
        cap = self._request.cap
        if cap is not None and incremental.window == "date":
            return self._until_settled(window, cap, limit), values
        if cap is not None:
            return window.until(cap, is_open=self._request.cap_open), values
        conditions: list[Condition] = [window.above]
        if limit is not None:
            conditions.append(window.up_to(cursor.at(limit)))
        origin = Origin(self._config, dialect, values)
        found = await self._one(origin.select(f"MAX({window.column})", *conditions))
        if dialect.guesses_types and found.is_valid:
            cursor = Cursor.of_column(name, found.type, incremental)
        high = cursor.watermark(found)
        if cursor.kind == "date" and high is not None:
            high = await self._day_over(window, origin, high)
        return window.until(high), values

    async def _day_over(self, window: AdbcWindow, origin: Origin, high: str) -> str | None:
        """The highest date of those that are over: of today's rows may come that no later window
        would take."""
        last = last_day_over(await self._one(_NOW), window.cursor.timezone)
        if high <= last:
            return high
        conditions = [window.above, window.up_to(last)]
        found = await self._one(origin.select(f"MAX({window.column})", *conditions))
        return window.cursor.watermark(found)

    def _until_settled(self, window: AdbcWindow, end: str, limit: datetime | None) -> AdbcWindow:
        """A date window to its end, or as far as no row may come any more."""
        cursor = window.cursor
        if limit is not None:
            settled = cursor.at(limit)
            if not covers(settled, end, cursor.kind, cursor.timezone):
                return window.until(settled)
        return window.until(end, is_open=True)

    async def _limit(self, cursor: Cursor, incremental: Incremental) -> datetime:
        """Rows newer than that wait for the next run: others of that time may still come."""
        now = instant_of(await self._one(_NOW), cursor.timezone)
        unit = timedelta(seconds=cursor.unit_seconds)
        lag = timedelta(seconds=incremental.lag or 0)
        settled = now - max(lag, unit, timedelta(microseconds=1))
        return before_repeated_hour(settled, cursor.timezone)

    async def _one(self, query: Query) -> Scalar:
        """The one value of a query."""
        async with self._session.query(query) as result:
            async for batch in result:
                return batch.column(0)[0]
        raise ExtractError(f"{self._origin}: an aggregate gave no row; is this a SQL database?")

    def _values(self, cursor: Cursor, limit: datetime | None) -> Values:
        request = self._request
        start = request.low if request.read_from is None else request.read_from
        end = request.cap
        if end is None and limit is not None and cursor.kind == "timestamp":
            end = cursor.at(limit)
        return Values(
            run_date=request.run_date,
            low=None if start is None else cursor.bound(start),
            high=None if end is None else cursor.bound(end),
        )


def _presumed(incremental: Incremental) -> Cursor:
    """The cursor as the configuration has it, before the database has told its type."""
    kind, zone = incremental.cursor_type, incremental.cursor_timezone
    usual = _USUAL.get(kind) or pa.timestamp("us", "UTC" if zone is None else None)
    return Cursor(name=incremental.cursor, kind=kind, type=usual, timezone=zone)
