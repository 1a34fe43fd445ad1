"""The window of an incremental run, applied to one group: which rows are this run's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import groupby
from typing import Any, Final, final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.incremental import Incremental
from bronze_engine.contracts import Request
from bronze_engine.decode.cursor_keys import CursorKeys
from bronze_engine.errors import ConfigError, QualityError
from bronze_engine.model.arrow import Array, Scalar
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.day import before_repeated_hour, settled_until
from bronze_engine.model.layout import Layout
from bronze_engine.model.line import Line
from bronze_engine.model.nearest import nearest
from bronze_engine.model.window import cursor_key

__all__ = ["CursorFilter", "Windowed"]

_DEFAULT_LAG_SECONDS: Final = 1.0
"""One unit of the source's clock: HTTP's Date header has whole seconds."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_AT: Final = 13
"""Where an ISO 8601 timestamp has the colon between hours and minutes."""
_SHOWN: Final = 80


@final
class Windowed(msgspec.Struct, frozen=True, kw_only=True):
    """A group without the rows that are not this run's."""

    batch: pa.RecordBatch
    rejects: list[tuple[int, Reject]]
    high: str | None
    late_rows: int
    later_rows: int
    masks: tuple[Array, ...]
    """What was kept at each step, of the rows that the step before had left."""

    def places(self, count: int) -> Sequence[int]:
        """Which of the `count` rows that came in each of its rows is."""
        return _places(count, self.masks)


