"""Cells by their names: "B3:F200" as rows and columns."""

from __future__ import annotations

import re
import sys
from typing import Final

import msgspec

__all__ = ["Area", "column_letters", "parse_area", "parse_cell"]

_AREA: Final = re.compile(r"\$?([A-Z]{1,3})\$?(\d*):\$?([A-Z]{1,3})\$?(\d*)")
_CELL: Final = re.compile(r"([A-Z]{1,3})(\d+)")


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle of cells; rows and columns from 0, the ends not in it."""

    top: int = 0
    bottom: int = sys.maxsize
    left: int = 0
    right: int = sys.maxsize


def parse_area(text: str) -> Area:
    """The rectangle that "B3:F200", "B3:F" or "B:F" means. Raises ValueError."""
    match = _AREA.fullmatch(text.strip().upper())
    if match is None:
        raise ValueError(f"{text!r} is no range of cells; write B3:F200, B3:F or B:F")
    left, right = _column(match[1]), _column(match[3]) + 1
    top = int(match[2] or 1) - 1
    bottom = int(match[4]) if match[4] else sys.maxsize
    if left >= right or top < 0 or top >= bottom:
        raise ValueError(f"{text!r} has no cell; write the upper left one first")
    return Area(top=top, bottom=bottom, left=left, right=right)


def parse_cell(name: str) -> tuple[int, int]:
    """Row and column, from 0, of a cell: C2 is (1, 2). Raises ValueError."""
    match = _CELL.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no cell")
    return int(match[2]) - 1, _column(match[1])


def column_letters(column: int) -> str:
    """What a sheet calls a column, from 0."""
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
