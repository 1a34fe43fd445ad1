"""From Bronze's columns to the table's: kept, renamed, cast; and the SELECT that does so."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NoReturn

import msgspec
import pyarrow as pa

from bronze_engine.config.partition_by import PartitionField
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.config.source import FilesSourceConfig
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import DataType
from bronze_engine.model.column_types import parse_type
from bronze_engine.model.layout import STAMP_COLUMNS, Column
from bronze_engine.model.manifest import Manifest
from bronze_engine.silver.casts import Cast, cast
from bronze_engine.silver.contract import check_frozen, schema_of, united, widest
from bronze_engine.silver.shape import (
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
from bronze_engine.silver.sql import identifier, literal
from bronze_engine.silver.types import sql_type

__all__ = ["FAULT", "Selected", "raw_select", "record_select", "resolve", "selected"]

FAULT: Final = "_fault"
"""Why a record can't be one of the table, in words; NULL of all others."""

_OURS: Final = (
    *(FROM, TO, CURRENT, DELETED, DELETED_AT, BRONZE_DATE, DELETED_DATE),
    *(IS_DELETE, PART, ROW, FAULT),
)
_SHOWN_NAMES: Final = 12
_SHOWN_CHARACTERS: Final = 80


def resolve(pipeline: Pipeline, manifests: Sequence[Manifest], base: Manifest | None) -> Shape:
    """The table's shape by all that it counts: `manifests` are Bronze's, in any order; `base` is
    the table's own, None where it is made anew.

    Where Bronze has never had a row the shape has no column: then there is none to be written.
    Columns of dates that Bronze has no more stay. Raises QualityError (QUAL001) for a column that
    the configuration names and no record has, one that takes a name of ours, types that no type
    holds, and what `contract = "freeze"` does not take.
    """
    silver = _silver(pipeline)
    counted = sorted(manifests, key=lambda each: each.run_date)
    bronze = united(map(schema_of, counted))
    load = counted[-1].load if counted else pipeline.load
    columns = _table_columns(silver, bronze, counted) if bronze else []
    if base is not None and _has_gone(base, counted):
        columns = _with_gone(columns, base)
    schema = pa.schema([column.field() for column in columns])
    if silver.contract == "freeze" and base is not None:
        check_frozen(schema, base)
    keys, order = _keys(pipeline, bronze), _order(pipeline, bronze, counted)
    shape = Shape(
        kind=silver.kind,
        history=silver.history if silver.kind == "state" else "current",
        deletes=silver.deletes if silver.kind == "state" else "ignore",
        load=load,
        columns=schema,
        keys=keys if columns else (),
        order=order if columns else (),
    )
    if columns:
        _check_named(silver, shape)
    return shape


def _silver(pipeline: Pipeline) -> Silver:
    if pipeline.silver is None:
        raise ValueError(f"{pipeline.name} has no [silver]")
    return pipeline.silver


def _has_gone(base: Manifest, counted: Iterable[Manifest]) -> bool:
    """Whether the table holds dates that Bronze has no more."""
    held = () if base.silver is None else base.silver.inputs
    return not {one.run_date for one in held} <= {one.run_date for one in counted}


def _with_gone(columns: Sequence[Column], base: Manifest) -> list[Column]:
    """The columns, wide enough for the rows that the table has, and those that only these have."""
    found = {column.name: column for column in columns}
    for before in map(Column.parse, schema_of(base)):
        if before.name in _OURS:
            continue
        now = found.get(before.name)
        if now is None:
            found[before.name] = before
            continue
        kind = widest(now.type, before.type)
        if kind is None:
            raise QualityError(
                f"column {now.name!r} is {now.type} in Bronze and {before.type} in the table, of"
                " dates that Bronze has no more, and no type holds both; cast it in silver.columns",
                column=now.name,
            )
        found[before.name] = msgspec.structs.replace(now, type=kind)
    return list(found.values())


