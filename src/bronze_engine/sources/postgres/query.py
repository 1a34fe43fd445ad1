"""SQL put together from parts: names always quoted, values always typed literals.

COPY takes no bind parameters, so a value becomes a literal. Conditions and queries of the
configuration stand in brackets of their own, on lines of their own: a comment at their end
hides nothing of ours, and `config.database.sql` has seen to it that they don't leave them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import final

import msgspec

from bronze_engine.config import template
from bronze_engine.config.database.sql import ended
from bronze_engine.errors import ConfigError

__all__ = ["Origin", "Values", "first", "literal", "render_query", "render_sql", "select"]


def literal(value: str, type_name: str) -> str:
    """The value as a literal of a type, which is written as format_type() prints it.

    Raises ConfigError for a NUL, which no text of a database can hold.
    """
    if "\0" in value:
        raise ConfigError(f"{value!r} holds a NUL character, which PostgreSQL has no text for")
    quoted = value.replace("'", "''")
    if "\\" in value:  # as quote_literal() does: right whatever standard_conforming_strings is
        quoted = quoted.replace("\\", "\\\\")
        return f"E'{quoted}'::{type_name}"
    return f"'{quoted}'::{type_name}"


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """What the placeholders of a query and a condition stand for, as SQL."""

    run_date: date
    low: str | None = None
    """None where there is no bound: the first run of an incremental pipeline."""
    high: str | None = None
    """None where nothing says it."""


def render_sql(text: str, values: Values) -> str:
    """The text with its placeholders replaced by literals.

    {run_date} is a date; {run_date:%Y%m%d} a literal of no type, which takes that of what it
    is compared with. Raises ConfigError for a bound that this run does not have.
    """

    def known(name: str, style: str | None) -> str:
        if name == "run_date":
            day = values.run_date
            if style is None:
                return literal(day.isoformat(), "date")
            return literal(day.strftime(style), "unknown").removesuffix("::unknown")
        value = {"low": values.low, "high": values.high}.get(name)
        if value is None:
            raise ConfigError(
                f"{{{name}}} has no value in this run; set incremental.initial, or leave"
                f" {{{name}}} out: rows outside of the window are left out anyway"
            )
        return value

    return template.substitute(text, known)


def render_query(query: str, values: Values) -> str:
    """As `render_sql`, without the semicolon that may end a query."""
    return render_sql(ended(query, "postgresql"), values)


@final
class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows come from: what stands behind FROM, and the configured condition."""

    relation: str
    """A quoted name, or a query in brackets with its alias."""
    where: str | None = None
    """In brackets."""

    @classmethod
    def of_table(cls, quoted: str, where: str | None, values: Values) -> Origin:
        """A table by its quoted name; `where` is the configuration's text."""
        return cls(relation=quoted, where=_condition(where, values))

    @classmethod
    def of_query(cls, query: str, where: str | None, values: Values) -> Origin:
        """A query, as the configuration has it."""
        text = render_query(query, values)
        return cls(relation=f'(\n{text}\n) AS "query"', where=_condition(where, values))

    def conditions(self, *others: str | None) -> list[str]:
        """The configured condition and ours, those that there are."""
        return [condition for condition in (self.where, *others) if condition is not None]


def _condition(where: str | None, values: Values) -> str | None:
    return None if where is None else f"(\n{render_sql(where, values)}\n)"


def select(
    columns: Sequence[str],
    origin: Origin,
    *conditions: str | None,
    order_by: Sequence[str] = (),
) -> str:
    """A SELECT of expressions (none: rows without columns) for the rows that meet all."""
    if order_by:
        # A bare name in ORDER BY is an output column first, and `"id"::text` is called id, too.
        columns = [f'{column} AS "column {number}"' for number, column in enumerate(columns, 1)]
    sql = f"SELECT {', '.join(columns)} FROM {origin.relation}"  # noqa: S608  # quoted, or literals
    met = origin.conditions(*conditions)
    if met:
        sql += f" WHERE {' AND '.join(met)}"
    if order_by:
        sql += f" ORDER BY {', '.join(order_by)}"
    return sql


def first(
    columns: Sequence[str],
    names: Sequence[str],
    origin: Origin,
    *conditions: str | None,
    order_by: Sequence[str],
    offset: int = 0,
) -> str:
    """A SELECT of expressions over the named columns for one row: the first in an order."""
    met = " AND ".join(origin.conditions(*conditions)) or "true"
    ordered = (
        f"SELECT {', '.join(names)} FROM {origin.relation} WHERE {met}"  # noqa: S608  # as above
        f" ORDER BY {', '.join(order_by)} LIMIT 1 OFFSET {offset}"
    )
    return f'SELECT {", ".join(columns)} FROM ({ordered}) AS "row"'  # noqa: S608  # as above
