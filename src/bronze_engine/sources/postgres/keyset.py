"""Reading chunk after chunk by a key, each chunk in a short transaction of its own.

For databases where a long snapshot is not welcome: it keeps VACUUM from removing what it might
still see. A chunk is what lies between two values of the key. The upper one is looked up first,
so rows with equal keys stay together, and the key need not be unique.

What holds: a row whose key does not change, and that is there from beginning to end, is read
once. What does not: the chunks are of different instants, so a row that is inserted or deleted
meanwhile may be read or not, and one whose key changes may be read twice or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import asyncpg
import msgspec

from bronze_engine.errors import QualityError
from bronze_engine.model.identifier import quote_ident
from bronze_engine.sources.postgres.catalogue import CatalogueColumn
from bronze_engine.sources.postgres.cursor import Cursor
from bronze_engine.sources.postgres.query import Origin, first, literal, select
from bronze_engine.sources.postgres.window import Span

__all__ = ["Key", "Keyset", "Place", "Values"]

Values = tuple[str, ...]
"""A value of each column of the key, as text."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a reading stands: the spec of its slices.

    The span is in it because it was fixed when the run began: who resumes that reads to the same
    end, whatever has come since.
    """

    span: Span
    after: Values | None = None
    """The key behind which the next chunk begins; None at the beginning."""
    chunks: int = 0
    """Read before it."""


@final
class Key(msgspec.Struct, frozen=True):
    """One column of the key as SQL."""

    column: str
    """Its quoted name."""
    expression: str
    """What is compared and ordered by."""
    text: str
    """Prints it exactly."""
    type_name: str = ""
    cursor: Cursor | None = None
    """Where it is the cursor of the pipeline, whose literals are its own."""
    is_null: str | None = None
    """The condition of a NULL, where there may be any."""

    @classmethod
    def of_column(cls, column: CatalogueColumn) -> Key:
        name = quote_ident(column.name)
        type_name = f"{quote_ident(column.type_schema)}.{quote_ident(column.type_name)}"
        is_null = None if column.is_required else f"{name} IS NULL"
        return cls(name, name, f"{name}::text", type_name, is_null=is_null)

    @classmethod
    def of_cursor(cls, cursor: Cursor) -> Key:
        """A window has left out the NULLs."""
        return cls(quote_ident(cursor.name), cursor.expression, cursor.text, cursor=cursor)

    def literal(self, value: str) -> str:
        return literal(value, self.type_name) if self.cursor is None else self.cursor.literal(value)


@final
class Keyset:
    """The chunks of one reading."""

    def __init__(
        self, keys: Sequence[Key], origin: Origin, conditions: Sequence[str], chunk_rows: int
    ) -> None:
        self._keys = tuple(keys)
        self._origin = origin
        self._conditions = tuple(conditions)
        self._chunk_rows = chunk_rows

    @property
    def order_by(self) -> tuple[str, ...]:
        return tuple(key.expression for key in self._keys)

    async def check(self, connection: asyncpg.Connection) -> None:
        """Raise QualityError for rows without a key: no chunk would hold them."""
        nulls = [key.is_null for key in self._keys if key.is_null is not None]
        if not nulls:
            return
        missing = f"({' OR '.join(nulls)})"
        sql = select(["count(*)"], self._origin, *self._conditions, missing)
        count = await connection.fetchval(sql)
        if count:
            raise QualityError(
                f'{count} rows have a NULL in the key that reading = "keyset" goes by; leave them'
                ' out by source.where, name another primary_key, or set reading = "snapshot"'
            )

    async def next_end(self, connection: asyncpg.Connection, after: Values | None) -> Values | None:
        """The key where the chunk that begins behind `after` ends; None for the last chunk."""
        row = await connection.fetchrow(
            first(
                [key.text for key in self._keys],
                [key.column for key in self._keys],
                self._origin,
                *self._conditions,
                *self.conditions(after, None),
                order_by=self.order_by,
                offset=self._chunk_rows - 1,
            )
        )
        return None if row is None else tuple(row)

    def conditions(self, after: Values | None, end: Values | None) -> tuple[str, ...]:
        """Beside those of the window: the rows behind one key and up to another."""
        low = None if after is None else f"{self._row} > {self._literals(after)}"
        high = None if end is None else f"{self._row} <= {self._literals(end)}"
        return tuple(each for each in (low, high) if each is not None)

    @property
    def _row(self) -> str:
        return f"({', '.join(self.order_by)})"

    def _literals(self, values: Values) -> str:
        pairs = zip(self._keys, values, strict=True)
        return f"({', '.join(key.literal(value) for key, value in pairs)})"
