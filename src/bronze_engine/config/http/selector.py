"""Paths to records: JSONPath (RFC 9535) without filters, read once and checked on loading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = [
    "Descend",
    "Element",
    "Every",
    "Member",
    "Run",
    "Selector",
    "Step",
    "parse_selector",
    "written",
]


class Member(msgspec.Struct, frozen=True, tag=True):
    """`.name`, `['name']`: a member of an object."""

    name: str


class Element(msgspec.Struct, frozen=True, tag=True):
    """`[2]`, `[-1]`: an element of a list, from its end where negative."""

    index: int


class Run(msgspec.Struct, frozen=True, tag=True):
    """`[1:10:2]`: some elements of a list, as Python slices."""

    start: int | None
    stop: int | None
    step: int


class Every(msgspec.Struct, frozen=True, tag=True):
    """`[*]`, `.*`: all elements of a list, all values of an object."""


class Descend(msgspec.Struct, frozen=True, tag=True):
    """`..`: the value itself and everything below it, for the step that follows."""


Step = Member | Element | Run | Every | Descend


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """Where lists of records are.

    A path that ends with a name or an index leads to such a list, as a dotted path does;
    one that ends with `[*]`, `.*` or a slice selects the records themselves. Behind a wildcard
    an object in a list's place is a record by itself (GraphQL's `$.….edges[*].node`).
    """

    text: str
    steps: tuple[Step, ...]
    """To the lists."""
    last: Every | Run | None
    """Which of their elements; None for all, of lists alone."""

    @property
    def is_plural(self) -> bool:
        """Whether the steps may lead to several values."""
        return any(isinstance(step, Every | Run | Descend) for step in self.steps)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the members to the one list; None where the path is not so plain."""
        if isinstance(self.last, Run):
            return None
        names = tuple(step.name for step in self.steps if isinstance(step, Member))
        return names if len(names) == len(self.steps) else None


def written(steps: Sequence[Step]) -> str:
    """The path of these steps, for people."""
    text = "$"
    for step in steps:
        match step:
            case Member(name):
                text += name if text.endswith("..") else f".{name}"
            case Element(index):
                text += f"[{index}]"
            case Run(start, stop, stride):
                ends = () if stride == 1 else (stride,)
                text += f"[{':'.join('' if n is None else str(n) for n in (start, stop, *ends))}]"
            case Every():
                text += "[*]"
            case Descend():
                text += ".."
    return text


_INTEGER: Final = r"-?(?:0|[1-9][0-9]{0,14})"
_TOKEN: Final = re.compile(
    rf"""
      (?P<descend> \.\. (?= [^.] ))
    | \.? (?P<every> \[ \s* \* \s* \] )
    | (?: \. | (?<=\.\.) ) (?P<star> \* )
    | (?: \. | (?<=\.\.) ) (?P<name> [^\W\d] [\w-]* | @[\w.-]+ )
    | \[ \s* (?: '(?P<single> (?: [^'\\] | \\['"\\/] )* )'
               | "(?P<double> (?: [^"\\] | \\['"\\/] )* )" ) \s* \]
    | \[ \s* (?P<index> {_INTEGER} ) \s* \]
    | \[ \s* (?P<start> {_INTEGER} )? \s* : \s* (?P<stop> {_INTEGER} )? \s*
         (?: : \s* (?P<step> {_INTEGER} )? \s* )? (?P<run> \] )
    """,
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(.)")


def parse_selector(text: str) -> Selector:
    """Read a JSONPath. Raises ValueError that says what is wrong and where."""
    if not text.startswith("$"):
        raise ValueError('a JSONPath begins with "$"')
    steps: list[Step] = []
    at = 1
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(_wrong(text, at))
        steps.append(_step(token))
        at = token.end()
    if steps and isinstance(steps[-1], Descend):
        raise ValueError("it ends with `..`, and a name must follow")
    last = steps.pop() if steps and isinstance(steps[-1], Every | Run) else None
    return Selector(
        text=text,
        steps=tuple(steps),
        last=last if isinstance(last, Every | Run) else None,
    )


def _step(token: re.Match[str]) -> Step:
    found = token.groupdict()
    if found["descend"]:
        return Descend()
    if found["every"] or found["star"]:
        return Every()
    if found["index"] is not None:
        return Element(int(found["index"]))
    if found["run"]:
        start, stop, step = (found[key] for key in ("start", "stop", "step"))
        return Run(
            None if start is None else int(start),
            None if stop is None else int(stop),
            _positive(1 if step is None else int(step)),
        )
    if found["name"] is not None:
        return Member(found["name"])
    quoted = found["single"] if found["single"] is not None else found["double"]
    return Member(_ESCAPE.sub(r"\1", quoted))


def _positive(step: int) -> int:
    if step < 1:
        raise ValueError("a slice's step must be above zero: records keep their order")
    return step


def _wrong(text: str, at: int) -> str:
    rest = text[at:]
    if re.match(r"\[\s*\?", rest):
        return (
            "filters, [?...], are not supported: land all records, or ask the API for those alone"
        )
    if rest.startswith("[") and "," in rest.partition("]")[0]:
        return "lists of selectors, [a,b], are not supported; give `records` a list of paths"
    if rest.startswith("[("):
        return "expressions, [(...)], are not supported"
    return (
        f"can't be read from {rest!r:.40} on; write $.data.items, $['a name'], $.a[*].b[*], "
        "$.a[0], $.a[1:3] or $..items"
    )
