"""Which columns a table has: those of its Bronze, kept, renamed and cast."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa

from bronze_engine.config.partition_by import PartitionField
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.config.source import FilesSourceConfig
from bronze_engine.encode.partition_values import misfit
from bronze_engine.errors import QualityError
from bronze_engine.model.layout import STAMP_COLUMNS, Column
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.silver_columns import RESERVED
from bronze_engine.model.types.named import parse_type
from bronze_engine.silver.columns.casts import cast
from bronze_engine.silver.columns.contract import check_frozen, schema_of, united, widest
from bronze_engine.silver.columns.named import check_landed, landed_name, unknown
from bronze_engine.silver.columns.shape import Shape

__all__ = ["resolve"]

log = logging.getLogger(__name__)


def resolve(
    pipeline: Pipeline,
    manifests: Sequence[Manifest],
    base: Manifest | None,
    *,
    warn: Callable[[str], None] = log.warning,
) -> Shape:
    """The table's shape by all that it counts: `manifests` are Bronze's, in any order; `base` is
    the table's own, None where it is made anew.

    Where Bronze has never had a row the shape has no column: then there is none to be written.
    Columns of dates that Bronze has no more stay. Raises QualityError (QUAL001) for a column that
    the table must have and no record has, one that takes a name of ours, types that no type
    holds, and what `contract = "freeze"` does not take. `warn` is told of columns that the
    configuration names and that may still come (`named`).
    """
    silver = _silver(pipeline)
    counted = sorted(manifests, key=lambda each: each.run_date)
    bronze = united(
        map(schema_of, counted),
        is_left_out=_is_left_out(silver),
        cast={landed_name(silver, name) for name in silver.columns.cast},
    )
    load = counted[-1].load if counted else pipeline.load
    if bronze:
        check_landed(silver, bronze, warn)
    columns = _table_columns(silver, bronze, counted) if bronze else []
    is_frozen = silver.contract == "freeze"
    if base is not None and (_has_gone(base, counted) or (columns and is_frozen)):
        columns = _with_those_of(base, columns, is_frozen=is_frozen)
    schema = pa.schema([column.field() for column in columns])
    if base is not None and is_frozen:
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
        _check_compared(silver, shape, map(schema_of, counted))
    return shape


def _silver(pipeline: Pipeline) -> Silver:
    if pipeline.silver is None:
        raise ValueError(f"{pipeline.name} has no [silver]")
    return pipeline.silver


def _is_left_out(silver: Silver) -> Callable[[str], bool]:
    """Whether a column of Bronze is none of the table's."""
    columns = silver.columns
    return lambda name: name in columns.drop or bool(columns.keep and name not in columns.keep)


def _has_gone(base: Manifest, counted: Iterable[Manifest]) -> bool:
    """Whether the table holds dates that Bronze has no more."""
    held = () if base.silver is None else base.silver.inputs
    return not {one.run_date for one in held} <= {one.run_date for one in counted}


def _with_those_of(base: Manifest, columns: Sequence[Column], *, is_frozen: bool) -> list[Column]:
    """The columns, wide enough for what the table has, and those that it alone has."""
    found = {column.name: column for column in columns}
    for before in map(Column.parse, schema_of(base)):
        if before.name in RESERVED:
            continue
        now = found.get(before.name)
        if now is None:
            found[before.name] = before
            continue
        kind = widest(now.type, before.type)
        if kind is None and not is_frozen:
            raise QualityError(
                f"column {now.name!r} is {now.type} in Bronze and {before.type} in the table, of"
                " dates that Bronze has no more, and no type holds both; cast it in silver.columns",
                column=now.name,
            )
        if kind is not None:
            found[before.name] = msgspec.structs.replace(now, type=kind)
    return list(found.values())


