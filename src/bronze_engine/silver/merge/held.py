"""The table as it stands: the files of a base generation, as relations.

Its rows look like records: `_bronze_part` and `_bronze_row` say which row of which file one is.
The number of a file is negative there, so that no row of the table is taken for one of Bronze.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.model.part import DataFile
from bronze_engine.silver.columns.casts import cast
from bronze_engine.silver.columns.shape import (
    BRONZE_DATE,
    CURRENT,
    DELETED,
    DELETED_AT,
    DELETED_DATE,
    FROM,
    IS_DELETE,
    PART,
    ROW,
    TO,
    Shape,
)
from bronze_engine.silver.database.sql import columns, exactly, identifier, literal
from bronze_engine.silver.database.types import sql_type, widened
from bronze_engine.silver.fold.fold import departed_schema, moment_type
from bronze_engine.silver.fold.winners import at

__all__ = ["Held", "HeldFile", "departed_rows", "retained_records", "rows", "too_far"]

_APART: Final = 1_000_000_000
"""Between the numbers of what one row says twice: what a key was, and that it ended."""


@final
class HeldFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the table, on this machine."""

    file: DataFile
    path: Path
    schema: pa.Schema
    """Its columns, as they were encoded: of an older generation it may lack some."""


@final
class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A committed generation of the table."""

    dates: tuple[date, ...]
    """The run dates that it holds, oldest first."""
    files: tuple[HeldFile, ...]
    departed: tuple[HeldFile, ...] = ()
    """The files below `_deleted/`."""
    current_rows: int = 0
    """Of a full history, as its manifest says."""


def rows(shape: Shape, files: Sequence[tuple[int, HeldFile]]) -> str:
    """The rows of data files, each with its number: the columns of `fold`, and `_bronze_part`,
    `_bronze_row`."""
    moment = moment_type(shape)
    wanted: list[tuple[str, pa.DataType]] = [(field.name, field.type) for field in shape.columns]
    if shape.history == "full":
        wanted += [(FROM, moment), (TO, moment), (CURRENT, pa.bool_())]
    wanted.append((DELETED, pa.bool_()))
    if shape.history == "current":
        wanted += [(DELETED_AT, moment), (DELETED_DATE, pa.date32())]
    wanted.append((BRONZE_DATE, pa.date32()))
    return _scan(wanted, files)


def departed_rows(shape: Shape, files: Sequence[tuple[int, HeldFile]]) -> str:
    """The keys that are gone, each with the number of its file: `departed_schema`, and
    `_bronze_part`, `_bronze_row`."""
    wanted = [(field.name, field.type) for field in departed_schema(shape)]
    return _scan(wanted, files)


def _scan(wanted: Iterable[tuple[str, pa.DataType]], files: Sequence[tuple[int, HeldFile]]) -> str:
    columns = list(wanted)
    if not files:
        nothing = ", ".join(_value(name, kind, None) for name, kind in columns)
        place = f"CAST(0 AS INTEGER) AS {identifier(PART)}, CAST(0 AS BIGINT) AS {identifier(ROW)}"
        return f"SELECT {nothing}, {place} WHERE FALSE"
    return " UNION ALL ".join(
        f"SELECT {', '.join(_value(name, kind, schema) for name, kind in columns)},"
        f" CAST({_number(group)} AS INTEGER) AS {identifier(PART)},"
        f" file_row_number AS {identifier(ROW)} FROM {_parquet(schema, group)}"
        for schema, group in _alike(files)
    )


def _alike(
    files: Sequence[tuple[int, HeldFile]],
) -> Iterable[tuple[pa.Schema, list[tuple[int, HeldFile]]]]:
    """Files with the same columns: each group is one scan, of which DuckDB holds few at once."""
    groups: dict[pa.Schema, list[tuple[int, HeldFile]]] = defaultdict(list)
    for number, one in files:
        groups[one.schema].append((number, one))
    return groups.items()


def _number(group: Sequence[tuple[int, HeldFile]]) -> str:
    """SQL of -1 - the file's number; `file_index` counts within the scan."""
    numbers = [number for number, _ in group]
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return f"{literal(-1 - numbers[0])} - CAST(file_index AS INTEGER)"
    listed = ", ".join(literal(-1 - number) for number in numbers)
    return f"[{listed}][CAST(file_index AS BIGINT) + 1]"


def _parquet(schema: pa.Schema, group: Sequence[tuple[int, HeldFile]]) -> str:
    """Columns are called by their places: none of the table's is taken for DuckDB's own."""
    paths = ", ".join(literal(exactly(str(one.path))) for _, one in group)
    aliases = ", ".join(f"c{place}" for place in range(len(schema)))
    return f"read_parquet([{paths}], hive_partitioning = FALSE) AS b({aliases})"


