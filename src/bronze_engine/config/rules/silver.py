"""What a well-typed [pipelines.….silver] may still get wrong."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.output import Output
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.quality_rule import columns_of
from bronze_engine.config.rules.output import output_faults
from bronze_engine.config.rules.quality import quality_faults
from bronze_engine.config.rules.silver_columns import SilverNames, column_faults
from bronze_engine.config.rules.silver_path import path_faults
from bronze_engine.config.silver import Silver
from bronze_engine.config.source import FilesSourceConfig

__all__ = ["silver_faults"]


def silver_faults(pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
    """Faults of a pipeline's [silver], where it has one."""
    silver = pipeline.silver
    if silver is None:
        return
    yield from _kind(silver, path)
    yield from _keys(pipeline, silver, path)
    yield from _order(pipeline, silver, path)
    yield from _deletes(pipeline, silver, path)
    yield from _late(pipeline, silver, path)
    yield from column_faults(silver.columns, (*path, "columns"))
    yield from _named(pipeline, silver, path)
    yield from _quality(silver, path)
    yield from _output(silver, path)
    yield from path_faults(silver.path, (*path, "path"))


def _kind(silver: Silver, path: KeyPath) -> Iterator[Fault]:
    if silver.kind == "state":
        return
    for key in ("history", "deletes"):
        value = getattr(silver, key)
        if value != getattr(Silver(), key):
            yield Fault(
                (*path, key),
                f'is "{value}", and kind = "event": what has happened has no versions, and is not'
                ' undone; take it away, or write kind = "state"',
            )


def _keys(pipeline: Pipeline, silver: Silver, path: KeyPath) -> Iterator[Fault]:
    if silver.kind == "state" and not silver.unique_columns and not pipeline.primary_key:
        yield Fault(
            (*path, "unique_columns"),
            "is missing, and so is the pipeline's primary_key: name the columns that say what a row"
            ' is of, or write kind = "event", where each record is one',
        )


def _order(pipeline: Pipeline, silver: Silver, path: KeyPath) -> Iterator[Fault]:
    if silver.order_by or pipeline.load != "incremental" or not _is_of_files(pipeline):
        return
    if silver.history == "full" or silver.deletes != "ignore":
        yield Fault(
            (*path, "order_by"),
            "is missing: which record is the newer decides here, and the cursor of files is in no"
            " record; name a column that says when a record was made",
        )


def _is_of_files(pipeline: Pipeline) -> bool:
    return isinstance(pipeline.source, FilesSourceConfig)


def _deletes(pipeline: Pipeline, silver: Silver, path: KeyPath) -> Iterator[Fault]:
    here = (*path, "deletes")
    marked = silver.deleted_column
    if marked is not None and not marked:
        yield Fault((*path, "deleted_column"), "is empty; name the column, or take it away")
    if silver.deletes == "ignore" or marked is not None:
        return
    if pipeline.load == "incremental":
        yield Fault(
            here,
            f'is "{silver.deletes}", and nothing tells of a delete: set deleted_column, or land'
            ' changes (load = "cdc") or full snapshots',
        )
    elif pipeline.cdc is not None and not pipeline.cdc.delete:
        yield Fault(
            here, f'is "{silver.deletes}", and cdc.delete is empty: no code of a change is a delete'
        )


def _late(pipeline: Pipeline, silver: Silver, path: KeyPath) -> Iterator[Fault]:
    here = (*path, "late_data")
    is_judged = silver.late_data != "apply"
    if silver.late_after is not None and not is_judged:
        yield Fault(
            (*path, "late_after"),
            'has no effect with late_data = "apply"; write "reject" or "quarantine", or take it'
            " away",
        )
    if silver.late_after is not None and silver.late_after < 0:
        yield Fault((*path, "late_after"), "must not be below zero")
    if not is_judged:
        return
    told = f'is "{silver.late_data}"'
    if silver.late_after is None:
        yield Fault(here, f'{told}, and nothing says what is late; set late_after = "3d"')
    if pipeline.load == "full":
        yield Fault(here, f"{told}, and in a full snapshot nothing is late; take it away")
    elif _is_of_files(pipeline) and not silver.order_by and not _order_of_changes(pipeline):
        yield Fault(here, f"{told}, and lateness goes by the first column of order_by; set that")


def _order_of_changes(pipeline: Pipeline) -> tuple[str, ...]:
    return () if pipeline.cdc is None else pipeline.cdc.order_by


def _named(pipeline: Pipeline, silver: Silver, path: KeyPath) -> Iterator[Fault]:
    """Faults of what names the table's columns."""
    names = SilverNames(silver)
    for key in ("unique_columns", "order_by"):
        columns: tuple[str, ...] = getattr(silver, key)
        if "" in columns or len(set(columns)) < len(columns):
            yield Fault((*path, key), "holds an empty name, or one twice")
        for column in columns:
            yield from names.faults(column, (*path, key))
    if not silver.unique_columns:
        for column in pipeline.primary_key:
            yield from names.faults_of_bronze(column, "primary_key", (*path, "unique_columns"))
    if not silver.order_by and pipeline.load == "incremental" and not _is_of_files(pipeline):
        cursor = "" if pipeline.incremental is None else pipeline.incremental.cursor
        yield from names.faults_of_bronze(cursor, "incremental.cursor", (*path, "order_by"))
    yield from names.folder_faults(silver.partition_by, (*path, "partition_by"))


def _quality(silver: Silver, path: KeyPath) -> Iterator[Fault]:
    quality, here = silver.quality, (*path, "quality")
    if quality.duplicates != "keep":
        yield Fault(
            (*here, "duplicates"),
            f'is "{quality.duplicates}", and a table has a key once by itself; take it away',
        )
    yield from quality_faults(msgspec.structs.replace(quality, duplicates="keep"), (), here)
    names = SilverNames(silver)
    for place, rule in enumerate(quality.rules):
        for column in columns_of(rule):
            yield from names.faults(column, (*here, "rules", str(place), "column"))


def _output(silver: Silver, path: KeyPath) -> Iterator[Fault]:
    output = silver.output
    same = Output(
        compression=output.compression,
        compression_level=output.compression_level,
        row_group_bytes=output.row_group_bytes,
        partition_by=silver.partition_by,
    )
    for fault in output_faults(same, (*path, "output")):
        if fault.path[-1] == "partition_by":
            yield Fault((*path, "partition_by"), fault.message)
        else:
            yield fault
