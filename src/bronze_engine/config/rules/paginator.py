"""What a well-typed paginator may still get wrong, alone and with the rest of its source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from bronze_engine.config.http.graphql import as_cursor, page_info_path
from bronze_engine.config.http.paginator import (
    AutoPaginator,
    CursorPaginator,
    GraphqlPaginator,
    HeaderCursorPaginator,
    KeysetPaginator,
    OffsetPaginator,
    PagePaginator,
    Paginator,
    Place,
)
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.loading.fault import Fault, KeyPath, dotted
from bronze_engine.config.rules.auth import auth_headers, auth_params, is_header_name
from bronze_engine.config.rules.chain import asked
from bronze_engine.config.rules.dotted import is_dotted
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.template import fields_of, render, uses
from bronze_engine.errors import ConfigError

__all__ = ["paginator_faults"]

_PATHS: Final = {
    **dict.fromkeys(("total_path", "total_pages_path"), "write meta.total"),
    "has_more_path": "write meta.has_more",
    "is_last_path": "write meta.is_last",
    "cursor_path": "write meta.cursor",
    "next_path": "write links.next; of a list of links its own path is enough",
    "page_info_path": "write data.orders.pageInfo",
    "key": "write id, or meta.id",
}
"""The keys that hold paths, with what one looks like."""
_SAME: Final = {
    "total_header": "total_path",
    "total_pages_header": "total_pages_path",
    "is_last_path": "has_more_path",
}


def paginator_faults(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    """Faults of a source's paginator; `path` is the source's."""
    paginator = source.paginator
    here = (*path, "paginator")
    for key in _PATHS:
        text = getattr(paginator, key, None)
        if text is not None and not is_dotted(text):
            yield Fault((*here, key), f"{json.dumps(text)} is no dotted path; {_PATHS[key]}")
    if getattr(paginator, "page_size", None) is None:
        if getattr(paginator, "size_param", None) is not None:
            yield Fault((*here, "size_param"), "has nothing to send; set page_size")
        if getattr(paginator, "stop_on_short_page", False):
            yield Fault((*here, "stop_on_short_page"), "can't tell what is short; set page_size")
        if isinstance(paginator, OffsetPaginator) and (paginator.parallel or 1) > 1:
            yield Fault(
                (*here, "parallel"), "needs page_size: the offsets must be known beforehand"
            )
    if isinstance(paginator, AutoPaginator) and paginator.page_size and not paginator.size_param:
        yield Fault((*here, "page_size"), "is sent as size_param; set that too")
    for key in ("cursor_header", "total_header", "total_pages_header"):
        text = getattr(paginator, key, None)
        if text is not None and not is_header_name(text):
            yield Fault((*here, key), f"{json.dumps(text)} is no header's name")
    for key, other in _SAME.items():
        if getattr(paginator, key, None) is not None and getattr(paginator, other, None):
            yield Fault((*here, key), f"says what {other} says; keep one of the two")
    if isinstance(paginator, GraphqlPaginator):
        yield from _graphql(source, paginator, here)
    yield from _placed(source, incremental, path)


def _graphql(
    source: HttpSourceConfig, paginator: GraphqlPaginator, path: KeyPath
) -> Iterator[Fault]:
    if source.method != "POST":
        yield Fault((*path, "type"), 'GraphQL is a POST; write method = "POST"')
    elif not isinstance(source.json, dict):
        yield Fault((*path, "type"), "needs a query; write it into json.query")
    if page_info_path(paginator, source.records) is None:
        yield Fault(
            (*path, "page_info_path"),
            "can't be told from `records`; set it, as in data.orders.pageInfo",
        )


def _placed(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    """Parameters that can't go where they should, and such that two places would set."""
    paginator = source.paginator
    place: Place = getattr(paginator, "param_in", "query")
    setters = list(_setters(paginator))
    if isinstance(paginator, GraphqlPaginator):
        setters, place = list(_setters(as_cursor(paginator, source.records))), "body"
    elif place == "body":
        if source.method != "POST":
            yield Fault(
                (*path, "paginator", "param_in"), '"body" needs a body; write method = "POST"'
            )
        elif source.json is not None and not isinstance(source.json, dict):
            yield Fault((*path, "json"), "must be a table: the paginator's parameters go into it")
    match place:
        case "body":
            yield from _body(source.json, setters, path)
            setters = []
        case "header":
            yield from _headers(source, setters, path)
            setters = []
        case "template":
            yield from _templates(source, setters, path)
            setters = []
        case _:
            pass
    if place != "template" and (used := _used(source)):
        yield Fault(
            path,
            f'uses {{page.{min(used)}}}; write param_in = "template" into its paginator',
        )
    yield from _query(source, setters, incremental, path)


