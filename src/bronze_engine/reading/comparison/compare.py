"""Two dates of one entity, from their manifests to their rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Final

import pyarrow as pa

from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.layout import STAMP_COLUMNS
from bronze_engine.model.manifest import ColumnInfo, Manifest
from bronze_engine.reading.comparison.report import (
    ColumnChange,
    Comparison,
    RowsComparison,
    Side,
    StatisticsChange,
)
from bronze_engine.reading.comparison.rows import compare_rows
from bronze_engine.reading.reader import Reader
from bronze_engine.reading.statistics import ColumnStatistics

__all__ = ["compare"]

_OURS: Final = frozenset(STAMP_COLUMNS)
"""What the engine adds to each row says which date it is: that always differs."""


def compare(
    reader: Reader,
    name: str,
    a: date,
    b: date,
    *,
    key: Sequence[str] = (),
    data: bool = False,
    examples: int = 0,
) -> Comparison:
    """Compare what is committed for two dates; with `data` row by row.

    `name` as for `Reader`. By `key` rows are found again that were changed; without one they are
    compared as a whole. Raises StateError where a date is not committed, or is committed anew
    meanwhile, ConfigError for a key that both don't have.
    """
    first, statistics_a = reader.column_statistics(name, a)
    second, statistics_b = reader.column_statistics(name, b)
    rows = None
    if data:
        rows = _rows(reader, name, first, second, key, examples)
        for manifest in (first, second):
            if reader.read_manifest(name, manifest.run_date).generation != manifest.generation:
                raise StateError(
                    f"{name} {manifest.run_date} was committed anew while it was compared; compare"
                    " again"
                )
    return Comparison(
        pipeline=second.pipeline,
        a=_side(first),
        b=_side(second),
        columns=tuple(_column_changes(first.schema, second.schema)),
        statistics=tuple(_statistics_changes(statistics_a, statistics_b)),
        rows=rows,
    )


def _side(manifest: Manifest) -> Side:
    return Side(
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


def _rows(
    reader: Reader, name: str, a: Manifest, b: Manifest, key: Sequence[str], examples: int
) -> RowsComparison:
    names_b = {each.name for each in b.schema}
    columns = [each.name for each in a.schema if each.name in names_b and each.name not in _OURS]
    if not a.schema or not b.schema:  # no row has ever landed there
        other = b if not a.schema else a
        columns = [each.name for each in other.schema if each.name not in _OURS]
    missing = [column for column in key if column not in columns]
    if missing and columns:
        raise ConfigError(
            f"the dates can't be compared by key: {', '.join(missing)} is no column of both; leave"
            " --data out, or name other columns with --key"
        )

    def batches(manifest: Manifest) -> pa.RecordBatchReader:
        if not manifest.schema:
            return pa.RecordBatchReader.from_batches(pa.schema([]), [])
        return reader.stream_partition(name, manifest.run_date, columns=columns)

    return compare_rows(
        lambda: batches(a),
        lambda: batches(b),
        key=key,
        columns=columns,
        row_count=a.row_count + b.row_count,
        examples=examples,
    )
