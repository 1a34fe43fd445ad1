"""What a sheet says of its own size, and whether a cell lies outside of it.

Some writers say A1 of every sheet, and the reader of workbooks goes by the cells: one that stands
far off has it ask for more memory than there is, which ends the process.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final, Self, final

import msgspec

from bronze_engine.config.files.area import column_letters, parse_cell

__all__ = ["Extent"]

_SAID: Final = re.compile(
    rb"""<(?:\w+:)?dimension\b[^>]*\bref=["']([A-Z]{1,3}[0-9]{1,7})(?::([A-Z]{1,3}[0-9]{1,7}))?["']"""
)


@final
class Extent(msgspec.Struct, frozen=True, dict=True):
    """The first and the last cell, by their names."""

    first: str
    last: str

    @classmethod
    def said(cls, head: bytes, most: int) -> Self | None:
        """What a sheet that begins so says; None where that is nothing, or more than `most`
        cells."""
        found = _SAID.search(head)
        if found is None:
            return None
        extent = cls(found[1].decode(), (found[2] or found[1]).decode())
        return extent if max(extent.cells, extent._most) <= most else None

    @property
    def cells(self) -> int:
        """How many these are."""
        top, left = parse_cell(self.first)
        bottom, right = parse_cell(self.last)
        return (bottom - top + 1) * (right - left + 1)

    @property
    def columns(self) -> tuple[bytes, bytes]:
        """Their letters."""
        return tuple(  # type: ignore[return-value]  # two of two
            column_letters(parse_cell(cell)[1]).encode() for cell in (self.first, self.last)
        )

    @property
    def rows(self) -> tuple[int, int]:
        """From 1."""
        return parse_cell(self.first)[0] + 1, parse_cell(self.last)[0] + 1

    def is_left(self, cells: bytes) -> bool:
        """Whether one of these cells or rows lies outside, by more than names of as many letters
        and digits that begin alike tell."""
        return self._outside.search(cells) is not None

    @cached_property
    def _outside(self) -> re.Pattern[bytes]:
        """One search over a sheet takes a tenth of what it takes to look at each cell."""
        letters, digits = self._last_names
        found = [rb"[A-Z]*\d{%d,}" % (len(digits) + 1)]
        if len(letters) < 3:
            found.append(rb"[A-Z]{%d,}\d" % (len(letters) + 1))
        if letters < "Z":
            found.append(rb"[%c-Z][A-Z]{%d}\d" % (ord(letters[0]) + 1, len(letters) - 1))
        if digits < "9":
            found.append(rb"[A-Z]*[%d-9]\d{%d}\b" % (int(digits[0]) + 1, len(digits) - 1))
        return re.compile(rb"""r=["'](?:%b)""" % b"|".join(found))

    @property
    def _most(self) -> int:
        """How many cells there may be without one that `is_left` finds."""
        letters, digits = self._last_names
        column = letters[0] + "Z" * (len(letters) - 1)
        rows = (int(digits[0]) + 1) * 10 ** (len(digits) - 1) - 1
        return int(rows * (parse_cell(f"{column}1")[1] + 1))

    @property
    def _last_names(self) -> tuple[str, str]:
        letters = self.last.rstrip("0123456789")
        return letters, self.last[len(letters) :]
