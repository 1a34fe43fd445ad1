"""Prometheus' text format, version 0.0.4: written, and read again where we wrote it.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format

All lines of one metric stand together below its HELP and TYPE. Samples carry no time: the
textfile collector of node_exporter refuses a file in which one does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Mapping
from typing import Final, Literal, final

__all__ = ["Family", "Labels", "Malformed", "parse", "render"]

Kind = Literal["counter", "gauge", "untyped"]
Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order of writing."""

_KINDS: Final[Mapping[str, Kind]] = {
    "counter": "counter",
    "gauge": "gauge",
    "untyped": "untyped",
}
_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(?:,|$)')
_COMMENT = re.compile(rf"# (HELP|TYPE) ({_NAME})(?: (.*))?")
_SAMPLE = re.compile(rf'({_NAME})(?:\{{((?:[^"}}]|"(?:[^"\\]|\\.)*")*)\}})?[ \t]+(\S+)')
_ESCAPED = re.compile(r"\\(.)")


class Malformed(ValueError):
    """A text that is not in the format; says in which line."""


@final
class Family:
    """One metric: its name, what it means, and a value for each set of labels."""

    def __init__(self, name: str, kind: Kind, text: str) -> None:
        self.name: Final = name
        self.kind: Kind = kind
        self.text = text
        self.samples: dict[Labels, float] = {}

    def drop(self, names: Container[str], values: Container[Labels]) -> None:
        """Drop the samples whose labels of these names are one of `values`."""
        gone = [
            labels
            for labels in self.samples
            if tuple((name, value) for name, value in labels if name in names) in values
        ]
        for labels in gone:
            del self.samples[labels]


def render(families: Iterable[Family]) -> str:
    """The text of these metrics; those without a sample are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        if family.text:
            lines.append(f"# HELP {family.name} {_escaped_help(family.text)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        for labels, value in family.samples.items():
            shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            lines.append(
                f"{family.name}{{{shown}}} {_number(value)}"
                if labels
                else f"{family.name} {_number(value)}"
            )
    return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> dict[str, Family]:
    """The metrics of a text that `render` could have written, by name. Raises Malformed."""
    families: dict[str, Family] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            _take(line, families)
        except ValueError as exc:
            raise Malformed(f"line {number}: {exc}") from None
    return families


def _take(line: str, families: dict[str, Family]) -> None:
    if line.startswith("#"):
        comment = _COMMENT.fullmatch(line)
        if comment is None:
            return
        what, name, rest = comment.groups()
        family = families.setdefault(name, Family(name, "untyped", ""))
        if what == "HELP":
            family.text = _ESCAPED.sub(_unescaped, rest or "")
        elif rest in _KINDS:
            family.kind = _KINDS[rest]
        else:
            raise ValueError(f"the type {rest!r} of {name} is none of ours")
        return
    sample = _SAMPLE.fullmatch(line)
    if sample is None:
        raise ValueError("it is no sample")
    name, labels, value = sample.groups()
    family = families.setdefault(name, Family(name, "untyped", ""))
    family.samples[_labels(labels or "")] = float(value)


def _labels(text: str) -> Labels:
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        match = _LABEL.match(text, place)
        if match is None:
            raise ValueError("its labels are none")
        found.append((match[1], _ESCAPED.sub(_unescaped, match[2])))
        place = match.end()
    return tuple(found)


def _escaped(text: str) -> str:
    return _escaped_help(text).replace('"', '\\"')


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