def _table_columns(
    silver: Silver, bronze: Mapping[str, Column], counted: Sequence[Manifest]
) -> list[Column]:
    """The record's columns, in order."""
    wanted = silver.columns
    for key in ("keep", "drop", "rename"):
        for name in getattr(wanted, key):
            if name not in bronze:
                _unknown(f"silver.columns.{key}", name, bronze, "no record has such a column")
    names = wanted.keep or tuple(_usual(bronze, counted))
    dropped = {*wanted.drop}
    found: dict[str, Column] = {}
    for name in _with_variants(names, bronze):
        column = bronze[name]
        if name in dropped or (column.of in dropped and name not in wanted.keep):
            continue
        column = msgspec.structs.replace(column, name=wanted.rename.get(name, name), wider=None)
        _take(found, column, name)
    for name, text in wanted.cast.items():
        if name not in found:
            _unknown("silver.columns.cast", name, found, "the table has no such column")
        kind, role = parse_type(name, text)
        given = found[name]
        if cast("", given.type, kind, role) is None:
            raise QualityError(
                f"silver.columns.cast: column {name!r} is {given.type}, and there is no exact way"
                f" from that to {text}; nothing was published; cast it to another type",
                column=name,
            )
        found[name] = Column(
            name=name,
            type=kind,
            key=given.key,
            role=role if role in ("text", "json") else "value",
            nullable=True,
        )
    return list(found.values())


def _usual(bronze: Mapping[str, Column], counted: Sequence[Manifest]) -> Iterator[str]:
    """All that Bronze has read, but the codes of changes."""
    codes = {manifest.cdc.operation for manifest in counted if manifest.cdc is not None}
    for name, column in bronze.items():
        if name not in STAMP_COLUMNS and name not in codes and column.role != "raw":
            yield name


def _with_variants(names: Sequence[str], bronze: Mapping[str, Column]) -> Iterator[str]:
    """Names, each with the column of what did not fit it where that is not named itself."""
    named = {*names}
    for name in names:
        yield name
        for other, column in bronze.items():
            if column.of == name and other not in named:
                yield other


def _take(found: dict[str, Column], column: Column, bronze_name: str) -> None:
    """Add a column. DuckDB's names differ by more than case."""
    folded = column.name.casefold()
    taken = next((name for name in (*found, *_OURS) if name.casefold() == folded), None)
    if taken is None:
        found[column.name] = column
        return
    if taken in _OURS and taken not in found:
        what = f"takes the name of {taken!r}, which Silver itself writes"
    else:
        what = f"would be {column.name!r} beside {taken!r}, and names that differ by case are one"
    raise QualityError(
        f"Bronze's column {bronze_name!r} {what}; nothing was published; give it another name in"
        " silver.columns.rename, or leave it out with silver.columns.drop",
        column=bronze_name,
    )


def _keys(pipeline: Pipeline, bronze: Mapping[str, Column]) -> tuple[str, ...]:
    silver = _silver(pipeline)
    return silver.unique_columns or _called(pipeline.primary_key, silver, bronze)


def _order(
    pipeline: Pipeline, bronze: Mapping[str, Column], counted: Sequence[Manifest]
) -> tuple[str, ...]:
    """What decides which record is newer. The cursor of files is in no record."""
    silver = _silver(pipeline)
    if silver.order_by:
        return silver.order_by
    newest = counted[-1] if counted else None
    if newest is not None and newest.cdc is not None and newest.cdc.order_by:
        return _called(newest.cdc.order_by, silver, bronze)
    incremental = pipeline.incremental
    if incremental is None or isinstance(pipeline.source, FilesSourceConfig):
        return ()
    return _called((incremental.cursor,), silver, bronze)


def _called(names: Iterable[str], silver: Silver, bronze: Mapping[str, Column]) -> tuple[str, ...]:
    """Columns that the pipeline names by the source's keys, as the table calls them."""
    found: list[str] = []
    for name in names:
        column = next((each for each in bronze.values() if each.is_called(name)), None)
        landed = name if column is None else column.name
        found.append(silver.columns.rename.get(landed, landed))
    return tuple(found)


def _check_named(silver: Silver, shape: Shape) -> None:
    """Raise for what the configuration names and the table has not, or can't be compared by."""
    why = "the table has no such column"
    known = shape.names
    for option, names in (("unique_columns", shape.keys), ("order_by", shape.order)):
        for name in names:
            if name not in known:
                _unknown(f"silver.{option}", name, known, why)
            kind = shape.columns.field(name).type
            if pa.types.is_nested(kind):
                raise QualityError(
                    f"silver.{option} names {name!r}, which is {kind}, and records are compared by"
                    " plain values; nothing was published; name another column",
                    column=name,
                )
    if not shape.keys and shape.kind == "state":
        raise QualityError(
            "silver.unique_columns is empty, and a state is of something; nothing was published;"
            " name the columns that say of what"
        )
    for entry in silver.partition_by:
        name = PartitionField.parse(entry).column
        if name not in known and name not in _OURS:
            _unknown("silver.partition_by", name, known, why)


