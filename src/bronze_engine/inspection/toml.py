"""Tables as TOML, the way people write it: scalars first, a header for each table below."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["as_key", "as_value", "render"]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST: Final = 88


def render(
    tree: Mapping[str, Any], comments: Mapping[tuple[str, ...], Sequence[str]] | None = None
) -> str:
    """The document of nested tables; `comments` stand at the end of the table with that path.

    Values are texts, integers, floats, booleans, lists of those and of tables, and tables.
    Raises ValueError for anything else: TOML has no null.
    """
    blocks = ["\n".join(block) for block in _blocks(tree, (), comments or {})]
    return "\n\n".join(blocks) + "\n"


def _blocks(
    table: Mapping[str, Any],
    path: tuple[str, ...],
    comments: Mapping[tuple[str, ...], Sequence[str]],
) -> Iterator[list[str]]:
    below = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    lines = [
        f"{as_key(name)} = {as_value(value)}" for name, value in table.items() if name not in below
    ]
    lines += comments.get(path, ())
    if path and (lines or not below):
        yield [f"[{'.'.join(map(as_key, path))}]", *lines]
    elif lines:
        yield lines
    for name, value in below.items():
        yield from _blocks(value, (*path, name), comments)


def as_key(name: str) -> str:
    """A key as TOML has it: bare, or in quotes."""
    return name if _BARE.fullmatch(name) else _text(name)


def as_value(value: object) -> str:
    """A value as TOML has it. Raises ValueError for what it has none for."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case list() | tuple():
            items = [as_value(item) for item in value]
            line = f"[{', '.join(items)}]"
            if len(line) <= _LONGEST:
                return line
            return "[\n" + "".join(f"    {item},\n" for item in items) + "]"
        case dict():
            pairs = [f"{as_key(name)} = {as_value(item)}" for name, item in value.items()]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    raise ValueError(f"TOML has no value for {type(value).__name__}")


def _text(text: str) -> str:
    # JSON's escapes are TOML's; DEL is the one character that only TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
