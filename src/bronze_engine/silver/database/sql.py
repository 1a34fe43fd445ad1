"""SQL from names and values, quoted. No other module of the package writes a quote character."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

__all__ = ["columns", "exactly", "identifier", "literal", "same"]


_NAMELESS: Final = "\0"
"""What the column without a name, which JSON may have, is called within DuckDB: it takes no empty
name. Columns that come back are known by their places."""


def identifier(name: str) -> str:
    """A name as DuckDB reads it back, whatever is in it."""
    escaped = (name or _NAMELESS).replace('"', '""')
    return f'"{escaped}"'


def columns(names: Iterable[str], relation: str | None = None) -> str:
    """Names with commas between them, each of `relation` where one is given."""
    before = "" if relation is None else f"{identifier(relation)}."
    return ", ".join(f"{before}{identifier(name)}" for name in names)


def literal(value: str | int | bool | date | None) -> str:
    """A value as a constant."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case date():
            return f"DATE '{value.isoformat()}'"
        case str():
            escaped = value.replace("'", "''")
            return f"'{escaped}'"


def exactly(path: str) -> str:
    """A path where DuckDB takes a pattern: one that matches this path alone."""
    return "".join(f"[{each}]" if each in "[*?" else each for each in path)


def same(names: Iterable[str], left: str, right: str) -> str:
    """A condition: both relations have the same values there, NULL the same as NULL."""
    pairs = (
        f"{identifier(left)}.{identifier(name)} IS NOT DISTINCT FROM"
        f" {identifier(right)}.{identifier(name)}"
        for name in names
    )
    return " AND ".join(pairs)