def _value(name: str, kind: pa.DataType, schema: pa.Schema | None) -> str:
    place = -1 if schema is None else schema.get_field_index(name)
    if schema is None or place < 0:
        nothing = "FALSE" if name == DELETED else f"CAST(NULL AS {sql_type(kind)})"
        return f"{nothing} AS {identifier(name)}"
    return f"{_wide_enough(f'c{place}', schema.field(place).type, kind)} AS {identifier(name)}"


def _wide_enough(value: str, have: pa.DataType, want: pa.DataType) -> str:
    """As text what a record of Bronze would be, which a plain cast of DuckDB's is not."""
    as_text = cast(value, have, want) if pa.types.is_string(want) else None
    return widened(value, have, want) if as_text is None else as_text.value


def retained_records(shape: Shape, held: Held, gone: Iterable[date], keys: str | None) -> str:
    """What the table knows of dates that Bronze has no more, as records.

    Of `keys` (a relation with k0, k1, …) alone, where it is given. A row of a key that ended says
    two things: what it was, and that it ended.
    """
    dates = ", ".join(literal(day) for day in sorted(gone))
    said = [_retained(shape, f"SELECT * FROM ({rows(shape, list(enumerate(held.files)))})", dates)]
    if held.departed:
        said.append(
            _retained_ends(shape, departed_rows(shape, list(enumerate(held.departed))), dates)
        )
    union = " UNION ALL ".join(said)
    if keys is None:
        return union
    pairs = " AND ".join(
        f"r.{identifier(name)} IS NOT DISTINCT FROM k.k{number}"
        for number, name in enumerate(shape.keys)
    )
    return f"SELECT r.* FROM ({union}) r SEMI JOIN {keys} k ON {pairs}"


def too_far(shape: Shape, held: Held, gone: Iterable[date]) -> Iterator[tuple[str, str]]:
    """Of each column of times that nanoseconds do not reach (they end in 2262) its name, and a
    SELECT of such times of the dates that Bronze has no more: as text, and with their dates.

    No other type of a table is narrower than one before.
    """
    now = {field.name: field.type for field in shape.columns}
    moment = moment_type(shape)
    now |= dict.fromkeys((FROM, DELETED_AT), moment)
    dates = ", ".join(literal(day) for day in sorted(gone))
    files = [*enumerate(held.files), *enumerate(held.departed)]
    for schema, group in _alike(files):
        for place, field in enumerate(schema):
            want = now.get(field.name, field.type)
            if field.type == want or not (pa.types.is_timestamp(want) and want.unit == "ns"):
                continue
            text = cast(f"c{place}", field.type, pa.string())
            assert text is not None  # noqa: S101  # a time has one
            is_end = field.name == DELETED_AT and DELETED_DATE in schema.names
            told = schema.get_field_index(DELETED_DATE if is_end else BRONZE_DATE)
            times = (
                f"SELECT {text.value}, c{told} FROM {_parquet(schema, group)}"
                f" WHERE c{told} IN ({dates}) AND c{place} IS NOT NULL"
                f" AND TRY_CAST(c{place} AS {sql_type(want)}) IS NULL"
            )
            yield field.name, times


def _retained(shape: Shape, table: str, dates: str) -> str:
    part, row, landed = identifier(PART), identifier(ROW), identifier(BRONZE_DATE)
    alive = (
        f"SELECT {columns(shape.names)}, FALSE AS {identifier(IS_DELETE)}, {landed},"
        f" {part} - {_APART} AS {part}, {row} FROM ({table}) WHERE {landed} IN ({dates})"
    )
    if not (shape.sees_deletes and shape.deletes == "tombstone"):
        return alive
    if shape.history == "full":
        since, told = FROM, BRONZE_DATE
        alive += f" AND NOT {identifier(DELETED)}"
    else:
        since, told = DELETED_AT, DELETED_DATE
    return (
        f"{alive} UNION ALL SELECT {_values(shape, since, shape.names)},"
        f" TRUE, {identifier(told)}, {part}, {row} FROM ({table})"
        f" WHERE {identifier(DELETED)} AND {identifier(told)} IN ({dates})"
    )


def _retained_ends(shape: Shape, departed: str, dates: str) -> str:
    since = FROM if shape.history == "full" else DELETED_AT
    landed = identifier(BRONZE_DATE)
    return (
        f"SELECT {_values(shape, since, shape.keys)}, TRUE, {landed}, {identifier(PART)},"
        f" {identifier(ROW)} FROM ({departed}) WHERE {landed} IN ({dates})"
    )


def _values(shape: Shape, since: str, has: Iterable[str]) -> str:
    """The record of an end: what decides first is when it ended, not when the values began."""
    known, first = frozenset(has), at(shape)
    return ", ".join(
        f"{identifier(since)} AS {identifier(field.name)}"
        if field.name == first
        else identifier(field.name)
        if field.name in known
        else f"CAST(NULL AS {sql_type(field.type)}) AS {identifier(field.name)}"
        for field in shape.columns
    )
