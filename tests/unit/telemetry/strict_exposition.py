"""A strict reader of Prometheus' text format, from its specification alone.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
It shares nothing with what we write it with. Raises AssertionError for anything that the
format, node_exporter's textfile collector, or the naming rules of Prometheus do not allow.
"""

from __future__ import annotations

import re

__all__ = ["read"]

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Each sample's value, by name and labels."""
    assert text == "" or text.endswith("\n"), "the last line must end with a line feed"
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    helped: set[str] = set()
    typed: dict[str, str] = {}
    order: list[str] = []
    for line in text.split("\n")[:-1]:
        assert line == line.strip(), "no blanks around a line"
        if line.startswith("# HELP "):
            name, _, documentation = line[7:].partition(" ")
            assert NAME.fullmatch(name)
            assert documentation
            assert re.fullmatch(r"(?:[^\\\n]|\\\\|\\n)*", documentation)
            assert name not in helped, "one HELP a metric"
            assert name not in typed, "HELP comes before TYPE"
            helped.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert kind in ("counter", "gauge", "histogram", "summary", "untyped")
            assert name not in typed, "one TYPE a metric"
            assert name not in order, "TYPE comes before the first sample"
            assert (kind == "counter") == name.endswith("_total"), "counters end with _total"
            typed[name] = kind
        else:
            assert not line.startswith("#")
            name, labels, value = sample(line)
            assert name in typed
            if name not in order:
                order.append(name)
            assert order[-1] == name, "the lines of one metric stand together"
            key = (name, frozenset(labels.items()))
            assert key not in found, "each sample once"
            found[key] = value
    return found


def sample(line: str) -> tuple[str, dict[str, str], float]:
    match = NAME.match(line)
    assert match is not None
    place = match.end()
    labels: dict[str, str] = {}
    if line[place] == "{":
        place += 1
        while line[place] != "}":
            label = LABEL.match(line, place)
            assert label is not None
            assert label[0] not in labels, "each label once"
            assert not label[0].startswith("__"), "reserved"
            place = label.end()
            assert line[place : place + 2] == '="'
            place += 2
            value = ""
            while line[place] != '"':
                if line[place] == "\\":
                    place += 1
                    value += {"\\": "\\", '"': '"', "n": "\n"}[line[place]]
                else:
                    value += line[place]
                place += 1
            labels[label[0]] = value
            place += 1
            if line[place] == ",":
                place += 1
        place += 1
    assert line[place] == " "
    rest = line[place + 1 :]
    assert " " not in rest, "no timestamps: the collector refuses the file"
    assert re.fullmatch(r"[+-]Inf|NaN|-?\d+(\.\d+)?(e[+-]?\d+)?", rest)
    return match[0], labels, float(rest)
