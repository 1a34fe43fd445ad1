"""What a well-typed pipeline may still get wrong: keys that contradict each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Final

from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.file.fault import Fault, KeyPath
from bronze_engine.config.http.graphql import templated_json
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.output import Output
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.chain import chain_faults, export_templates
from bronze_engine.config.rules.paginator import paginator_faults
from bronze_engine.config.rules.quality import quality_faults
from bronze_engine.config.rules.rate import rate_faults
from bronze_engine.config.rules.record import record_faults
from bronze_engine.config.rules.schema import schema_faults, timezone_faults
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.template import render, uses
from bronze_engine.errors import ConfigError
from bronze_engine.model.window import cursor_key

__all__ = ["engine_faults", "pipeline_faults", "source_faults"]

_LEVELS: Final = {"zstd": 22, "gzip": 9}


def engine_faults(engine: EngineConfig, path: KeyPath) -> Iterator[Fault]:
    yield from timezone_faults(engine.timezone, (*path, "timezone"))
    if engine.memory_limit <= 0:
        yield Fault((*path, "memory_limit"), "must be above zero")


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
    elif pipeline.load == "cdc":
        yield Fault((*path, "load"), 'an HTTP source knows "full" and "incremental", no "cdc"')
    for key in pipeline.primary_key:
        if not key:
            yield Fault((*path, "primary_key"), "holds an empty name")
    if incremental is not None:
        yield from _incremental(incremental, (*path, "incremental"))
    yield from schema_faults(pipeline.schema, (*path, "schema"))
    yield from quality_faults(pipeline.quality, pipeline.primary_key, (*path, "quality"))
    yield from _output(pipeline.output, (*path, "output"))
    yield from source_faults(pipeline.source, incremental, (*path, "source"))


def _incremental(incremental: Incremental, path: KeyPath) -> Iterator[Fault]:
    if not incremental.cursor:
        yield Fault((*path, "cursor"), "is empty; name the column whose values only grow")
    zone = incremental.cursor_timezone
    zone_path = (*path, "cursor_timezone")
    zone_faults = [] if zone is None else list(timezone_faults(zone, zone_path))
    yield from zone_faults
    if incremental.cursor_type != "timestamp":
        for key in ("cursor_timezone", "lag"):
            if getattr(incremental, key) is not None:
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
    if incremental.start_param is None and incremental.end_param is None:
        yield Fault((*path, "format"), "formats start_param and end_param, and neither is set")
    if incremental.cursor_type not in ("timestamp", "date"):
        yield Fault((*path, "format"), "is for timestamps and dates only")
    elif form not in ("epoch", "epoch_ms") and "%" not in form:
        yield Fault(
            (*path, "format"), 'expected strftime\'s ("%Y-%m-%dT%H:%M:%SZ"), "epoch" or "epoch_ms"'
        )


def _output(output: Output, path: KeyPath) -> Iterator[Fault]:
    level = output.compression_level
    if level is not None:
        most = _LEVELS.get(output.compression)
        here = (*path, "compression_level")
        if most is None:
            yield Fault(here, f'"{output.compression}" has no levels; leave it out')
        elif level > most:
            yield Fault(here, f'{level} is above {most}, the highest of "{output.compression}"')
    for key in ("max_bytes_per_file", "row_group_bytes"):
        if getattr(output, key) <= 0:
            yield Fault((*path, key), "must be above zero")


def source_faults(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    """Faults of a source, of a pipeline's own or of its parent's."""
    if "://" in source.path or source.path.startswith("//"):
        yield Fault((*path, "path"), "is joined to the API's base_url; leave the host out")
    elif "?" in source.path or "#" in source.path:
        yield Fault((*path, "path"), "holds `?` or `#`; write parameters into [….source.params]")
    if source.json is not None and source.method == "GET":
        yield Fault((*path, "json"), 'is a body, and GET has none; write method = "POST"')
    if source.max_page_bytes <= 0:
        yield Fault((*path, "max_page_bytes"), "must be above zero")
    if source.rate_limit is not None:
        yield from rate_faults(source.rate_limit, (*path, "rate_limit"), of_api=False)
    yield from record_faults(source, path)
    yield from _templates(source, incremental, path)
    yield from paginator_faults(source, incremental, path)
    yield from chain_faults(source, incremental, path)


def _templates(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    body, _ = templated_json(source.json, source.paginator)
    places = [((*path, "path"), source.path), ((*path, "json"), body)]
    places += [((*path, "params", key), value) for key, value in source.params.items()]
    places += export_templates(source, path)
    for here, value in places:
        try:
            names = uses(value)
            if isinstance(value, str):
                render(value, {**dict.fromkeys(names, "0"), "run_date": date(2025, 1, 15)})
        except (ConfigError, ValueError) as exc:
            yield Fault(here, exc.message if isinstance(exc, ConfigError) else "no strftime format")
            continue
        bounds = sorted(names & {"low", "high"})
        if bounds and incremental is None:
            yield Fault(here, f'{{{bounds[0]}}} needs load = "incremental" and its table')
        elif here[-1] == "path" and "low" in names and incremental and not incremental.initial:
            yield Fault(here, "{low} has no value in the first run; set incremental.initial")