@final
class CursorFilter:
    """Compares the cursor of each row as `model.window.cursor_key` does, in C++ where it can.

    Raises ConfigError (CFG001) for a low, read_from or cap that is not of the cursor's type.
    """

    def __init__(self, request: Request) -> None:
        if request.incremental is None:
            raise ValueError("the request has no incremental configuration")
        self._config: Incremental = request.incremental
        self._low_open = request.low_open
        self._cap_open = request.cap_open
        self._low = self._limit(request.low)
        read_from = request.low if request.read_from is None else request.read_from
        self._read_from = self._limit(read_from)
        self._cap = self._limit(request.cap)

    def apply(
        self,
        batch: pa.RecordBatch,
        layout: Layout,
        blocks: Sequence[Block],
        lines: Callable[[], Sequence[Line]],
    ) -> Windowed:
        """Drop rows below read_from, above the cap, and newer than as_of less the lag.

        Rows exactly at a bound are dropped where the request says that it is open.

        `lines` tells where each row came from; it is asked only when a row has no cursor.
        Raises QualityError (QUAL001) for such a row when `on_null_cursor` is "fail".
        """
        name = self._config.cursor
        column = next((c for c in layout.columns() if c.is_called(name)), None)
        if column is None:
            hint = _way_inside(name, layout.schema) or nearest(
                name, layout.schema.names, write=repr
            )
            reason = f"no record has the cursor column {name!r} ({hint})"
            array: Array = pa.nulls(batch.num_rows)
        else:
            reason = f"cursor column {name!r} has no {self._config.cursor_type}"
            array = batch.column(column.name)
        keys = self._keys(array)
        masks: list[Array] = []
        if any(block.bounds is not None for block in blocks):
            # Rows of the steps beside it come with a step whose bounds were rounded outwards.
            keep = self._within(keys, blocks, _rows_of(blocks, batch.num_rows, lines))
            batch, array, keys = _filter(keep, batch, array, keys, masks)
        if keys.null_count:
            came = _places(batch.num_rows if not masks else len(masks[0]), masks)
            rejects = self._refuse(keys, array, reason, lines, came)
            batch, array, keys = _filter(keys.is_valid(), batch, array, keys, masks)
        else:
            rejects = []
        # What comes from below a date window without a lookback belongs to another date.
        late = 0 if self._config.window == "date" else self._late(keys)
        if self._read_from is not None:
            keep = pc.invert(keys.below(self._read_from, or_at=self._low_open))
            batch, array, keys = _filter(keep, batch, array, keys, masks)
        if self._config.window == "date":
            late = self._late(keys)
        later = 0
        for bound, or_at in self._ends(blocks):
            keep = keys.below(bound, or_at=or_at)
            later += len(keys) - _count(keep)
            batch, array, keys = _filter(keep, batch, array, keys, masks)
        return Windowed(
            batch=batch,
            rejects=rejects,
            high=_text(array[keys.highest()]) if len(keys) else None,
            late_rows=late,
            later_rows=later,
            masks=tuple(masks),
        )

    def _late(self, keys: CursorKeys) -> int:
        return 0 if self._low is None else _count(keys.below(self._low, or_at=self._low_open))

    def _limit(self, text: str | None) -> Any:
        try:
            return self._bound(text)
        except (ValueError, KeyError) as exc:
            raise ConfigError(
                f"watermark {text!r} can't be compared as {self._config.cursor_type}: {exc}; mend "
                "incremental.initial, cursor_type or cursor_timezone",
                column=self._config.cursor,
            ) from exc

    def _bound(self, text: str | None) -> Any:
        if text is None:
            return None
        return cursor_key(text, self._config.cursor_type, self._config.cursor_timezone)

    def _ends(self, blocks: Sequence[Block]) -> list[tuple[Any, bool]]:
        """Bounds that no row may be above, and whether it may be at them."""
        ends = [] if self._cap is None else [(self._cap, not self._cap_open)]
        clocks = [block.as_of for block in blocks if block.as_of is not None]
        if clocks and self._config.cursor_type == "timestamp":
            lag = _DEFAULT_LAG_SECONDS if self._config.lag is None else self._config.lag
            end = min(clocks) - timedelta(seconds=lag)
            since = before_repeated_hour(end, self._config.cursor_timezone) - _EPOCH
            ends.append((Fraction(since // timedelta(microseconds=1), 10**6), True))
        if clocks and self._config.cursor_type == "date" and self._config.window == "chain":
            # Of a day that is not over, rows may come that no later window would take.
            ends.append((self._bound(settled_until(min(clocks), "date")), True))
        return ends

    def _within(self, keys: CursorKeys, blocks: Sequence[Block], rows: Sequence[int]) -> Array:
        """Which cursors are within the bounds of the step that they came with.

        What has no cursor stays, for the run's own judgement.
        """
        masks: list[Array] = []
        start = 0
        for bounds, group in groupby(
            zip(blocks, rows, strict=True), key=lambda pair: pair[0].bounds
        ):
            length = sum(count for _, count in group)
            part = keys.slice(start, length)
            start += length
            mask: Array = pa.array(np.ones(length, np.bool_))
            if bounds is not None and length:
                if bounds.high is not None:
                    mask = part.at_most(self._bound(bounds.high))
                if bounds.low is not None:
                    mask = pc.and_not(mask, part.at_most(self._bound(bounds.low)))
            masks.append(mask)
        return pc.or_(pc.fill_null(pa.concat_arrays(masks), True), keys.is_null())

    def _refuse(
        self,
        keys: CursorKeys,
        array: Array,
        reason: str,
        lines: Callable[[], Sequence[Line]],
        came: Sequence[int],
    ) -> list[tuple[int, Reject]]:
        records = lines()
        places = [records[place] for place in came]
        nulls: Array = pc.indices_nonzero(keys.is_null())
        gaps = [place for place in nulls.to_pylist() if place is not None]
        if self._config.on_null_cursor == "quarantine":
            return [(places[i].place, places[i].reject(reason + self._why(array[i]))) for i in gaps]
        first = places[gaps[0]]
        raise QualityError(
            f"{reason}{self._why(array[gaps[0]])}: {len(gaps)} records, the first on page "
            f"{first.page} at record {first.offset}; name a column whose values only grow, or set "
            'incremental.on_null_cursor to "quarantine"',
            column=self._config.cursor,
            page=first.page,
            offset=first.offset,
        )

    def _why(self, scalar: Scalar) -> str:
        """What is wrong with a value that is there; nothing for one that is not."""
        text = _text(scalar)
        if text is None:
            return ""
        try:
            self._bound(text[:_SHOWN])
        except ValueError as exc:
            return f" ({exc})"
        return ""

    def _keys(self, array: Array) -> CursorKeys:
        found = self._vectorised(array)
        return CursorKeys(found) if found is not None else CursorKeys(None, self._one_by_one(array))

    def _vectorised(self, array: Array) -> Array | None:
        """The values in a type that compares as cursor_key does; None where there is none."""
        kind = array.type
        wanted = self._config.cursor_type
        try:
            if wanted == "integer":
                return array if pa.types.is_int64(kind) else None
            if wanted == "text":
                return array.cast(pa.binary()) if pa.types.is_string(kind) else None
            if wanted == "date":
                if pa.types.is_date32(kind):
                    return array
                return array.cast(pa.date32()) if pa.types.is_string(kind) else None
            return self._instants(array)
        except pa.ArrowInvalid:
            return None

    def _instants(self, array: Array) -> Array | None:
        """Nanoseconds since 1970 UTC. Raises pa.ArrowInvalid where that is not exact."""
        if pa.types.is_timestamp(array.type):
            moments = array
        elif not pa.types.is_string(array.type):
            return None
        else:
            # Arrow takes 2025-01-15T10Z, which cursor_key does not: the two must agree.
            colon = pc.starts_with(
                pc.utf8_slice_codeunits(array, _CLOCK_AT, _CLOCK_AT + 1), pattern=":"
            )
            if not pc.all(colon, min_count=0).as_py():
                return None
            try:
                moments = array.cast(pa.timestamp("ns", "UTC"))
            except pa.ArrowInvalid:
                moments = array.cast(pa.timestamp("ns"))
        if moments.type.tz is None:
            if self._config.cursor_timezone is None:
                return None
            # Ambiguous local times are the earlier one, as datetime has it with fold=0; those
            # that a clock change skips are left to datetime.
            moments = pc.assume_timezone(
                moments, self._config.cursor_timezone, ambiguous="earliest", nonexistent="raise"
            )
        return moments.cast(pa.timestamp("ns", "UTC")).cast(pa.int64())

    def _one_by_one(self, array: Array) -> list[Any]:
        keys: list[Any] = []
        for element in array:
            text = _text(element)
            try:
                keys.append(None if text is None else self._bound(text))
            except ValueError:
                keys.append(None)
        return keys


def _way_inside(name: str, schema: pa.Schema) -> str:
    """How to name what stands inside of an object; nothing where the name does not lead there."""
    above, dot, rest = name.partition(".")
    if not dot or above not in schema.names or not pa.types.is_struct(schema.field(above).type):
        return ""
    flat = f"{above}__{rest.replace('.', '__')}"
    return f'{above!r} is an object: set schema.flatten = "__" and incremental.cursor = "{flat}"'


def _rows_of(
    blocks: Sequence[Block], count: int, lines: Callable[[], Sequence[Line]]
) -> Sequence[int]:
    """How many of the `count` rows each block has: records that were rejected are none."""
    records = [block.records for block in blocks]
    if sum(records) == count:
        return records
    owners = np.searchsorted(np.cumsum(records), [line.place for line in lines()], side="right")
    rows: list[int] = np.bincount(owners, minlength=len(records)).tolist()
    return rows


def _places(count: int, masks: Sequence[Array]) -> Sequence[int]:
    """Which of `count` rows are left, where each mask is of what the one before has left."""
    if not masks:
        return range(count)
    found: Array = pa.array(np.arange(count))
    for mask in masks:
        found = found.filter(mask)
    places: list[int] = found.to_pylist()
    return places


def _filter(
    keep: Array, batch: pa.RecordBatch, array: Array, keys: CursorKeys, masks: list[Array]
) -> tuple[pa.RecordBatch, Array, CursorKeys]:
    if _count(keep) == len(keep):
        return batch, array, keys
    masks.append(keep)
    return batch.filter(keep), array.filter(keep), keys.filter(keep)


def _count(mask: Array) -> int:
    count: int = pc.sum(mask).as_py() or 0
    return count


def _text(scalar: Scalar) -> str | None:
    """The value as the source wrote it; typed columns, whose text is gone, as ISO 8601."""
    if not scalar.is_valid:
        return None
    if pa.types.is_timestamp(scalar.type):
        zone = scalar.type.tz
        naive = pa.timestamp(scalar.type.unit)
        text: str = (
            scalar.cast(pa.timestamp(scalar.type.unit, "UTC")).cast(naive).cast(pa.string()).as_py()
            if zone
            else scalar.cast(pa.string()).as_py()
        )
        return text.replace(" ", "T") + ("Z" if zone else "")
    value = scalar.as_py()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str) else str(value)
