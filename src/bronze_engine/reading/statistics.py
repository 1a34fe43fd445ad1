"""What the footers of a partition's files say of its columns: no row is read."""

from __future__ import annotations

from typing import Any, Literal, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bronze_engine.model.arrow import DataType, Scalar, schema_from_text
from bronze_engine.model.manifest import Manifest
from bronze_engine.reading.cells import plain
from bronze_engine.reading.handler import CommittedFiles

__all__ = ["ColumnStatistics", "column_statistics"]


class ColumnStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One column over all files. Nested ones have none of their own."""

    column: str
    nulls: int | None
    """None where a file doesn't say: for texts in no order none is kept."""
    has_bounds: bool = True
    """Whether every file says between which values its own lie."""
    low: Any = None
    """The lowest and highest value as `cells.plain` writes them; None where there is none, and
    where they are not known."""
    high: Any = None

    def contradicts(self, other: ColumnStatistics) -> bool:
        """Whether the values differ for certain: what one of them doesn't know is none."""
        nulls = self.nulls != other.nulls and None not in (self.nulls, other.nulls)
        bounds = (self.low, self.high) != (other.low, other.high)
        return nulls or (bounds and self.has_bounds and other.has_bounds)


def column_statistics(handler: CommittedFiles, manifest: Manifest) -> tuple[ColumnStatistics, ...]:
    """The columns of a partition in its order. A file that lacks one has NULL in each row."""
    if not manifest.arrow_schema:
        return ()
    schema = schema_from_text(manifest.arrow_schema)
    columns = [_Column(field.name, field.type) for field in schema]
    for path in handler.paths:
        with handler.open_input_file(path) as source, handler.decoding(pa.ArrowInvalid):
            footer = pq.read_metadata(source)
        for group in map(footer.row_group, range(footer.num_row_groups)):
            chunks = {
                chunk.path_in_schema: chunk for chunk in map(group.column, range(group.num_columns))
            }
            for column in columns:
                column.add(chunks, group.num_rows)
    return tuple(column.told() for column in columns)


@final
class _Column:
    """What is known of one column so far."""

    def __init__(self, name: str, kind: DataType) -> None:
        self._name = name
        self._kind = kind
        self._nulls: int | None = 0
        self._low: Scalar = None
        self._high: Scalar = None
        self._has_bounds = not pa.types.is_nested(kind)

    def add(self, chunks: dict[str, Any], rows: int) -> None:
        """One row group. A nested column's leaves have paths of their own."""
        chunk = chunks.get(self._name)
        if chunk is None:
            if pa.types.is_nested(self._kind):
                self._nulls = None
            elif self._nulls is not None:
                self._nulls += rows
            return
        found: Any = chunk.statistics if chunk.is_stats_set else None
        nulls = found.null_count if found is not None and found.has_null_count else None
        self._nulls = None if nulls is None or self._nulls is None else self._nulls + nulls
        if nulls != rows:  # or there is no value, and no bound
            self._bound(found)

    def _bound(self, found: Any) -> None:
        self._has_bounds = self._has_bounds and found is not None and found.has_min_max
        if not self._has_bounds:
            return
        low, high = _value(found, "min", self._kind), _value(found, "max", self._kind)
        if self._low is None or pc.less(low, self._low).as_py():
            self._low = low
        if self._high is None or pc.less(self._high, high).as_py():
            self._high = high

    def told(self) -> ColumnStatistics:
        is_bound = self._has_bounds and self._low is not None
        return ColumnStatistics(
            column=self._name,
            nulls=self._nulls,
            has_bounds=self._has_bounds,
            low=plain(self._low) if is_bound else None,
            high=plain(self._high) if is_bound else None,
        )


def _value(found: Any, side: Literal["min", "max"], kind: DataType) -> Scalar:
    """One bound. Times by their number: Python's own end with the year 9999 and with
    microseconds, and to ask for them is an error there."""
    raw = getattr(found, f"{side}_raw")
    if pa.types.is_timestamp(kind):
        unit: Any = "ms" if kind.unit == "s" else kind.unit  # Parquet has no seconds
        return pa.scalar(raw, pa.int64()).cast(pa.timestamp(unit, kind.tz))
    if pa.types.is_date32(kind):
        return pa.scalar(raw, pa.int32()).cast(kind)
    if pa.types.is_time64(kind):
        return pa.scalar(raw, pa.int64()).cast(kind)
    value = getattr(found, side)
    if pa.types.is_floating(kind):
        return pa.scalar(value + 0.0, kind)  # Parquet has -0.0 for a lowest 0
    return pa.scalar(value, kind)