def _unknown(option: str, name: str, known: Iterable[str], why: str) -> NoReturn:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    shown = ", ".join(map(repr, names[:_SHOWN_NAMES]))
    more = ", ..." if len(names) > _SHOWN_NAMES else ""
    hint = f"did you mean {close[0]!r}?" if close else f"it has {shown}{more}"
    raise QualityError(
        f"{option} names {name!r}, and {why}; nothing was published; {hint}", column=name
    )


class Selected(msgspec.Struct, frozen=True):
    """The records of one file."""

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
    had as its column's type.

    `part` is the file's place in the manifest, `path` where it lies on this machine, `names`
    its own columns in order, where that are not all of the manifest's.
    """
    return selected(pipeline, shape, manifest, part, path, names=names).sql


def selected(
    pipeline: Pipeline,
    shape: Shape,
    manifest: Manifest,
    part: int,
    path: str,
    *,
    names: Sequence[str] | None = None,
) -> Selected:
    """As `record_select`."""
    silver = _silver(pipeline)
    file = _File(schema_of(manifest), names)
    bronze_names = {new: old for old, new in silver.columns.rename.items()}
    listed: list[str] = []
    faults: list[str] = []
    for column in map(Column.parse, shape.columns):
        bronze_name = bronze_names.get(column.name, column.name)
        text = silver.columns.cast.get(column.name)
        role = parse_type(column.name, text)[1] if text is not None else "value"
        found = file.cast(bronze_name, column, role)
        listed.append(f"{found.value} AS {identifier(column.name)}")
        if found.can_fail:
            said = literal(f"column {column.name!r} ({text or column.type}) can't hold ")
            value = file.name(bronze_name)
            faults.append(
                f"WHEN {value} IS NOT NULL AND ({found.value}) IS NULL"
                f" THEN concat({said}, left(CAST({value} AS VARCHAR), {_SHOWN_CHARACTERS}))"
            )
    fault = f"CASE {' '.join(faults)} END" if faults else f"CAST({literal(None)} AS VARCHAR)"
    listed += [
        f"{_is_delete(silver, manifest, file)} AS {identifier(IS_DELETE)}",
        f"{literal(manifest.run_date)} AS {identifier(BRONZE_DATE)}",
        f"CAST({literal(part)} AS INTEGER) AS {identifier(PART)}",
        f"file_row_number AS {identifier(ROW)}",
        f"{fault} AS {identifier(FAULT)}",
    ]
    sql = f"SELECT {', '.join(listed)} FROM {file.relation(path)}"
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

    def cast(self, bronze_name: str, column: Column, role: str) -> Cast:
        """A column as the table has it; NULL where the file has none."""
        if not self.has(bronze_name):
            return Cast(f"CAST({literal(None)} AS {sql_type(column.type)})", can_fail=False)
        given = self.type(bronze_name)
        found = cast(self.name(bronze_name), given, column.type, role)  # type: ignore[arg-type]
        if found is None:
            raise QualityError(
                f"column {bronze_name!r} is {given} in a file of Bronze, and there is no exact way"
                f" from that to {column.type}; nothing was published; cast it to another type in"
                " silver.columns",
                column=bronze_name,
            )
        return found

    def relation(self, path: str) -> str:
        aliases = ", ".join(f"c{place}" for place in range(len(self._places)))
        escaped = "".join(f"[{each}]" if each in "[*?" else each for each in path)
        read = f"read_parquet({literal(escaped)}, hive_partitioning = FALSE)"
        return f"{read} AS b({aliases})" if aliases else f"{read} AS b"


def _is_delete(silver: Silver, manifest: Manifest, file: _File) -> str:
    """The condition that a record says that its key is gone."""
    told: list[str] = []
    if manifest.cdc is not None and file.has(manifest.cdc.operation):
        operation = f"CAST({file.name(manifest.cdc.operation)} AS VARCHAR)"
        codes = ", ".join(map(literal, manifest.cdc.delete))
        if codes:
            told.append(f"coalesce({operation} IN ({codes}), FALSE)")
    marked = silver.deleted_column
    if marked is not None and file.has(marked):
        name = file.name(marked)
        is_truth = pa.types.is_boolean(file.type(marked))
        told.append(f"coalesce({name}, FALSE)" if is_truth else f"{name} IS NOT NULL")
    return " OR ".join(told) if told else literal(False)
