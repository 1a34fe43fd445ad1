"""JSONPath over values that are not decoded: the lists that a selector leads to.

Values stay slices of the body (msgspec.Raw), so the bytes of records stay exact. Each level
that the path goes through is read once; what it does not go through is skipped over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.http.selector import (
    Descend,
    Element,
    Every,
    Member,
    Run,
    Selector,
    Step,
    written,
)
from bronze_engine.errors import ExtractError, PageError
from bronze_engine.sources.http.body.expected import ABSENT_MEANS, Expected
from bronze_engine.sources.http.body.raw import Body, kind_of, members_of, named

__all__ = ["Node", "evaluate", "unexpected"]

_MAX_DEPTH: Final = 100
"""Levels that `..` goes down: each is read once more for those above it."""

_BETWEEN: Final = re.compile(rb'[\s,{]*"(?:[^"\\]|\\.)*"\s*:\s*', re.DOTALL)


class Node(msgspec.Struct, frozen=True):
    """A value, and the nearest object that it stands in."""

    value: Body
    above: Body | None


def evaluate(
    selector: Selector, body: Body, expected: Expected
) -> list[tuple[list[msgspec.Raw], Body | None]]:
    """The records by the lists that hold them, in the body's order, each with the nearest
    object around its list.

    Up to its first wildcard, slice or `..` a path must be there. Behind it, what lacks the
    next step holds no records; where all of them lack it, that is no accident but a wrong
    path. Raises PageError for either, and for what is no list, unless it is `expected`; and
    msgspec.DecodeError for what is no JSON, ExtractError for `..` in a body of more than 100
    levels.
    """
    root: Body = msgspec.json.decode(body, type=msgspec.Raw)
    nodes = _Walk(selector, expected).run(root)
    if any(isinstance(step, Descend) for step in selector.steps):
        nodes.sort(key=lambda node: pa.py_buffer(node.value).address)
    is_deep = bool(selector.steps) and isinstance(selector.steps[-1], Descend)
    found: list[tuple[list[msgspec.Raw], Body | None]] = []
    for node in nodes:
        raws = _records(selector, node.value, expected, is_deep=is_deep)
        if raws is not None:
            found.append((raws, node.above))
    return found


def _records(
    selector: Selector, value: Body, expected: Expected, *, is_deep: bool
) -> list[msgspec.Raw] | None:
    """The records of one list; None where it is none and need not be."""
    kind = kind_of(value)
    if kind == "a list" and not expected.is_single:
        raws: list[msgspec.Raw] = msgspec.json.decode(value, type=list[msgspec.Raw])
        last = selector.last
        return raws[last.start : last.stop : last.step] if isinstance(last, Run) else raws
    if kind == "an object" and isinstance(selector.last, Every):
        return list(_all_members(value).values())
    may_be_record = selector.last is None and (selector.is_plural or expected.is_single)
    if kind == "an object" and may_be_record and isinstance(value, msgspec.Raw):
        return [value]  # a slice of the body, as it must stay
    if is_deep:
        return None
    if kind == "null":
        if expected.is_null_empty:
            return None
        raise PageError(
            f'the records ({selector.text}) are null; set null_records = "empty" if that means none'
        )
    raise unexpected(selector.text, value, expected)


def unexpected(where: str, value: Body, expected: Expected) -> PageError:
    """The error that something else stands where the records are looked for."""
    kind = kind_of(value)
    members = members_of(value) or {}
    hint = f" with {named(members)}" if members else ""
    if expected.is_single:
        return PageError(
            f"the record ({where}) is {kind}, not an object; set `records` to the path of the "
            "object, or leave single_record out where a list stands there"
        )
    way_out = ", or single_record = true if the object is the one record" if members else ""
    return PageError(
        f"the records ({where}) are {kind}{hint}, not a list; "
        f"set `records` to the path of the list{way_out}"
    )


@final
class _Walk:
    """The steps of one selector through one body."""

    def __init__(self, selector: Selector, expected: Expected) -> None:
        self._selector = selector
        self._expected = expected

    def run(self, root: Body) -> list[Node]:
        nodes = [Node(root, None)]
        is_plural = False
        for place, step in enumerate(self._selector.steps):
            is_plural = is_plural or isinstance(step, Every | Run | Descend)
            found = [below for node in nodes for below in _below(node, step)]
            if not found and nodes:
                may_be_none = self._may_be_none(nodes, step, is_plural=is_plural)
                values = [node.value for node in nodes]
                if may_be_none or self._expected.takes_absence(root, *values):
                    return []
                raise self._lost(nodes, step, place, is_plural=is_plural)
            nodes = found
        return nodes

    def _may_be_none(self, nodes: Sequence[Node], step: Step, *, is_plural: bool) -> bool:
        """Whether it is an answer, and no fault, that this step leads to nothing."""
        if not isinstance(step, Every | Run):
            return is_plural and self._expected.is_null_empty
        kinds = {kind_of(node.value) for node in nodes}
        if "a list" in kinds or ("an object" in kinds and isinstance(step, Every)):
            return True
        return self._expected.is_null_empty and kinds == {"null"}

    def _lost(self, nodes: Sequence[Node], step: Step, place: int, *, is_plural: bool) -> PageError:
        text = f"the records path {self._selector.text}"
        value = nodes[0].value
        kind = kind_of(value)
        where = written(self._selector.steps[:place]) if place else "the body"
        if len(nodes) > 1:
            where = f"any of the {len(nodes)} values at {where}"
        end = f"; {_first(nodes)}{kind}"
        if kind == "an object":
            end = f"; there are {named(members_of(value) or {})}"
            if len(nodes) > 1:
                end = f"; in the first there are {named(members_of(value) or {})}"
        is_absent = isinstance(step, Member) and kind in ("an object", "null")
        way_out = ABSENT_MEANS if is_absent and not is_plural else ""
        if is_plural and not isinstance(step, Every | Run):
            way_out = '; if that means no records, set null_records = "empty"'
        match step:
            case Member(name):
                what = f'no "{name}" in {where}'
            case Element(index):
                what = f"no element {index} in {where}"
            case _:
                what = f"no list in {where}"
        return PageError(f"{text}: {what}{end}{way_out}")


def _first(nodes: Sequence[Node]) -> str:
    return "the first is " if len(nodes) > 1 else "it is "


def _below(node: Node, step: Step) -> Iterator[Node]:
    value = node.value
    kind = kind_of(value)
    match step:
        case Member(name):
            members = members_of(value)
            if members is not None and name in members:
                _refuse_twice(value, members, name)
                yield Node(members[name], value)
        case Element(index) if kind == "a list":
            raws = msgspec.json.decode(value, type=list[msgspec.Raw])
            if -len(raws) <= index < len(raws):
                yield Node(raws[index], node.above)
        case Run(start, stop, stride) if kind == "a list":
            raws = msgspec.json.decode(value, type=list[msgspec.Raw])
            for raw in raws[start:stop:stride]:
                yield Node(raw, node.above)
        case Every():
            yield from _children(node)
        case Descend():
            yield from _descendants(node)
        case _:
            return


def _children(node: Node) -> Iterator[Node]:
    kind = kind_of(node.value)
    if kind == "a list":
        for raw in msgspec.json.decode(node.value, type=list[msgspec.Raw]):
            yield Node(raw, node.above)
    elif kind == "an object":
        for raw in _all_members(node.value).values():
            yield Node(raw, node.value)


def _descendants(top: Node) -> Iterator[Node]:
    """The node and all below it, those above before those below."""
    level = [top]
    for _ in range(_MAX_DEPTH):
        yield from level
        level = [below for node in level for below in _children(node)]
        if not level:
            return
    raise ExtractError(
        f"the body is nested deeper than {_MAX_DEPTH} levels, and `records` looks through all of "
        "them; name the path instead of `..`"
    )


def _all_members(value: Body) -> dict[str, msgspec.Raw]:
    members = members_of(value) or {}
    _refuse_any_twice(value, members)
    return members


def _refuse_twice(value: Body, members: dict[str, msgspec.Raw], name: str) -> None:
    """Refuse an object that has this key twice: readers of JSON take one and drop one."""
    if bytes(value).count(msgspec.json.encode(name)) > 1:
        _refuse_any_twice(value, members, name)


def _refuse_any_twice(
    value: Body, members: dict[str, msgspec.Raw], only: str | None = None
) -> None:
    """The same for all keys: between two values that follow one another stands one key."""
    whole = pa.py_buffer(value)
    text = bytes(value)
    end = 0
    for view in sorted(map(pa.py_buffer, members.values()), key=lambda view: view.address):
        start = view.address - whole.address
        if _BETWEEN.fullmatch(text, end, start) is None:
            break
        end = start + view.size
    else:
        if not text[end:].strip(b" \t\r\n}"):
            return

    def refuse(pairs: list[tuple[str, object]]) -> dict[str, object]:
        return {"twice": [key for key, _ in pairs]}

    decoded = json.loads(
        text.decode(errors="replace"), object_pairs_hook=refuse, parse_int=str, parse_float=str
    )
    keys = decoded["twice"]
    for key in keys if only is None else [only]:
        if keys.count(key) > 1:
            raise PageError(
                f'"{key}" stands twice in one object of the body, where `records` leads through: '
                "which of the two is meant is not defined; nothing is read"
            )
