"""What one run reads, once its window is fixed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Final, final

import msgspec

from bronze_engine.contracts import Request
from bronze_engine.model.arrow import schema_to_text
from bronze_engine.model.identifier import quote_ident
from bronze_engine.sources.copy_binary.batch import CopyBinary, selection_order
from bronze_engine.sources.postgres.decoder import Mark, PostgresDecoder, is_ordered_as
from bronze_engine.sources.postgres.framing import Framing
from bronze_engine.sources.postgres.keyset import Key, Keyset
from bronze_engine.sources.postgres.look import Look
from bronze_engine.sources.postgres.query import select
from bronze_engine.sources.postgres.slices import CHUNK_ROWS, find_column
from bronze_engine.sources.postgres.window import Span

__all__ = ["ReadingPlan"]

SLICE_ROWS: Final = 2_000_000
"""Of a keyset: what is read again where a run is broken off, a few seconds' work."""


@final
class ReadingPlan(msgspec.Struct, frozen=True):
    """The rows of a run, and the columns of them that land."""

    look: Look
    span: Span

    def sql(self, *conditions: str | None, order_by: Sequence[str] = ()) -> str:
        """The query of the rows of the window that meet the conditions."""
        span = self.span
        return self.look.sql(span.origin, *span.conditions, *conditions, order_by=order_by)

    def nulls_sql(self) -> str:
        """The query of the rows without a cursor value, each as JSON text."""
        cursor = self.look.cursor
        assert cursor is not None  # noqa: S101  # or there would be none
        names = [quote_ident(each.source.name) for each in self.look.selection.columns]
        rows = select(names, self.span.origin, cursor.is_null)
        return f'SELECT row_to_json("row")::text FROM ({rows}) AS "row"'  # noqa: S608  # quoted

    def keyset(self, primary_key: Iterable[str]) -> Keyset:
        """The chunks to read, by the cursor or else by these columns, as the source calls them."""
        cursor = self.look.cursor
        if cursor is not None:
            keys = [Key.of_cursor(cursor)]
        else:
            columns = [find_column(self.look.columns, name, "primary_key") for name in primary_key]
            keys = [Key.of_column(column) for column in columns]
        chunk_rows = self.look.config.chunk_rows or CHUNK_ROWS
        return Keyset(keys, self.span.origin, self.span.conditions, chunk_rows)

    @property
    def chunks_per_slice(self) -> int:
        """How many chunks of a keyset are landed together, with files of their own."""
        return math.ceil(SLICE_ROWS / (self.look.config.chunk_rows or CHUNK_ROWS))

    @property
    def token(self) -> str | None:
        """What the slices of a keyset come from: a reading of other columns, or of other chunks,
        can't be gone on with. None for transaction numbers, whose meaning moves on."""
        cursor = self.look.cursor
        if cursor is not None and cursor.kind == "xid8":
            return None
        columns = schema_to_text(self.look.selection.layout.schema)
        digest = hashlib.sha256(columns.encode()).hexdigest()
        return f"columns {digest}, {self.chunks_per_slice} chunks a slice"

    def decoder(self, request: Request, framing: Framing) -> PostgresDecoder:
        selection = self.look.selection
        rows = CopyBinary(
            selection.fields,
            on_special=self.look.config.on_special,
            order=selection_order(selection.fields),
        )
        return PostgresDecoder(rows, selection.layout, self._mark(request), framing)

    def _mark(self, request: Request) -> Mark | None:
        if self.span.high is None or self.look.cursor is None:
            return None
        name = self.look.cursor.name
        landed = next(
            (each for each in self.look.selection.columns if each.source.name == name), None
        )
        # Where the cursor lands as something else than what it is, nothing can be compared.
        is_itself = landed is not None and is_ordered_as(landed.field.type, self.look.cursor.kind)
        incremental = request.incremental
        reads_low_again = incremental is not None and not incremental.low_open
        reads_late = incremental is not None and (
            request.read_from != request.low or reads_low_again
        )
        return Mark(
            high=self.span.high,
            low=request.low if reads_late else None,
            is_low_late=request.low_open or reads_low_again,
            column=landed.field.name if landed is not None and is_itself else None,
        )
