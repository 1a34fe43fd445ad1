"""SQL put together from parts: names quoted, values always parameters.

Conditions and queries of the configuration stand in brackets of their own, on lines of their
own: a comment at their end hides nothing of ours, and `config.database.sql` has seen to it that
they don't leave them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import final

import msgspec
import pyarrow as pa

from bronze_engine.config import template
from bronze_engine.config.database.adbc import AdbcSourceConfig
from bronze_engine.config.database.sql import ended
from bronze_engine.errors import ConfigError
from bronze_engine.model.arrow import Array, scalar
from bronze_engine.sources.adbc.dialect import Dialect

__all__ = ["Condition", "Origin", "Parameters", "Query", "Values", "parameter"]


def parameter(value: int | str | date, kind: pa.DataType) -> Array:
    """One value to bind, of the column's type: `model.arrow.scalar` says which there are."""
    return pa.repeat(scalar(value, kind), 1)


@final
class Parameters:
    """The values of one statement, in the order of their placeholders."""

    def __init__(self, dialect: Dialect) -> None:
        self.values: list[Array] = []
        self._dialect = dialect

    def add(self, value: Array) -> str:
        """Bind a value; returns its placeholder, which must stand behind those before."""
        self.values.append(value)
        return f"${len(self.values)}" if self._dialect.numbered else "?"


Condition = Callable[[Parameters], str]
"""A condition, written when its place among the parameters has come."""


class Query(msgspec.Struct, frozen=True):
    """A statement, and what is bound to it."""

    sql: str
    parameters: Sequence[Array] = ()


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """What the placeholders of a query and a condition stand for."""

    run_date: date
    low: Array | None = None
    """None where there is no bound: the first run of an incremental pipeline."""
    high: Array | None = None
    """None where nothing says it yet."""


@final
class Origin:
    """Where rows come from: a table or a query, and the configured condition."""

    def __init__(self, config: AdbcSourceConfig, dialect: Dialect, values: Values) -> None:
        self._config = config
        self._dialect = dialect
        self._values = values

    def select(self, columns: str, *conditions: Condition, where: bool = True) -> Query:
        """SELECT the columns of the rows that meet all; `where` takes the configured condition
        too. Raises ConfigError for a placeholder without a value."""
        parameters = Parameters(self._dialect)
        sql = f"SELECT {columns} FROM {self._relation(parameters)}"  # noqa: S608  # names are quoted, values bound
        met: list[str] = []
        if where and self._config.where is not None:
            met.append(f"(\n{self._rendered(self._config.where, parameters)}\n)")
        met += [condition(parameters) for condition in conditions]
        if met:
            sql += f" WHERE {' AND '.join(met)}"
        return Query(sql, parameters.values)

    def _relation(self, parameters: Parameters) -> str:
        if self._config.table is not None:
            return self._dialect.table(self._config.table)
        query = ended(self._config.query or "", self._config.connection.driver)
        alias = self._dialect.quoted("query")
        return f"(\n{self._rendered(query, parameters)}\n) AS {alias}"

    def _rendered(self, text: str, parameters: Parameters) -> str:
        def known(name: str, style: str | None) -> str:
            if name == "run_date":
                day = self._values.run_date
                if style is None:
                    return parameters.add(parameter(day, pa.date32()))
                return parameters.add(parameter(day.strftime(style), pa.string()))
            value = {"low": self._values.low, "high": self._values.high}.get(name)
            if value is None:
                raise ConfigError(
                    f"{{{name}}} has no value in this run; set incremental.initial, or leave"
                    f" {{{name}}} out: rows outside of the window are left out anyway"
                )
            return parameters.add(value)

        return template.substitute(text, known)
