"""The texts of a notification's own body: `{summary}` and its kin.

    {summary}   what happened, in one line
    {{  }}      a literal brace

A placeholder stands for its value as text; one that the message does not have, such as the code
of a success, is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["PLACEHOLDERS", "fill", "unknown_placeholders"]

PLACEHOLDERS: Final = (
    "summary",
    "event",
    "outcome",
    "id",
    "pipeline",
    "run_date",
    "run",
    "batch",
    "status",
    "code",
    "error",
    "rows",
    "seconds",
)

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def fill(value: Any, values: Mapping[str, str]) -> Any:
    """The value with the placeholders of every text in it replaced, at any depth."""
    match value:
        case dict():
            return {key: fill(item, values) for key, item in value.items()}
        case list() | tuple():
            return [fill(item, values) for item in value]
        case str():
            return _TOKEN.sub(lambda match: _replaced(match, values), value)
        case _:
            return value


def unknown_placeholders(value: Any) -> Iterator[str]:
    """What stands in braces and is no placeholder; a brace that stands alone is one, too."""
    match value:
        case dict():
            for item in value.values():
                yield from unknown_placeholders(item)
        case list() | tuple():
            for item in value:
                yield from unknown_placeholders(item)
        case str():
            for match in _TOKEN.finditer(value):
                if match[0] not in ("{{", "}}") and match[1] not in PLACEHOLDERS:
                    yield match[0]
        case _:
            return


def _replaced(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match[0] in ("{{", "}}"):
        return match[0][0]
    return values.get(match[1], "")
