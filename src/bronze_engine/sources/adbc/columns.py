"""Which columns are asked for, and the layout that comes of what the driver sends.

The layout is fixed before the first row lands: by the columns of the result, by
`schema.columns`, and by the newest earlier partition, whose columns never narrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.database.adbc import AdbcSourceConfig
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.model.arrow import DataType, Field
from bronze_engine.model.layout import Column, Layout, Role
from bronze_engine.model.nearest import nearest
from bronze_engine.model.types.convert import can_convert
from bronze_engine.model.types.landing import is_json, landing_of, spoken
from bronze_engine.model.types.named import parse_type
from bronze_engine.model.types.widening import wider
from bronze_engine.sources.adbc.dialect import Dialect
from bronze_engine.sources.landing import (
    check_contract,
    columns_by_key,
    landed_names,
)

__all__ = ["Asked", "Columns"]

_GUESSED: Final = (pa.float64(), pa.string(), pa.binary())
"""What a column whose type is guessed may have been when it had values."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the SELECT."""

    name: str
    sql: str
    source_type: str
    """What the source calls the type."""
    is_printed: bool
    """Whether it is asked for as the text that the database prints."""


@final
class Columns:
    """The columns of one run. `origin` names the table or query in errors."""

    def __init__(
        self,
        config: AdbcSourceConfig,
        schema: SchemaConfig,
        base: Layout | None,
        dialect: Dialect,
        origin: str,
    ) -> None:
        self._config = config
        self._schema = schema
        self._base = base
        self._before = columns_by_key(base)
        self._dialect = dialect
        self._origin = origin

    def ask(self, described: pa.Schema) -> list[Asked]:
        """What to SELECT of a relation with these columns.

        Raises ExtractError for a column that is configured and not there, and for two of one
        name.
        """
        twice = [name for name, count in Counter(described.names).items() if count > 1]
        if twice:
            raise ExtractError(
                f"{self._origin} has {Counter(described.names)[twice[0]]} columns called"
                f" {twice[0]!r}; give each a name of its own in the query, with AS"
            )
        for option, names in (
            ("source.columns", self._config.columns),
            ("schema.columns", self._schema.columns),
        ):
            for name in names:
                if name not in described.names:
                    raise ExtractError(
                        f"{option} names {name!r}, and {self._origin} has no such column;"
                        f" {nearest(name, described.names, write=repr)}"
                    )
        chosen = self._config.columns or described.names
        for name in self._schema.columns:
            if name not in chosen:
                raise ConfigError(
                    f"schema.columns.{name}: the column is not read; leave its type out"
                )
        return [self._asked(described.field(name)) for name in chosen]

    def _asked(self, field: Field) -> Asked:
        usual = landing_of(field)
        is_printed = usual is None or not can_convert(field.type, usual)
        if not is_printed:
            wanted, _ = self._target(field, usual)
            is_printed = pa.types.is_string(wanted) and not can_convert(field.type, wanted)
        name = self._dialect.quoted(field.name)
        return Asked(
            name=field.name,
            sql=f"{self._dialect.printed(name)} AS {name}" if is_printed else name,
            source_type=spoken(field),
            is_printed=is_printed,
        )

    def _target(self, field: Field, usual: DataType) -> tuple[DataType, Role]:
        """The type and role that a column lands as, whatever lands as `usual` by itself."""
        key = field.name
        configured = self._schema.columns.get(key)
        if configured is not None:
            kind, role = parse_type(key, configured)
            return kind, "value" if role == "text" else role
        before = self._before.get(key)
        role = "json" if is_json(field) else "value"
        if before is None:
            return usual, role
        if self._is_guess(usual) and before.type in _GUESSED:
            return before.type, before.role
        return wider(before.type, usual), role if role == before.role else "value"

    def _is_guess(self, usual: DataType) -> bool:
        """Whether a column may look so because it has no values."""
        return self._dialect.guesses_types and bool(pa.types.is_int64(usual))

    def layout(self, result: pa.Schema, asked: Sequence[Asked]) -> tuple[Layout, list[str]]:
        """The layout of what lands, in the order of the result, and what to warn of.

        Raises ConfigError for a configured type that may change values, QualityError where
        `contract = "freeze"` is broken, ExtractError for a type that can't land.
        """
        names, warnings = landed_names(
            [each.name for each in asked],
            {},
            self._before,
            "give it a name of its own in a query, with AS",
        )
        columns = [
            self._column(result.field(place).with_name(each.name), each, names[each.name])
            for place, each in enumerate(asked)
        ]
        check_contract(self._base, columns, self._schema, self._origin)
        schema = pa.schema([column.field() for column in columns])
        return Layout(version=1, schema=schema, is_settled=True), warnings

    def _column(self, field: Field, asked: Asked, name: str) -> Column:
        usual = landing_of(field)
        if usual is None or not can_convert(field.type, usual):
            raise ExtractError(
                f"column {asked.name!r} of {self._origin} comes as {spoken(field)}, which can't"
                " land as it is; cast it in a query"
            )
        kind, role = self._target(field, usual)
        if not (self._is_guess(usual) or can_convert(field.type, kind, role)):  # else row by row
            raise ConfigError(
                f"schema.columns.{asked.name}: {self._schema.columns.get(asked.name)!r} may not"
                f" hold every {asked.source_type} as it is; leave it out ({usual}), or cast the"
                " column in a query"
            )
        source_type = spoken(field) if self._dialect.guesses_types else asked.source_type
        return Column(name=name, type=kind, key=asked.name, role=role, source_type=source_type)
