"""Two partitions, or two curated tables, from their manifests to their rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import pyarrow as pa

from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.layout import STAMP_COLUMNS
from bronze_engine.model.manifest import ColumnInfo, Manifest
from bronze_engine.reading.committed import Committed
from bronze_engine.reading.comparison.report import (
    ColumnChange,
    Comparison,
    RowsComparison,
    Side,
    StatisticsChange,
)
from bronze_engine.reading.comparison.rows import compare_rows
from bronze_engine.reading.statistics import ColumnStatistics

__all__ = ["compare", "key_of"]

_OURS: Final = frozenset(STAMP_COLUMNS)
"""What the engine adds to each row says which date it is: that always differs."""


def compare(
    a: Committed,
    b: Committed,
    *,
    key: Sequence[str] | None = None,
    data: bool = False,
    examples: int = 0,
) -> Comparison:
    """Compare what is committed at two places; with `data` row by row.

    By `key` rows are found again that were changed; without one (an empty one) they are compared
    as a whole. By default it is that of B: the primary key, or what a row of a table is of. Raises
    StateError where nothing is committed, or it is committed anew meanwhile, ConfigError for a key
    that both don't have.
    """
    first, statistics_a = a.column_statistics()
    second, statistics_b = b.column_statistics()
    rows = None
    if data:
        named = key_of(second) if key is None else key
        rows = _rows(_Place(a, first), _Place(b, second), named, examples)
        for place, manifest in ((a, first), (b, second)):
            if place.manifest().generation != manifest.generation:
                raise StateError(
                    f"{place.location} was committed anew while it was compared; compare again"
                )
    return Comparison(
        pipeline=second.pipeline,
        a=_side(a, first),
        b=_side(b, second),
        columns=tuple(_column_changes(first.schema, second.schema)),
        statistics=tuple(_statistics_changes(statistics_a, statistics_b)),
        rows=rows,
    )


def key_of(manifest: Manifest) -> tuple[str, ...]:
    """The columns that name a row; none where rows have no name."""
    silver = manifest.silver
    if silver is None:
        return manifest.primary_key
    if not silver.unique_columns or silver.history == "current":
        return silver.unique_columns
    return (*silver.unique_columns, "effective_from")


class _Place(NamedTuple):
    committed: Committed
    manifest: Manifest


def _side(place: Committed, manifest: Manifest) -> Side:
    return Side(
        layer="bronze" if manifest.silver is None else "silver",
        pipeline=manifest.pipeline,
        place=place.location,
        run_date=manifest.run_date,
        generation=manifest.generation,
        run=manifest.run,
        written_at=manifest.written_at,
        epoch=manifest.epoch,
        load=manifest.load,
        row_count=manifest.row_count,
        rejected_count=manifest.rejected_count,
        duplicate_rows=manifest.duplicate_rows,
        late_rows=manifest.late_rows,
        files=len(manifest.files),
        bytes=sum(file.size_bytes for file in manifest.files),
        columns=len(manifest.schema),
        window=manifest.watermark,
        config_hash=manifest.config_hash,
        engine_version=manifest.engine_version,
    )


def _column_changes(a: Sequence[ColumnInfo], b: Sequence[ColumnInfo]) -> list[ColumnChange]:
    before, after = {each.name: each for each in a}, {each.name: each for each in b}
    changes = [
        ColumnChange(change="removed", column=each.name, a=each.type)
        for each in a
        if each.name not in after
    ]
    changes += [
        ColumnChange(change="added", column=each.name, b=each.type)
        for each in b
        if each.name not in before
    ]
    for name in [each.name for each in a if each.name in after]:
        old, new = before[name], after[name]
        if old.type != new.type:
            changes.append(ColumnChange(change="type", column=name, a=old.type, b=new.type))
        if old.nullable != new.nullable:
            says = {True: "may be NULL", False: "never NULL"}
            changes.append(
                ColumnChange(
                    change="nullable", column=name, a=says[old.nullable], b=says[new.nullable]
                )
            )
    left = [each.name for each in a if each.name in after]
    right = [each.name for each in b if each.name in before]
    changes += [
        ColumnChange(change="order", column=name, a=f"before {other}", b=f"after {other}")
        for name, other in _moved(left, right)
    ]
    return changes


def _moved(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """Neighbours that have changed places: (the first of them in `left`, the second)."""
    place = {name: at for at, name in enumerate(right)}
    return [(name, other) for name, other in pairwise(left) if place[name] > place[other]]


def _statistics_changes(
    a: Sequence[ColumnStatistics], b: Sequence[ColumnStatistics]
) -> list[StatisticsChange]:
    after = {each.column: each for each in b if each.column not in _OURS}
    return [
        StatisticsChange(column=each.column, a=each, b=after[each.column])
        for each in a
        if each.column in after and each.contradicts(after[each.column])
    ]


def _rows(first: _Place, second: _Place, key: Sequence[str], examples: int) -> RowsComparison:
    a, b = first.manifest, second.manifest
    names_b = {each.name for each in b.schema}
    columns = [each.name for each in a.schema if each.name in names_b and each.name not in _OURS]
    if not a.schema or not b.schema:  # no row has ever landed there
        other = b if not a.schema else a
        columns = [each.name for each in other.schema if each.name not in _OURS]
    missing = [column for column in key if column not in columns]
    if missing and columns:
        raise ConfigError(
            f"they can't be compared by key: {', '.join(missing)} is no column of both; leave"
            " --data out, or name other columns with --key"
        )

    def batches(of: _Place) -> pa.RecordBatchReader:
        if not of.manifest.schema:
            return pa.RecordBatchReader.from_batches(pa.schema([]), [])
        return of.committed.stream(columns=columns)

    return compare_rows(
        lambda: batches(first),
        lambda: batches(second),
        key=key,
        columns=columns,
        row_count=a.row_count + b.row_count,
        examples=examples,
    )
