"""Records by the dates and files that they are of, in pieces of about one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, final

import msgspec

from bronze_engine.silver.sql import identifier, literal

__all__ = ["PIECE_ROWS", "Piece", "pieces"]

PIECE_ROWS: Final = 1_000_000
"""DuckDB holds about 40 bytes of each row of a piece while it fetches their values."""


@final
class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """The files from one place to another, both included."""

    first: tuple[date, int]
    last: tuple[date, int]

    def of(self, landed: str, part: str) -> str:
        """A condition over the columns of date and file; by the date alone where that will do, so
        that files of others need not be opened."""
        day, file = identifier(landed), identifier(part)
        (first, low), (last, high) = self.first, self.last
        if first == last:
            return f"{day} = {literal(first)} AND {file} BETWEEN {literal(low)} AND {literal(high)}"
        after = (
            f"({day} > {literal(first)} OR ({day} = {literal(first)} AND {file} >= {literal(low)}))"
        )
        before = (
            f"({day} < {literal(last)} OR ({day} = {literal(last)} AND {file} <= {literal(high)}))"
        )
        return f"{after} AND {before}"


def pieces(counts: Iterable[tuple[date, int, int]], most: int) -> Iterator[Piece]:
    """Cut (date, file, rows), in order, so that each piece but one of a single file has `most`
    rows at the most."""
    first: tuple[date, int] | None = None
    last: tuple[date, int] | None = None
    held = 0
    for day, file, rows in counts:
        if first is not None and last is not None and held + rows > most:
            yield Piece(first=first, last=last)
            first, held = None, 0
        first, last, held = first or (day, file), (day, file), held + rows
    if first is not None and last is not None:
        yield Piece(first=first, last=last)
