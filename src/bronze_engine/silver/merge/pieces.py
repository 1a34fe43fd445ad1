"""Records by the dates and files that they are of, in pieces of about one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from typing import Final, final

import msgspec

from bronze_engine.silver.database.sql import identifier, literal

__all__ = ["PIECE_ROWS", "Piece", "Share", "pieces", "rows_of_piece"]

PIECE_ROWS: Final = 1_000_000
"""DuckDB holds about 40 bytes of each row of a piece while it fetches their values."""
_FEW_COLUMNS: Final = 32
_PIECE_CELLS: Final = 10_000_000
"""Of rows of hundreds of columns DuckDB 2.0.1 sorts 15 million values within 256 MiB and not 30,
however large the disk is that it may spill to; of 30 columns it sorts any number."""

Share = tuple[date, int, int, int]
"""Of a file (date and number) a run of its rows that is as long as a piece: which one, and how many
rows there are in it."""


@final
class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """The files from one place to another, both included."""

    first: tuple[date, int]
    last: tuple[date, int]
    rows: tuple[int, int] | None = None
    """Of a single file the first row and the last; None where all are in the piece."""

    def of(self, landed: str, part: str, row: str) -> str:
        """A condition over the columns of date, file and row: of date and file a single comparison,
        by which DuckDB knows which files it need not open. By several it does not."""
        place = f"row({identifier(landed)}, {identifier(part)})"
        first, last = (
            f"row({literal(day)}, {literal(file)})" for day, file in (self.first, self.last)
        )
        files = f"{place} BETWEEN {first} AND {last}"
        if self.rows is None:
            return files
        begin, end = map(literal, self.rows)
        return f"{files} AND {identifier(row)} BETWEEN {begin} AND {end}"


def rows_of_piece(columns: int) -> int:
    """How many rows of so many columns a piece has at the most."""
    return PIECE_ROWS if columns <= _FEW_COLUMNS else max(1, _PIECE_CELLS // columns)


def pieces(shares: Iterable[Share], most: int) -> Iterator[Piece]:
    """Cut files, in order, so that each piece but one of a single share has `most` rows at the
    most. A file of several shares is cut where it has more."""
    first: tuple[date, int] | None = None
    last: tuple[date, int] | None = None
    held = 0
    for (day, file), of_file in groupby(shares, key=lambda share: share[:2]):
        found = [(share, rows) for _, _, share, rows in of_file]
        rows = sum(rows for _, rows in found)
        if len(found) > 1 and rows > most:
            if first is not None and last is not None:
                yield Piece(first=first, last=last)
            first, held = None, 0
            for share, _ in found:
                place, begin = (day, file), share * most
                yield Piece(first=place, last=place, rows=(begin, begin + most - 1))
            continue
        if first is not None and last is not None and held + rows > most:
            yield Piece(first=first, last=last)
            first, held = None, 0
        first, last, held = first or (day, file), (day, file), held + rows
    if first is not None and last is not None:
        yield Piece(first=first, last=last)
