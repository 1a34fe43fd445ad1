"""Records by the dates and files that they are of, in pieces of about one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, final

import msgspec

from bronze_engine.silver.database.sql import identifier, literal

__all__ = ["PIECE_ROWS", "Piece", "pieces"]

PIECE_ROWS: Final = 1_000_000
"""DuckDB holds about 40 bytes of each row of a piece while it fetches their values."""


@final
class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """The files from one place to another, both included."""

    first: tuple[date, int]
    last: tuple[date, int]

    def of(self, landed: str, part: str) -> str:
        """A condition over the columns of date and file: a single comparison, by which DuckDB knows
        which files it need not open. By several it does not."""
        place = f"row({identifier(landed)}, {identifier(part)})"
        first, last = (
            f"row({literal(day)}, {literal(file)})" for day, file in (self.first, self.last)
        )
        return f"{place} BETWEEN {first} AND {last}"


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
