"""What may be wrong with sources of many chains: steps of a window, parents, exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from bronze_engine.config.http.graphql import templated_json
from bronze_engine.config.http.paginator import NoPaginator
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.rules.dotted import is_dotted
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.template import fields_of, uses
from bronze_engine.errors import ConfigError

__all__ = [
    "all_asked",
    "asked",
    "chain_faults",
    "circle_fault",
    "export_templates",
    "parent_faults",
]

_DAY_SECONDS: Final = 86400


def asked(source: HttpSourceConfig) -> tuple[Any, ...]:
    """The parts of a source's request that are templates."""
    body, _ = templated_json(source.json, source.paginator)
    return source.path, source.params, source.headers, body


def all_asked(source: HttpSourceConfig) -> Iterator[Any]:
    """Those of every request that is made for a source: its own, its export's, its parents'."""
    yield from asked(source)
    if source.export is not None:
        create = source.export.create
        yield from (create.path, create.params, create.json)
    if source.parent is not None:
        yield from all_asked(source.parent.source)


def chain_faults(
    source: HttpSourceConfig, incremental: Incremental | None, path: KeyPath
) -> Iterator[Fault]:
    """Faults of what makes a source several chains."""
    has_step = incremental is not None and incremental.step is not None
    if incremental is not None and incremental.steps_per_slice is not None and not has_step:
        yield Fault(
            (*path[:-1], "incremental", "steps_per_slice"),
            "is how many steps are landed together, and there are none; set step, or leave it out",
        )
    if incremental is not None and has_step:
        yield from _step(source, incremental, (*path[:-1], "incremental"))
        for key in ("parent", "export"):
            if getattr(source, key) is not None:
                yield Fault((*path, key), "can't be combined with incremental.step; leave one out")
    if source.parent is not None and source.export is not None:
        yield Fault((*path, "export"), "can't be combined with parent; leave one out")
    if source.parallel is not None and not (has_step or source.parent or source.export):
        yield Fault(
            (*path, "parallel"),
            "is how many steps, children or files are read side by side, and there is neither "
            "incremental.step nor parent nor export; of pages it is paginator.parallel",
        )
    yield from _parent(source, path)
    yield from _export(source, path)


def _step(source: HttpSourceConfig, incremental: Incremental, path: KeyPath) -> Iterator[Fault]:
    here = (*path, "step")
    step = float(incremental.step or 0)
    kind = incremental.cursor_type
    if kind == "text":
        yield Fault(here, 'can\'t cut a window of cursor_type = "text": nothing lies between texts')
    elif kind == "date" and (step < _DAY_SECONDS or step % _DAY_SECONDS):
        yield Fault(here, 'of dates is a number of whole days: "1d", "7d"')
    elif step < 1 or step % 1:
        yield Fault(here, "must be a whole number, of seconds or of integers, at least 1")
    if incremental.initial is None and incremental.window == "chain":
        yield Fault(here, "needs initial: without it nothing says where the first step begins")
    names = _names(asked(source))
    for key, name in (("start_param", "low"), ("end_param", "high")):
        if getattr(incremental, key) is not None:
            continue
        if kind == "integer":
            yield Fault(here, f"of integers needs {key}: the last request has no end")
        elif name not in names:
            yield Fault(
                here, f"needs both bounds in the request; set {key}, or use {{{name}}} in params"
            )


def _parent(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    used = _names(asked(source), "parent")
    if source.parent is None:
        if used:
            yield Fault(path, "uses {parent.…} and has no parent; name the pipeline: parent = …")
        if source.carry:
            yield Fault((*path, "carry"), "takes fields from the parent, and there is no parent")
        return
    if not used:
        yield Fault(
            (*path, "parent"),
            "is used nowhere, so each parent would be asked the same; write {parent.id} into "
            "path, params or json",
        )
    if source.parent.source.api.name != source.api.name:
        yield Fault(
            (*path, "parent"),
            f"{source.parent.name} reads from apis.{source.parent.source.api.name}, and its "
            f"children from apis.{source.api.name}; the two must have the same api",
        )
    for column, field in source.carry.items():
        if not column or not is_dotted(field):
            yield Fault(
                (*path, "carry", column),
                f'{json.dumps(field)} is no dotted path; write order_id = "id"',
            )


def parent_faults(source: HttpSourceConfig, name: str, path: KeyPath) -> Iterator[Fault]:
    """What a source that has children may not have."""
    if _names(asked(source)) & {"low", "high"}:
        yield Fault(
            path,
            f"the request of {name} uses {{low}} or {{high}}, and as a parent it is read whole; "
            "write a pipeline without them and name that as the parent",
        )
    if source.export is not None:
        yield Fault(path, f"{name} is an export, which can't be a parent")


def circle_fault(path: KeyPath, names: tuple[str, ...]) -> Fault:
    return Fault(path, f"a circle: {' -> '.join(names)}")


def export_templates(source: HttpSourceConfig, path: KeyPath) -> list[tuple[KeyPath, Any]]:
    """Where an export's templates stand."""
    export = source.export
    if export is None:
        return []
    found: list[tuple[KeyPath, Any]] = []
    for place, request in (("create", export.create), ("poll", export.poll)):
        here = (*path, "export", place)
        found += [((*here, "path"), request.path), ((*here, "json"), request.json)]
        found += [((*here, "params", key), value) for key, value in request.params.items()]
    return found


def _export(source: HttpSourceConfig, path: KeyPath) -> Iterator[Fault]:
    export = source.export
    if export is None:
        if _names(asked(source), "job"):
            yield Fault(path, "uses {job.…}, the answer of an export, and has no [….source.export]")
        return
    here = (*path, "export")
    create, poll = export.create, export.poll
    for place, text in (("create", create.path), ("poll", poll.path)):
        if "://" in text or "?" in text or "#" in text:
            yield Fault(
                (*here, place, "path"), "is joined to the API's base_url, and has no `?` or `#`"
            )
    if create.json is not None and create.method == "GET":
        yield Fault((*here, "create", "json"), "is a body, and GET has none; leave method out")
    if poll.json is not None and poll.method == "GET":
        yield Fault((*here, "poll", "json"), 'is a body, and GET has none; write method = "POST"')
    if not poll.done:
        yield Fault((*here, "poll", "done"), "is empty; name the states that mean it is there")
    both = sorted(set(poll.done) & set(poll.failed))
    if both:
        yield Fault((*here, "poll", "failed"), f'"{both[0]}" is in done, too')
    for key in ("interval", "max_interval", "timeout"):
        if getattr(poll, key) <= 0:
            yield Fault((*here, "poll", key), "must be above zero")
    if not _names((poll.path, poll.params, poll.json), "job"):
        yield Fault(
            (*here, "poll", "path"), "names no job; write {job.id} into it, or into params or json"
        )
    if export.files is not None and export.files.startswith("$"):
        yield Fault(
            (*here, "files"),
            "is a JSONPath; write the dotted path, which through a list leads to each element's: "
            "result.files.url",
        )
    if export.files is None:
        if not _names(asked(source), "job"):
            yield Fault(
                (*here, "files"),
                "missing: the path to the URLs in the last answer; or write {job.id} into the "
                "source's own path",
            )
    elif source.path or not isinstance(source.paginator, NoPaginator):
        key = "path" if source.path else "paginator"
        yield Fault((*path, key), "has no effect beside export.files; leave one of the two out")


def _names(values: tuple[Any, ...], owner: str | None = None) -> frozenset[str]:
    """The names in these templates; faulty ones are somebody else's to tell."""
    try:
        return uses(values) if owner is None else fields_of(owner, values)
    except ConfigError:
        return frozenset()
