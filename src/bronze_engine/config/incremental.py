"""[pipelines.….incremental]: which rows are new. The same for all sources."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.units import Duration
from bronze_engine.model.window import CursorType

__all__ = ["Incremental", "with_instant"]


class Incremental(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows are new: those whose cursor lies above the last run's."""

    cursor: str
    """Name of the column whose values only grow; of files "_modified", or a group of
    source.name_pattern."""
    cursor_type: CursorType = "timestamp"
    """What the cursor's values are; xid8, a transaction's number, is of PostgreSQL alone."""
    cursor_timezone: str | None = None
    """IANA zone of timestamps without an offset; of dates of a database whose days they are: where
    unset a day is over when it is that day nowhere any more."""
    window: Literal["chain", "date"] = "chain"
    """"chain": each date begins where the newest earlier date ended. "date": it covers its own
    day in [engine] timezone, whatever other dates hold. Timestamps and dates only; a request over
    HTTP needs both bounds: start_param and end_param, {low} and {high}, or {run_date}."""
    initial: str | None = None
    """The earliest value that lands: where the very first run begins. Where unset it reads
    everything."""
    step: Duration | None = None
    """Cut the window into steps that are read side by side: "6h", "1d"; of dates whole days, of
    integers a whole number. Of a chain it needs `initial`, and both bounds in the request:
    start_param and end_param, or {low} and {high}. Nothing says where integers end: their steps go
    on until
    one is empty, and all above it is asked for at once."""
    steps_per_slice: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many steps are landed together, with files of their own: what a run that is broken off
    has read of those it reads again. Where unset as many as are read side by side, or a hundredth
    of them where that is more."""
    lag: Duration | None = None
    """Rows newer than the source's clock less this wait for the next run. Timestamps, and
    dates of PostgreSQL; where unset one unit of the resolution (1 s by HTTP's Date header)."""
    lookback: Duration | None = None
    """Read again from so far below the low watermark, for rows that appear late; of integers a
    whole number. Needs `primary_key`: the rows that have landed before come once more."""
    start_param: str | None = None
    """Query parameter that carries the low watermark."""
    end_param: str | None = None
    """Query parameter that carries the high bound where one is known."""
    low_open: bool = True
    """Whether rows exactly at the low watermark have landed. Databases only; false reads them
    again, where rows with the last cursor value may still come."""
    format: str | None = None
    """strftime format of the bounds as they are sent, in the two parameters and as {low} and
    {high}, or "epoch" / "epoch_ms"; where unset as recorded. In `cursor_timezone`, else in UTC."""
    on_null_cursor: Literal["fail", "quarantine"] = "fail"
    """What a row without a cursor does: it fails the run with QUAL001, or goes to the
    quarantine."""


def with_instant(incremental: Incremental | None) -> Incremental | None:
    """A bare date as the first watermark of a timestamp means the start of that day."""
    if incremental is None or incremental.initial is None:
        return incremental
    initial = incremental.initial
    is_date = len(initial) == 10 and initial.count("-") == 2
    if incremental.cursor_type != "timestamp" or not is_date:
        return incremental
    zone = "" if incremental.cursor_timezone is not None else "Z"
    return msgspec.structs.replace(incremental, initial=f"{initial}T00:00:00{zone}")
