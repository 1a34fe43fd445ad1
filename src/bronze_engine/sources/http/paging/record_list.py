"""Where the records of an answer are, judged by names and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

__all__ = ["RecordList", "find_records"]

_DEEPEST: Final = 6
_USUAL: Final = (
    *("data", "items", "results", "records", "value", "values", "entries", "rows", "hits"),
    *("nodes", "edges", "elements", "content", "objects", "resources", "list", "docs", "result"),
    *("documents", "entities", "features", "members", "entry", "payload", "body"),
)
_BESIDE: Final = frozenset(
    {"errors", "warnings", "included", "includes", "links", "link", "_links", "facets", "fields"}
    | {"meta", "metadata", "pagination", "paging", "columns", "aggregations"}
)
_SIMPLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class RecordList(msgspec.Struct, frozen=True):
    """The list that holds an answer's records."""

    path: str | None
    """As `records` of a source has it; None: the body itself."""
    count: int
    first: object
    """The first record; None where there is none."""


def find_records(body: object, url: str, path: str | None = None) -> RecordList | None:
    """The list of records, or None where the body has none.

    A `path` that is known is followed, where it is dotted. Else: the body, where it is a
    list; in an object the list with the most telling name (the last part of the URL, "data",
    "items", …), with objects for members, and the least deep. "errors", "included" and what
    lies beside records elsewhere too are never it. Members named in no simple way are not
    looked into. GraphQL's edges give their nodes.
    """
    if path is not None:
        value = body
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return _record_list(path, value) if isinstance(value, list) else None
    if isinstance(body, list):
        return _record_list(None, body)
    resource = urlsplit(url).path.rstrip("/").rpartition("/")[2].partition(".")[0].lower()
    found = list(_lists(body, resource))
    if not found:
        return None
    at, members = max(found, key=lambda each: _rank(each[0], each[1], resource))
    dotted = ".".join(at)
    nodes = [each.get("node") for each in members if isinstance(each, dict)]
    if at[-1] == "edges" and nodes and all(isinstance(node, dict) for node in nodes):
        return _record_list(f"$.{dotted}[*].node", nodes)
    return _record_list(dotted, members)


def _record_list(path: str | None, members: Sequence[Any]) -> RecordList:
    return RecordList(path, len(members), members[0] if members else None)


def _lists(body: object, resource: str) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    level: list[tuple[tuple[str, ...], Any]] = [((), body)]
    for _ in range(_DEEPEST):
        below: list[tuple[tuple[str, ...], Any]] = []
        for path, value in level:
            if not isinstance(value, dict):
                continue
            for name, member in value.items():
                is_beside = name.lower() in _BESIDE and name.lower() != resource
                if is_beside or not _SIMPLE.fullmatch(name):
                    continue
                if isinstance(member, list):
                    yield (*path, name), member
                else:
                    below.append(((*path, name), member))
        level = below


def _rank(path: tuple[str, ...], members: list[Any], resource: str) -> tuple[int, int, int]:
    """Objects before nothing before values, names that tell before others, outer before inner."""
    name = path[-1].lower()
    is_usual = name in _USUAL
    is_resource = resource != "" and name in (resource, resource.rstrip("s"))
    has_objects = bool(members) and all(isinstance(each, dict) for each in members)
    shape = 6 if has_objects else 0 if members else 3
    told = 5 if is_resource else 4 if is_usual else 0
    return shape + told - len(path), -_USUAL.index(name) if is_usual else 0, len(members)
