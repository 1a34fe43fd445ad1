"""What a well-typed pipeline may still get wrong: keys that contradict each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from bronze_engine.config.auth import ApiKeyAuth
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.fault import Fault, KeyPath, nearest
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.output import Output
from bronze_engine.config.paginator import (
    CursorPaginator,
    NoPaginator,
    OffsetPaginator,
    PagePaginator,
)
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.template import render, uses
from bronze_engine.errors import ConfigError
from bronze_engine.model.window import cursor_key

__all__ = ["engine_faults", "pipeline_faults"]

_SIMPLE_TYPES: Final = ("int64", "double", "bool", "string", "json", "date", "time", "timestamp")
_TIMESTAMP_TYPE = re.compile(r"timestamp\(\s*(?:us|ns|ms|s)\s*(?:,\s*([A-Za-z0-9_+\-/:]+)\s*)?\)")
_DECIMAL_TYPE = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_LEVELS: Final = {"zstd": 22, "gzip": 9}


def engine_faults(engine: EngineConfig, path: KeyPath) -> Iterator[Fault]:
    yield from _timezone(engine.timezone, (*path, "timezone"))
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
    yield from _schema(pipeline.schema, (*path, "schema", "columns"))
    yield from _output(pipeline.output, (*path, "output"))
    yield from _source(pipeline.source, incremental, (*path, "source"))


def _incremental(incremental: Incremental, path: KeyPath) -> Iterator[Fault]:
    if not incremental.cursor:
        yield Fault((*path, "cursor"), "is empty; name the column whose values only grow")
    zone = incremental.cursor_timezone
    zone_faults = list(_timezone(zone, (*path, "cursor_timezone"))) if zone is not None else []
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


def _timezone(name: str, path: KeyPath) -> Iterator[Fault]:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        hint = nearest(name, available_timezones())
        if hint.startswith("known are"):
            hint = 'write an IANA name such as "UTC" or "Europe/Berlin"'
        yield Fault(path, f"{json.dumps(name)} is no time zone; {hint}")


def _schema(schema: SchemaConfig, path: KeyPath) -> Iterator[Fault]:
    for column, kind in schema.columns.items():
        here = (*path, column)
        if kind in _SIMPLE_TYPES:
            continue
        timestamp = _TIMESTAMP_TYPE.fullmatch(kind)
        decimal = _DECIMAL_TYPE.fullmatch(kind)
        if timestamp is not None:
            if timestamp[1] is not None:
                yield from _timezone(timestamp[1].strip(), here)
        elif decimal is not None:
            precision, scale = int(decimal[1]), int(decimal[2])
            if not 1 <= precision <= 76 or scale > precision:
                yield Fault(here, f'"{kind}": 1 to 76 digits in all, the scale at most as many')
        else:
            known = [*_SIMPLE_TYPES, "timestamp(us, UTC)", "decimal(18,4)"]
            yield Fault(here, f"{json.dumps(kind)} is no type; {nearest(kind, known)}")


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


def _source(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    if "://" in source.path or source.path.startswith("//"):
        yield Fault((*path, "path"), "is joined to the API's base_url; leave the host out")
    elif "?" in source.path or "#" in source.path:
        yield Fault((*path, "path"), "holds `?` or `#`; write parameters into [….source.params]")
    if source.json is not None and source.method == "GET":
        yield Fault((*path, "json"), 'is a body, and GET has none; write method = "POST"')
    if source.max_page_bytes <= 0:
        yield Fault((*path, "max_page_bytes"), "must be above zero")
    yield from _dotted_path(source.records, (*path, "records"))
    yield from _templates(source, incremental, path)
    yield from _paginator(source, (*path, "paginator"))
    yield from _taken_params(source, incremental, path)


def _dotted_path(text: str | None, path: KeyPath) -> Iterator[Fault]:
    if text is not None and not all(text.split(".")):
        yield Fault(path, f"{json.dumps(text)} is no dotted path; write data.items")


def _templates(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    places = [((*path, "path"), source.path), ((*path, "json"), source.json)]
    places += [((*path, "params", key), value) for key, value in source.params.items()]
    for here, value in places:
        try:
            names = uses(value)
            if isinstance(value, str):
                render(value, {"run_date": date(2025, 1, 15), "low": "0", "high": "0"})
        except (ConfigError, ValueError) as exc:
            yield Fault(here, exc.message if isinstance(exc, ConfigError) else "no strftime format")
            continue
        bounds = sorted(names & {"low", "high"})
        if bounds and incremental is None:
            yield Fault(here, f'{{{bounds[0]}}} needs load = "incremental" and its table')
        elif here[-1] == "path" and "low" in names and incremental and not incremental.initial:
            yield Fault(here, "{low} has no value in the first run; set incremental.initial")


def _paginator(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    paginator = source.paginator
    if isinstance(paginator, NoPaginator):
        return
    for key in ("total_path", "has_more_path", "total_pages_path", "cursor_path", "next_path"):
        yield from _dotted_path(getattr(paginator, key, None), (*path, key))
    if paginator.page_size is None:
        if paginator.size_param is not None:
            yield Fault((*path, "size_param"), "has nothing to send; set page_size")
        if paginator.stop_on_short_page:
            yield Fault((*path, "stop_on_short_page"), "can't tell what is short; set page_size")
        if isinstance(paginator, OffsetPaginator) and (paginator.parallel or 1) > 1:
            yield Fault(
                (*path, "parallel"), "needs page_size: the offsets must be known beforehand"
            )


def _taken_params(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    """Parameters that two places would set."""
    setters: list[tuple[str | None, str]] = []
    paginator = source.paginator
    match paginator:
        case PagePaginator():
            setters += [(paginator.page_param, "paginator.page_param")]
        case OffsetPaginator():
            setters += [(paginator.offset_param, "paginator.offset_param")]
        case CursorPaginator():
            setters += [(paginator.cursor_param, "paginator.cursor_param")]
        case _:
            pass
    if not isinstance(paginator, NoPaginator):
        setters.append((paginator.size_param, "paginator.size_param"))
    if incremental is not None:
        setters.append((incremental.start_param, "incremental.start_param"))
        setters.append((incremental.end_param, "incremental.end_param"))
    auth = source.api.auth
    if isinstance(auth, ApiKeyAuth) and auth.location == "query":
        setters.append((auth.name, "the API's [auth]"))
    taken: dict[str, str] = dict.fromkeys(source.params, "source.params")
    for key, setter in setters:
        if key is None:
            continue
        if key in taken:
            yield Fault((*path, "params", key), f"is set twice: by {taken[key]} and by {setter}")
        taken[key] = setter