def _table_columns(
    silver: Silver, bronze: Mapping[str, Column], counted: Sequence[Manifest]
) -> list[Column]:
    """The record's columns, in order."""
    wanted = silver.columns
    names = wanted.keep or tuple(_usual(bronze, counted))
    dropped = {*wanted.drop}
    found: dict[str, Column] = {}
    for name in _with_variants(names, bronze):
        column = bronze[name]
        if name in dropped or (column.of in dropped and name not in wanted.keep):
            continue
        _take(found, _renamed(column, wanted.rename), name)
    for name, text in wanted.cast.items():
        if landed_name(silver, name) not in bronze:
            continue
        if name not in found:
            unknown("silver.columns.cast", name, found, "the table has no such column")
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
        )
    return list(found.values())


def _renamed(column: Column, rename: Mapping[str, str]) -> Column:
    """A column as the table calls it. A date may lack it, so it may always be NULL."""
    of = None if column.of is None else rename.get(column.of, column.of)
    name = rename.get(column.name, column.name)
    renamed: Column = msgspec.structs.replace(column, name=name, of=of, wider=None, nullable=True)
    return renamed


def _usual(bronze: Mapping[str, Column], counted: Sequence[Manifest]) -> Iterator[str]:
    """All that Bronze has read, but the codes of changes."""
    codes = {manifest.cdc.operation for manifest in counted if manifest.cdc is not None}
    for name, column in bronze.items():
        if name not in STAMP_COLUMNS and name not in codes and column.role != "raw":
            yield name


def _with_variants(names: Sequence[str], bronze: Mapping[str, Column]) -> Iterator[str]:
    """Names, each with the column of what did not fit it where that is not named itself."""
    named = {*names}
    for name in filter(bronze.__contains__, names):  # a mark for deletes may still come
        yield name
        for other, column in bronze.items():
            if column.of == name and other not in named:
                yield other


def _take(found: dict[str, Column], column: Column, bronze_name: str) -> None:
    """Add a column. DuckDB's names differ by more than case."""
    folded = column.name.casefold()
    taken = next((name for name in (*found, *RESERVED) if name.casefold() == folded), None)
    if taken is None:
        found[column.name] = column
        return
    if taken in RESERVED and taken not in found:
        what = f"takes the name of {taken!r}, which Silver itself writes"
    else:
        what = f"would be called {column.name!r}, and another is {taken!r} already (in any case)"
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
    """What decides which record is newer: as it is configured now, and not as it was when the
    dates landed. The cursor of files is in no record."""
    silver = _silver(pipeline)
    if silver.order_by:
        return silver.order_by
    changes = counted[-1].cdc if counted else None
    if changes is not None:
        by = changes.order_by if pipeline.cdc is None else pipeline.cdc.order_by
        if by:
            return _called(by, silver, bronze)
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
                unknown(f"silver.{option}", name, known, why)
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
    for field in map(PartitionField.parse, silver.partition_by):
        name = field.column
        if name not in known and name not in RESERVED:
            unknown("silver.partition_by", name, known, why)
        if name in known:
            _check_folders(field, shape.columns.field(name).type)


def _check_folders(field: PartitionField, kind: pa.DataType) -> None:
    """Raise for a column whose type makes no folders, before any row is read."""
    found = misfit(field, kind, types="silver.columns.cast")
    if found is not None and not pa.types.is_null(kind):
        raise QualityError(
            f"silver.partition_by names {field.column!r}, which is {kind}, and {found}; nothing was"
            " published",
            column=field.column,
        )


def _check_compared(silver: Silver, shape: Shape, bronze: Iterable[pa.Schema]) -> None:
    """Raise for what would be compared as text because its dates have no other type in common:
    10 comes before 9 there, and 1 is not 1.0."""
    bronze_names = {new: old for old, new in silver.columns.rename.items()}
    texts = {
        bronze_names.get(name, name): name
        for name in (*shape.keys, *shape.order)
        if name not in silver.columns.cast and pa.types.is_string(shape.columns.field(name).type)
    }
    for schema in bronze:
        for field in schema:
            name = texts.get(field.name)
            if name is not None and not pa.types.is_string(field.type):
                raise QualityError(
                    f"column {name!r} is {field.type} on some dates and another type on others, and"
                    " records would be compared by it as text; nothing was published; give it a"
                    " type in silver.columns.cast",
                    column=name,
                )
