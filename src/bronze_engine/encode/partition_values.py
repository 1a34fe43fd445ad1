"""Which partition values rows have: the columns of `output.partition_by`, as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.partition_by import By, PartitionField
from bronze_engine.encode.localtime import local_ticks
from bronze_engine.encode.weight import Numbers
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array, DataType, scalar
from bronze_engine.model.layout import Column
from bronze_engine.model.nearest import nearest
from bronze_engine.model.types.time_text import is_day_or_instant, time_texts

__all__ = ["Divided", "Level", "Values", "check_fields", "divide", "levels_of", "misfit"]

Values = tuple[str | None, ...]
"""The values of one file, a level each; None is NULL."""

_Cut = Callable[[Array], Array]

_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `partition_by`, found among the columns."""

    field: PartitionField
    key: str
    """What stands before the `=` of its folders."""
    column: str | None
    """Its name as it lands; None as long as no record has it: then all values are NULL."""


class Divided(msgspec.Struct, frozen=True):
    """The rows of a batch by their values."""

    keys: Sequence[Values]
    """In the order of their first rows."""
    codes: Numbers
    """Of each row the place of its values among `keys`."""


def levels_of(fields: Iterable[PartitionField], columns: Sequence[Column]) -> tuple[Level, ...]:
    """Find the columns. Raises QualityError (QUAL001) where folders would hide another column, or
    a source has said what its columns are and this is none of them."""
    found = []
    names = {column.name.casefold() for column in columns}
    for field in fields:
        column = next((each for each in columns if each.is_called(field.column)), None)
        if column is None and columns and all(each.source_type is not None for each in columns):
            raise QualityError(
                f"output.partition_by names {field.column!r}, and the source has no such column;"
                f" {nearest(field.column, (each.name for each in columns), write=repr)}",
                column=field.column,
            )
        key = field.key(field.column if column is None else column.name)
        if field.by != "value" and key.casefold() in names:
            raise QualityError(
                f"output.partition_by makes folders {key}=..., and the data has a column {key!r}:"
                " readers that go by folders would not see it; partition by that column, or give"
                " it another name",
                column=key,
            )
        found.append(Level(field=field, key=key, column=None if column is None else column.name))
    return tuple(found)


def check_fields(entries: Iterable[str], columns: Sequence[Column]) -> None:
    """Raise QualityError (QUAL001) for an entry of `partition_by` that no record has had."""
    for field in map(PartitionField.parse, entries):
        if not any(column.is_called(field.column) for column in columns):
            raise QualityError(
                f"output.partition_by names {field.column!r}, and no record has such a column;"
                f" {nearest(field.column, (each.name for each in columns), write=repr)}",
                column=field.column,
            )


def divide(batch: pa.RecordBatch, levels: Sequence[Level]) -> Divided:
    """Sort out the rows; nothing is done row by row in Python.

    Raises QualityError (QUAL001) for a column whose type makes no folders.
    """
    coded = [_coded(batch, level) for level in levels]
    codes = np.zeros(batch.num_rows, np.int64)
    for texts, own in coded:
        _, codes = np.unique(codes, return_inverse=True)  # dense: no product overflows
        codes = codes * len(texts) + own
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    keys = [tuple(texts[own[row]] for texts, own in coded) for row in first[order]]
    return Divided(keys, place[inverse])