def _used(source: HttpSourceConfig) -> frozenset[str]:
    """The parameters that `{page.NAME}` names; faulty templates are told elsewhere."""
    try:
        return fields_of("page", asked(source))
    except ConfigError:
        return frozenset()


def _templates(
    source: HttpSourceConfig, setters: list[tuple[str, str, bool]], path: KeyPath
) -> Iterator[Fault]:
    used, names = _used(source), {name for name, _, _ in setters}
    for name, key, _ in setters:
        if name not in used:
            yield Fault(
                (*path, "paginator", key),
                f"{json.dumps(name)} is sent nowhere; write {{page.{name}}} into path, params, "
                "headers or json",
            )
    for name in sorted(used - names):
        known = ", ".join(f"{{page.{each}}}" for each in sorted(names))
        yield Fault(path, f"{{page.{name}}} is no parameter of the paginator; known are {known}")
    begins = {f"page.{name}": None for name, _, may_begin in setters if may_begin}
    try:
        others = dict.fromkeys(uses(source.path), "0")
        render(source.path, {**others, "run_date": date(2025, 1, 15), **begins})
    except (ConfigError, ValueError):
        if begins:
            yield Fault(
                (*path, "path"),
                f"has no value for the first page; write what begins it: {{{min(begins)}:0}}",
            )


def _setters(paginator: Paginator) -> Iterator[tuple[str, str, bool]]:
    """The names of its parameters, the keys that give them, and whether the configuration may
    give them a value for the first page."""
    match paginator:
        case PagePaginator():
            yield paginator.page_param, "page_param", False
        case OffsetPaginator():
            yield paginator.offset_param, "offset_param", False
        case CursorPaginator() | HeaderCursorPaginator():
            yield paginator.cursor_param, "cursor_param", True
        case KeysetPaginator():
            yield paginator.param, "param", True
        case _:
            pass
    size = getattr(paginator, "size_param", None)
    if size is not None:
        yield size, "size_param", False


def _query(
    source: HttpSourceConfig,
    paging: list[tuple[str, str, bool]],
    incremental: Incremental | None,
    path: KeyPath,
) -> Iterator[Fault]:
    setters: list[tuple[str | None, str, bool]] = [
        (name, f"paginator.{key}", may_begin) for name, key, may_begin in paging
    ]
    if incremental is not None:
        setters.append((incremental.start_param, "incremental.start_param", False))
        setters.append((incremental.end_param, "incremental.end_param", False))
    setters += [(name, "the API's [auth]", False) for name in auth_params(source.api.auth)]
    written = dict(parse_qsl(urlsplit(source.path).query, keep_blank_values=True))
    taken: dict[str, str] = dict.fromkeys(written, "source.path")
    setters = [*((name, "source.params", False) for name in source.params), *setters]
    for name, setter, may_begin in setters:
        if name is None:
            continue
        if name in taken and not (may_begin and taken[name] == "source.params"):
            yield Fault((*path, "params", name), f"is set twice: by {taken[name]} and by {setter}")
        taken[name] = setter


def _body(body: Any, setters: list[tuple[str, str, bool]], path: KeyPath) -> Iterator[Fault]:
    taken: dict[tuple[str, ...], str] = {}
    for name, key, may_begin in setters:
        here = (*path, "paginator", key)
        parts = tuple(name.split("."))
        if not all(parts):
            yield Fault(here, f"{json.dumps(name)} is no dotted path into json")
            continue
        other = next((given for given in taken if _overlap(given, parts)), None)
        if other is not None:
            yield Fault(here, f"{json.dumps(name)} is set twice: by paginator.{taken[other]} too")
        taken[parts] = key
        value = body if isinstance(body, Mapping) else {}
        for depth, part in enumerate(parts):
            if part not in value:
                break
            value = value[part]
            above = dotted(("json", *parts[: depth + 1]))
            if depth == len(parts) - 1:
                if not may_begin:
                    yield Fault(here, f"{above} is set twice: by source.json and by the paginator")
            elif not isinstance(value, Mapping):
                yield Fault(here, f"leads through {above}, which is no table")
                break


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _headers(
    source: HttpSourceConfig, setters: list[tuple[str, str, bool]], path: KeyPath
) -> Iterator[Fault]:
    taken = dict.fromkeys(map(str.lower, source.api.headers), "the API's [headers]")
    taken |= dict.fromkeys(map(str.lower, source.headers), "source.headers")
    taken |= {name.lower(): "the API's [auth]" for name in auth_headers(source.api.auth)}
    for name, key, _ in setters:
        here = (*path, "paginator", key)
        if not is_header_name(name):
            yield Fault(here, f"{json.dumps(name)} is no header's name")
        elif name.lower() in taken:
            yield Fault(here, f"the header {name} is set twice: by {taken[name.lower()]} too")
        taken[name.lower()] = f"paginator.{key}"
