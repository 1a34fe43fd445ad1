"""The SELECT of the records of Bronze files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec
import pyarrow as pa

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Column, Role
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.silver_columns import FAULT
from bronze_engine.model.types.named import parse_type
from bronze_engine.silver.columns.casts import Cast, cast
from bronze_engine.silver.columns.contract import schema_of
from bronze_engine.silver.columns.shape import BRONZE_DATE, IS_DELETE, PART, ROW, Shape
from bronze_engine.silver.database.sql import exactly, identifier, literal
from bronze_engine.silver.database.types import sql_type

__all__ = ["Place", "Selected", "raw_select", "record_select", "selected"]

_SHOWN_CHARACTERS: Final = 80


class Place(msgspec.Struct, frozen=True):
    """Which file one is, and where it lies on this machine."""

    run_date: date
    part: int
    """Its place in the manifest."""
    path: str


class Selected(msgspec.Struct, frozen=True):
    """The records of files that are alike."""

    sql: str
    can_fail: bool
    """Whether `_fault` may be anything but NULL."""


def record_select(
    pipeline: Pipeline,
    shape: Shape,
    manifest: Manifest,
    part: int,
    path: str,
    *,
    names: Sequence[str] | None = None,
) -> str:
    """The SELECT of one Bronze file's records: the columns of the shape, `_is_delete`,
    `_bronze_date`, `_bronze_part`, `_bronze_row`, and `_fault`, which says why a value can't be
    had as its column's type, or a record not be told from others.

    `part` is the file's place in the manifest, `path` where it lies on this machine, `names`
    its own columns in order, where that are not all of the manifest's.
    """
    place = Place(manifest.run_date, part, path)
    return selected(pipeline, shape, manifest, [place], names=names).sql


def selected(
    pipeline: Pipeline,
    shape: Shape,
    manifest: Manifest,
    places: Sequence[Place],
    *,
    names: Sequence[str] | None = None,
) -> Selected:
    """As `record_select`, of files of one or more dates in a single scan: a scan of each would
    take about 300 KB of memory that no limit of DuckDB's counts.

    They have the same columns of the same types, and their manifests the same schema and changes.
    """
    assert pipeline.silver is not None  # noqa: S101  # whoever runs Silver has looked
    silver = pipeline.silver
    file = _File(schema_of(manifest), names)
    bronze_names = {new: old for old, new in silver.columns.rename.items()}
    listed: list[str] = []
    faults: list[str] = []
    for column in map(Column.parse, shape.columns):
        bronze_name = bronze_names.get(column.name, column.name)
        text = silver.columns.cast.get(column.name)
        role: Role = "value" if text is None else parse_type(column.name, text)[1]
        found = file.cast(bronze_name, column, role)
        listed.append(f"{found.value} AS {identifier(column.name)}")
        if found.can_fail:
            said = literal(f"column {column.name!r} ({text or column.type}) can't hold ")
            value = file.name(bronze_name)
            faults.append(
                f"WHEN {value} IS NOT NULL AND ({found.value}) IS NULL"
                f" THEN concat({said}, left(CAST({value} AS VARCHAR), {_SHOWN_CHARACTERS}))"
            )
    faults += _misfits(silver, shape, file, bronze_names)
    fault = f"CASE {' '.join(faults)} END" if faults else f"CAST({literal(None)} AS VARCHAR)"
    listed += [
        f"{_is_delete(silver, shape, manifest, file)} AS {identifier(IS_DELETE)}",
        f"{_of_each(each.run_date for each in places)} AS {identifier(BRONZE_DATE)}",
        f"CAST({_of_each(each.part for each in places)} AS INTEGER) AS {identifier(PART)}",
        f"file_row_number AS {identifier(ROW)}",
        f"{fault} AS {identifier(FAULT)}",
    ]
    paths = [each.path for each in places]
    sql = f"SELECT {', '.join(listed)} FROM {file.relation(*paths)}"
    return Selected(sql, can_fail=bool(faults))


def raw_select(names: Sequence[str], path: str, rows: Iterable[int]) -> str:
    """The SELECT of some rows of a Bronze file, whose columns are `names`, as they landed."""
    file = _File(pa.schema([]), names)
    places = ", ".join(map(literal, rows))
    listed = ", ".join(f"{file.name(name)} AS {identifier(name)}" for name in names)
    return (
        f"SELECT {listed} FROM {file.relation(path)} WHERE file_row_number IN ({places})"
        " ORDER BY file_row_number"
    )


def _misfits(
    silver: Silver, shape: Shape, file: _File, bronze_names: Mapping[str, str]
) -> Iterator[str]:
    """Why a record can't be told from others: what says of what it is, when, or whether it is gone
    did not fit its column in Bronze, which is NULL then: all such records would be of one key."""
    deciding = [bronze_names.get(name, name) for name in (*shape.keys, *shape.order)]
    if silver.deleted_column is not None:
        deciding.append(silver.deleted_column)
    for name in dict.fromkeys(deciding):
        for variant in file.variants_of(name):
            said = literal(f"column {name!r} ({file.type(name)} in Bronze) could not hold ")
            value = file.name(variant)
            yield (
                f"WHEN {value} IS NOT NULL THEN concat({said}, left({value}, {_SHOWN_CHARACTERS}),"
                f" {literal('; give it a type in schema.columns, and land the date again')})"
            )


def _of_each(values: Iterable[int | date]) -> str:
    """What a file has, by its place in the scan. A condition over it opens no other file."""
    listed = list(map(literal, values))
    if len(set(listed)) == 1:
        return listed[0]
    return f"[{', '.join(listed)}][CAST(file_index AS BIGINT) + 1]"


class _File:
    """The columns of one file. They are called by their places: no name that Bronze may have is in
    the way of DuckDB's own."""

    def __init__(self, schema: pa.Schema, names: Sequence[str] | None) -> None:
        own = schema.names if names is None else names
        self._schema = schema
        self._places = {name: place for place, name in enumerate(own)}

    def name(self, bronze_name: str) -> str:
        return f"c{self._places[bronze_name]}"

    def has(self, bronze_name: str) -> bool:
        return bronze_name in self._places

    def type(self, bronze_name: str) -> DataType:
        return self._schema.field(bronze_name).type

    def variants_of(self, bronze_name: str) -> list[str]:
        """The columns with what did not fit a column that the file has."""
        return [
            column.name
            for column in map(Column.parse, self._schema)
            if column.of == bronze_name and self.has(bronze_name) and self.has(column.name)
        ]

    def cast(self, bronze_name: str, column: Column, role: Role) -> Cast:
        """A column as the table has it; NULL where the file has none."""
        if not self.has(bronze_name):
            return Cast(f"CAST({literal(None)} AS {sql_type(column.type)})", can_fail=False)
        given = self.type(bronze_name)
        found = cast(self.name(bronze_name), given, column.type, role)
        if found is None:
            raise QualityError(
                f"column {bronze_name!r} is {given} in a file of Bronze, and there is no exact way"
                f" from that to {column.type}; nothing was published; cast it to another type in"
                " silver.columns",
                column=bronze_name,
            )
        return found

    def relation(self, *paths: str) -> str:
        listed = ", ".join(literal(exactly(path)) for path in paths)
        aliases = ", ".join(f"c{place}" for place in range(len(self._places)))
        read = f"read_parquet([{listed}], hive_partitioning = FALSE)"
        return f"{read} AS b({aliases})" if aliases else f"{read} AS b"


def _is_delete(silver: Silver, shape: Shape, manifest: Manifest, file: _File) -> str:
    """The condition that a record says that its key is gone."""
    told: list[str] = []
    if manifest.cdc is not None and file.has(manifest.cdc.operation):
        operation = f"CAST({file.name(manifest.cdc.operation)} AS VARCHAR)"
        codes = ", ".join(map(literal, manifest.cdc.delete))
        if codes:
            told.append(f"coalesce({operation} IN ({codes}), FALSE)")
    marked = silver.deleted_column
    if marked is not None and file.has(marked):
        told.append(_is_marked(silver, shape, file, marked))
    return " OR ".join(told) if told else literal(False)


def _is_marked(silver: Silver, shape: Shape, file: _File, marked: str) -> str:
    """The condition that a mark is neither NULL nor false: of texts where they are cast to bool."""
    name = silver.columns.rename.get(marked, marked)
    value, kind = file.name(marked), file.type(marked)
    if name in shape.names and pa.types.is_boolean(shape.columns.field(name).type):
        column = Column.parse(shape.columns.field(name))
        value, kind = file.cast(marked, column, "value").value, column.type
    return f"coalesce({value}, FALSE)" if pa.types.is_boolean(kind) else f"{value} IS NOT NULL"
