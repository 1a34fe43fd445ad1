"""The window of an incremental run as conditions, settled before the first row is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, final
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from bronze_engine.contracts import Request
from bronze_engine.errors import ExtractError
from bronze_engine.model.arrow import Array, Scalar
from bronze_engine.model.day import settled_until
from bronze_engine.sources.adbc.cursor import Cursor
from bronze_engine.sources.adbc.query import Condition, Parameters

__all__ = ["AdbcWindow", "instant_of", "last_day_over"]

_NOTHING: Final = "1 = 0"


@final
class AdbcWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a cursor that a run reads: from `read_from` to `high`, and those without one."""

    cursor: Cursor
    column: str
    """The cursor as SQL."""
    low: Array | None
    """Where it begins: rows below are late, and come with a lookback only."""
    read_from: Array | None
    includes_low: bool
    high: str | None = None
    """None where no row is new."""
    high_open: bool = False
    """Whether rows exactly at `high` are outside."""

    @classmethod
    def begin(cls, cursor: Cursor, column: str, request: Request) -> AdbcWindow:
        """Its beginning; the end is settled later."""
        start = request.low if request.read_from is None else request.read_from
        return cls(
            cursor=cursor,
            column=column,
            low=None if request.low is None else cursor.bound(request.low),
            read_from=None if start is None else cursor.bound(start),
            includes_low=not request.low_open,
        )

    def until(self, high: str | None, *, is_open: bool = False) -> AdbcWindow:
        return msgspec.structs.replace(self, high=high, high_open=is_open)

    def above(self, parameters: Parameters) -> str:
        """The rows from the beginning on."""
        if self.read_from is None:
            return f"{self.column} IS NOT NULL"
        sign = ">=" if self.includes_low else ">"
        return f"{self.column} {sign} {parameters.add(self.read_from)}"

    def up_to(self, watermark: str, *, is_open: bool = False) -> Condition:
        """The rows up to there; without those at it where it is open."""
        bound, sign = self.cursor.bound(watermark), "<" if is_open else "<="
        return lambda parameters: f"{self.column} {sign} {parameters.add(bound)}"

    def rows(self, parameters: Parameters) -> str:
        """The rows of the window, and those that belong to none, so that none is left unseen."""
        inside = _NOTHING
        if self.high is not None:
            end = self.up_to(self.high, is_open=self.high_open)
            inside = f"{self.above(parameters)} AND {end(parameters)}"
        return f"({inside} OR {self.column} IS NULL)"


def instant_of(now: Scalar, timezone: str | None) -> datetime:
    """What the database says the time is. Raises ExtractError where that has no zone."""
    kind = now.type
    if pa.types.is_timestamp(kind) and now.is_valid:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=int(now.cast(pa.timestamp("us", kind.tz), safe=False).value)
        )
        if kind.tz is not None:
            return moment
        if timezone is not None:
            return moment.replace(tzinfo=ZoneInfo(timezone))
    raise ExtractError(
        f"the database says what time it is as {kind}, without a zone; set"
        " incremental.cursor_timezone to its own"
    )


def last_day_over(now: Scalar, timezone: str | None) -> str:
    """The last day that is over by what the database says the time is: where that has no zone, by
    its own calendar, else in `timezone`, and without one everywhere: dates do not say whose day
    they are."""
    if pa.types.is_timestamp(now.type) and now.type.tz is None:
        moment: datetime = now.cast(pa.timestamp("s"), safe=False).as_py()
        return (moment.date() - timedelta(days=1)).isoformat()
    last = settled_until(instant_of(now, None), "date", timezone)
    assert last is not None  # noqa: S101  # dates have one
    return last
