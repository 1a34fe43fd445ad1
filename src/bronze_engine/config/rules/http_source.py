"""What a well-typed HTTP source may still get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from bronze_engine.config.http.graphql import templated_json
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.rules.auth import auth_headers, is_header_name
from bronze_engine.config.rules.chain import all_asked, chain_faults, export_templates
from bronze_engine.config.rules.paginator import paginator_faults
from bronze_engine.config.rules.rate import rate_faults
from bronze_engine.config.rules.record import record_faults
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.template import render, uses
from bronze_engine.errors import ConfigError

__all__ = ["http_source_faults"]


def http_source_faults(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    """Faults of a source, of a pipeline's own or of its parent's."""
    if "://" in source.path or source.path.startswith("//"):
        yield Fault((*path, "path"), "is joined to the API's base_url; leave the host out")
    elif "#" in source.path:
        yield Fault((*path, "path"), "has a fragment (#), which is never sent; write %23 for a #")
    if source.json is not None and source.method == "GET":
        yield Fault((*path, "json"), 'is a body, and GET has none; write method = "POST"')
    if source.max_page_bytes <= 0:
        yield Fault((*path, "max_page_bytes"), "must be above zero")
    if source.rate_limit is not None:
        yield from rate_faults(source.rate_limit, (*path, "rate_limit"), of_api=False)
    if incremental is not None:
        if not incremental.low_open:
            yield Fault((*path[:-1], "incremental", "low_open"), "is for databases only")
        if incremental.cursor_type == "xid8":
            yield Fault((*path[:-1], "incremental", "cursor_type"), '"xid8" is for Postgres only')
        if incremental.format is not None and not _sends_bounds(source, incremental):
            yield Fault(
                (*path[:-1], "incremental", "format"),
                "writes bounds that are sent, and none is: set start_param or end_param, or use "
                "{low} in path, params or json",
            )
    yield from _headers(source, path)
    yield from record_faults(source, path)
    yield from _templates(source, incremental, path)
    yield from paginator_faults(source, incremental, path)
    yield from chain_faults(source, incremental, path)


def _sends_bounds(source: HttpSourceConfig, incremental: Incremental) -> bool:
    if incremental.start_param is not None or incremental.end_param is not None:
        return True
    try:
        return any(uses(part) & {"low", "high"} for part in all_asked(source))
    except ConfigError:
        return True  # told by `_templates`


def _headers(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    sent = {name.lower() for name in auth_headers(source.api.auth)}
    for name, value in source.headers.items():
        here = (*path, "headers", name)
        if not is_header_name(name):
            yield Fault(here, "is no name of a header")
        elif name.lower() in sent:
            yield Fault(here, "is what the API's [auth] sends; leave it out")
        elif not value.isprintable():
            yield Fault(here, "holds a line break, or another character that no header may hold")


def _templates(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    body, _ = templated_json(source.json, source.paginator)
    places = [((*path, "path"), source.path), ((*path, "json"), body)]
    places += [((*path, "params", key), value) for key, value in source.params.items()]
    places += [((*path, "headers", key), value) for key, value in source.headers.items()]
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