def _coded(batch: pa.RecordBatch, level: Level) -> tuple[Sequence[str | None], Numbers]:
    """The texts of a level's values, and of each row the place of its own among them."""
    if level.column is None:
        return [None], np.zeros(batch.num_rows, np.int64)
    column: Array = batch.column(level.column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    elif pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if pa.types.is_null(column.type):
        return [None], np.zeros(batch.num_rows, np.int64)
    why = misfit(level.field, column.type)
    if why is not None:
        raise QualityError(
            f"output.partition_by: column {level.column!r} is {column.type}, and {why}",
            column=level.column,
        )
    _, cut = _BY[level.field.by]
    if pa.types.is_decimal(column.type):
        column = _wide(column)
    encoded: Any = (column if cut is None else cut(column)).dictionary_encode()
    texts = _printed(encoded.dictionary)
    codes = pc.fill_null(encoded.indices, scalar(len(texts), pa.int32()))
    return [*texts, None], codes.to_numpy().astype(np.int64)


def _printed(values: Array) -> Sequence[str]:
    kind = values.type
    if pa.types.is_decimal(kind):  # Arrow writes small ones as 1E-7
        return [format(value, "f") for value in values.to_pylist()]
    texts: Array = time_texts(values) if is_day_or_instant(kind) else values.cast(pa.string())
    return list(texts.to_pylist())


def _wide(column: Array) -> Array:
    """Decimals as a type that Arrow can compare."""
    kind = column.type
    if kind.bit_width >= 128:
        return column
    return column.cast(pa.decimal128(kind.precision, kind.scale))


def _cut_time(unit: Literal["Y", "M", "D", "h"]) -> Callable[[Array], Array]:
    """Instants and days as the text of the year, month, day or hour that they lie in."""

    def cut(column: Array) -> Array:
        kind = column.type
        if pa.types.is_date(kind):
            column = column.cast(pa.timestamp("s"))
        numbers = column.cast(pa.int64())
        ticks = pc.fill_null(numbers, scalar(0, pa.int64())).to_numpy()
        zone = getattr(kind, "tz", None)
        if zone not in (None, "UTC"):
            ticks = _local(ticks, kind)
        # numpy's own cut runs over on the first day that there is: -infinity of DuckDB.
        hours = 1 if unit == "h" else 24
        whole = ticks // (_PER_SECOND[column.type.unit] * 3600 * hours)
        parts = whole.view("datetime64[h]" if unit == "h" else "datetime64[D]")
        parts = parts.astype(f"datetime64[{unit}]")
        present, places = np.unique(parts, return_inverse=True)
        texts = pa.array([str(part) for part in present], pa.string())
        mask = numbers.is_null().to_numpy(zero_copy_only=False)
        indices: Array = pa.array(places.astype(np.int32), mask=mask)
        return pa.DictionaryArray.from_arrays(indices, texts).dictionary_decode()

    return cut


def _local(ticks: Numbers, kind: DataType) -> Numbers:
    try:
        return local_ticks(ticks, _PER_SECOND[kind.unit], kind.tz)
    except (ValueError, LookupError, OSError) as exc:
        raise QualityError(
            f"output.partition_by: a column is {kind}, and {kind.tz!r} is no time zone here: {exc};"
            " install tzdata, or give the column the type timestamp(us, UTC)"
        ) from exc


def misfit(field: PartitionField, kind: DataType, *, types: str = "schema.columns") -> str | None:
    """Why a column of this type makes no folders by `field`, and what to do; None where it does.

    `types` is the section of the configuration that gives columns their types.
    """
    check, _ = _BY[field.by]
    if any(is_kind(kind) for is_kind in check):
        return None
    if field.by == "value":
        if pa.types.is_timestamp(kind):
            return f"it would have a folder an instant; write day({field.column})"
        return "only texts, integers, booleans, decimals and dates have folders by value"
    if pa.types.is_date(kind):
        return f"a date has no hours; write day({field.column})"
    return (
        f"{field.by}(...) cuts timestamps and dates; give it a type:"
        f' {types}.{field.column} = "timestamp"'
    )


_VALUES: Final = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_integer,
    pa.types.is_boolean,
    pa.types.is_decimal,
    pa.types.is_date32,
)
_DAYS: Final = (pa.types.is_timestamp, pa.types.is_date)
_BY: Final[Mapping[By, tuple[Sequence[Callable[[DataType], bool]], _Cut | None]]] = {
    "value": (_VALUES, None),
    "year": (_DAYS, _cut_time("Y")),
    "month": (_DAYS, _cut_time("M")),
    "day": (_DAYS, _cut_time("D")),
    "hour": ((pa.types.is_timestamp,), _cut_time("h")),
}
