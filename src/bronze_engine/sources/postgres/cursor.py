"""The cursor of an incremental pipeline as SQL: how it is compared, and how it is written.

    timestamp    timestamptz, printed in UTC; timestamp, printed as it stands (it needs a zone)
    date         date
    integer      smallint, integer, bigint, numeric without a fraction, oid
    text         text, varchar, char, name and citext by code point (COLLATE "C"); uuid
    xid8         xid8, and the system column xmin

What is printed is what `model.window.cursor_key` reads, to the last digit.
"""

from __future__ import annotations

import re
from typing import Final, final

import msgspec

from bronze_engine.errors import ConfigError
from bronze_engine.model.identifier import quote_ident
from bronze_engine.model.window import CursorType
from bronze_engine.sources.postgres.catalogue import CatalogueColumn
from bronze_engine.sources.postgres.query import literal

__all__ = ["SYSTEM_CURSOR", "Cursor"]

SYSTEM_CURSOR: Final = "xmin"
"""The transaction that wrote a row: a column that every table has and no list names."""

_ISO: Final = 'YYYY-MM-DD"T"HH24:MI:SS.US'
_TEXTS: Final = frozenset({"text", "varchar", "bpchar", "name", "citext"})
_BY_CODE_POINT: Final = frozenset({"text", "varchar"})
"""Texts that an index of their own column in COLLATE "C" serves; others are cast."""
_TYPES: Final[dict[CursorType, frozenset[str]]] = {
    "timestamp": frozenset({"timestamptz", "timestamp"}),
    "date": frozenset({"date"}),
    "integer": frozenset({"int2", "int4", "int8", "numeric", "oid"}),
    "text": _TEXTS | {"uuid"},
    "xid8": frozenset({"xid8"}),
}
_OFFSET: Final = re.compile(r"[T ]\d\d:\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)\s*$")
_WRAP: Final = 1 << 32


@final
class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """One column to read on by."""

    name: str
    kind: CursorType
    type_name: str
    """As pg_type has it, below all domains: "timestamptz", "numeric"."""
    nullable: bool = True
    timezone: str | None = None
    """IANA zone of timestamps without one, and of the days of dates."""
    next_xid: int | None = None
    """Of xmin, which holds 32 bits of a transaction's number: one of 64 bits above all that the
    snapshot shows. None of other columns."""

    @classmethod
    def of_column(cls, column: CatalogueColumn, kind: CursorType, timezone: str | None) -> Cursor:
        """The cursor over a column. Raises ConfigError where the configured kind does not fit."""
        name, plain = column.name, column.type_name
        if column.is_array or plain not in _TYPES[kind]:
            fits = [other for other, names in _TYPES.items() if plain in names]
            advice = (
                f'set incremental.cursor_type = "{fits[0]}"'
                if fits and not column.is_array
                else "take a column of another type as the cursor"
            )
            raise ConfigError(
                f"incremental.cursor {name!r} is of the type {column.source_type}, which is no"
                f' cursor_type = "{kind}"; {advice}'
            )
        if plain == "timestamp" and timezone is None:
            raise ConfigError(
                f"incremental.cursor {name!r} is of the type {column.source_type}, which has no"
                ' offset; set incremental.cursor_timezone to the zone of its values, "UTC" for'
                " instance"
            )
        return cls(
            name=name,
            kind=kind,
            type_name=plain,
            nullable=not column.is_required,
            timezone=timezone,
        )

    @classmethod
    def of_xmin(cls, next_xid: int = 0) -> Cursor:
        """The cursor over the transactions that wrote the rows of a table.

        Values are right within the snapshot that `next_xid` is of.
        """
        return cls(
            name=SYSTEM_CURSOR, kind="xid8", type_name="int8", nullable=False, next_xid=next_xid
        )

    @property
    def expression(self) -> str:
        """What is compared and ordered by."""
        column = quote_ident(self.name)
        if self.next_xid is not None:
            era = self.next_xid // _WRAP * _WRAP
            short = f"{column}::text::bigint"
            # Numbers past the next one are of the 2^32 before.
            return (
                f"({short} + CASE WHEN {short} >= {self.next_xid % _WRAP}"
                f" THEN {era - _WRAP} ELSE {era} END)"
            )
        if self.type_name in _BY_CODE_POINT:
            return f'{column} COLLATE "C"'
        return f'{column}::text COLLATE "C"' if self.type_name in _TEXTS else column

    @property
    def text(self) -> str:
        """An expression that prints it exactly."""
        match self.type_name:
            case "timestamptz":
                zoned = f"{self.expression} AT TIME ZONE 'UTC'"
                return f"to_char({zoned}, '{_ISO}') || '+00:00'"
            case "timestamp":
                return f"to_char({self.expression}, '{_ISO}')"
            case "date":
                return f"to_char({self.expression}, 'YYYY-MM-DD')"
            case "numeric":  # 7.00 is a whole number, too; what is none is printed as it is
                whole = f"trunc({self.expression})"
                return (
                    f"(CASE WHEN {self.expression} = {whole} THEN {whole}"
                    f" ELSE {self.expression} END)::text"
                )
            case _:
                return (
                    f"{quote_ident(self.name)}::text"
                    if self.next_xid is None
                    else (f"{self.expression}::text")
                )

    def literal(self, value: str) -> str:
        """A watermark as SQL compares it with the column."""
        if self.kind == "timestamp" and self.timezone is not None:
            has_offset = _OFFSET.search(value) is not None
            # A cast would drop an offset, and give the session's to what has none.
            if has_offset and self.type_name == "timestamp":
                return self._in_zone(literal(value, "timestamptz"))
            if not has_offset and self.type_name == "timestamptz":
                return self._in_zone(literal(value, "timestamp"))
        return literal(value, self._literal_type)

    @property
    def unknown(self) -> str:
        """A bound that is not known yet, as SQL: a NULL of the type of its literals."""
        return f"NULL::{self._literal_type}"

    @property
    def _literal_type(self) -> str:
        return "text" if self.type_name in _TEXTS else self.type_name

    def _in_zone(self, instant: str) -> str:
        return f"({instant} AT TIME ZONE {literal(self.timezone or 'UTC', 'text')})"

    def above(self, value: str, *, is_open: bool = True) -> str:
        """The condition of the rows above a watermark; those at it too where it is not open."""
        return f"{self.expression} {'>' if is_open else '>='} {self.literal(value)}"

    def up_to(self, value: str) -> str:
        """The condition of the rows at or below a watermark."""
        return f"{self.expression} <= {self.literal(value)}"

    def below(self, value: str) -> str:
        """The condition of the rows below a bound that is not among them."""
        return f"{self.expression} < {self.literal(value)}"

    @property
    def is_null(self) -> str:
        return f"{quote_ident(self.name)} IS NULL"

    @property
    def last_value(self) -> str | None:
        """The highest value that the type has, as SQL; None where it has none."""
        match self.kind:
            case "timestamp" | "date":
                return literal("infinity", self.type_name)
            case "integer" if self.type_name == "numeric":
                return literal("9" * 100, "numeric")
            case "integer":
                return literal(str(_LAST[self.type_name]), self.type_name)
            case "xid8":
                return literal(str(2**63 - 1), self.type_name)
            case "text":
                return None


_LAST: Final = {
    "int2": 2**15 - 1,
    "int4": 2**31 - 1,
    "int8": 2**63 - 1,
    "oid": 2**32 - 1,
}
