"""What a well-typed pipeline may still get wrong: keys that contradict each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.redis import parse_redis_url
from bronze_engine.config.rules.cdc import cdc_faults
from bronze_engine.config.rules.custom import custom_source_faults
from bronze_engine.config.rules.database import database_source_faults
from bronze_engine.config.rules.files import files_source_faults
from bronze_engine.config.rules.http_source import http_source_faults
from bronze_engine.config.rules.output import output_faults
from bronze_engine.config.rules.quality import quality_faults
from bronze_engine.config.rules.schema import schema_faults, timezone_faults
from bronze_engine.config.rules.silver import silver_faults
from bronze_engine.config.rules.table_format import table_format_faults
from bronze_engine.config.rules.window import date_window_faults
from bronze_engine.config.source import (
    AdbcSourceConfig,
    CustomSource,
    FilesSourceConfig,
    HttpSourceConfig,
    PostgresSourceConfig,
)
from bronze_engine.model.window import cursor_key

__all__ = ["engine_faults", "pipeline_faults"]

_DAY_SECONDS: Final = 86400


def engine_faults(engine: EngineConfig, path: KeyPath) -> Iterator[Fault]:
    yield from timezone_faults(engine.timezone, (*path, "timezone"))
    if engine.memory_limit <= 0:
        yield Fault((*path, "memory_limit"), "must be above zero")
    if engine.spill_dir == "":
        yield Fault((*path, "spill_dir"), "names no folder; leave it out for the system's own")
    if engine.limits is not None:
        try:
            parse_redis_url(engine.limits.reveal())
        except ValueError as exc:
            yield Fault((*path, "limits"), str(exc))


def pipeline_faults(pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
    """Faults of a pipeline whose references are resolved."""
    incremental = pipeline.incremental
    if pipeline.load == "incremental" and incremental is None:
        yield Fault((*path, "load"), f'"incremental" needs a table [{".".join(path)}.incremental]')
    elif pipeline.load == "full" and incremental is not None:
        yield Fault(
            (*path, "load"),
            'is "full", but there is an [incremental] table; write load = "incremental", '
            "or take the table away",
        )
    yield from cdc_faults(pipeline, path)
    for key in pipeline.primary_key:
        if not key:
            yield Fault((*path, "primary_key"), "holds an empty name")
    if incremental is not None:
        yield from _incremental(pipeline, incremental, (*path, "incremental"))
        yield from _read_again(incremental, pipeline.primary_key, (*path, "incremental"))
        yield from date_window_faults(pipeline, incremental, (*path, "incremental"))
    yield from schema_faults(pipeline.schema, (*path, "schema"))
    yield from quality_faults(pipeline.quality, pipeline.primary_key, (*path, "quality"))
    yield from output_faults(pipeline.output, (*path, "output"))
    yield from silver_faults(pipeline, (*path, "silver"))
    yield from table_format_faults(pipeline, path)
    if isinstance(pipeline.source, HttpSourceConfig):
        yield from http_source_faults(pipeline.source, incremental, (*path, "source"))
    elif isinstance(pipeline.source, FilesSourceConfig):
        yield from files_source_faults(pipeline, pipeline.source, path)
    elif isinstance(pipeline.source, CustomSource):
        yield from custom_source_faults(pipeline.source, (*path, "source"))
    else:
        yield from database_source_faults(pipeline, pipeline.source, path)


def _clocked_dates(pipeline: Pipeline) -> frozenset[str]:
    """What says when a day is over, of sources that go by their own clock."""
    match pipeline.source:
        case PostgresSourceConfig():
            return frozenset({"cursor_timezone", "lag"})
        case AdbcSourceConfig():
            return frozenset({"cursor_timezone"})
        case _:
            return frozenset()


def _incremental(pipeline: Pipeline, incremental: Incremental, path: KeyPath) -> Iterator[Fault]:
    if not incremental.cursor:
        yield Fault((*path, "cursor"), "is empty; name the column whose values only grow")
    zone = incremental.cursor_timezone
    zone_path = (*path, "cursor_timezone")
    zone_faults = [] if zone is None else list(timezone_faults(zone, zone_path))
    yield from zone_faults
    if incremental.cursor_type != "timestamp":
        clocked = _clocked_dates(pipeline) if incremental.cursor_type == "date" else frozenset()
        for key in ("cursor_timezone", "lag"):
            if getattr(incremental, key) is not None and key not in clocked:
                yield Fault((*path, key), 'is for cursor_type = "timestamp" only')
    if incremental.initial is not None and not zone_faults:
        kind = incremental.cursor_type
        try:
            cursor_key(incremental.initial, kind, zone)
        except ValueError as exc:
            text = json.dumps(incremental.initial)
            reason = "it has no offset; end it with Z, or set cursor_timezone"
            if "no offset" not in str(exc):
                reason = f"it is no {kind}"
            yield Fault((*path, "initial"), f"{text} is not usable as a watermark: {reason}")
    form = incremental.format
    if form is None:
        return
    if incremental.cursor_type not in ("timestamp", "date"):
        yield Fault((*path, "format"), "is for timestamps and dates only")
    elif form not in ("epoch", "epoch_ms") and "%" not in form:
        yield Fault(
            (*path, "format"), 'expected strftime\'s ("%Y-%m-%dT%H:%M:%SZ"), "epoch" or "epoch_ms"'
        )


def _read_again(
    incremental: Incremental, primary_key: tuple[str, ...], path: KeyPath
) -> Iterator[Fault]:
    """Faults of what reads rows that have landed before."""
    lookback = incremental.lookback
    if lookback is not None:
        here = (*path, "lookback")
        kind = incremental.cursor_type
        if kind == "text":
            yield Fault(here, 'can\'t go back from a text: leave it out for cursor_type = "text"')
        elif lookback <= 0:
            yield Fault(here, "must be above zero")
        elif kind == "date" and lookback % _DAY_SECONDS:
            yield Fault(here, 'of dates is a number of whole days: "1d", "7d"')
        elif kind in ("integer", "xid8") and lookback % 1:
            yield Fault(here, f'of cursor_type = "{kind}" is a whole number')
    for key, is_set in (("lookback", lookback is not None), ("low_open", not incremental.low_open)):
        if is_set and not primary_key:
            yield Fault(
                (*path, key),
                "reads rows that have landed before; set the pipeline's primary_key, by which "
                "whoever reads the partitions tells them apart",
            )
