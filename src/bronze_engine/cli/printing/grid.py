"""Rows of data as a table that fits a terminal: on one line each, NULL unlike the empty text."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bronze_engine.cli.printing.text import escaped

__all__ = ["cell", "print_grid"]

CELL_WIDTH: Final = 40
"""A longer value is cut, unless it is the only column."""
PIPED_WIDTH: Final = 200
"""Of a line where nobody's terminal says."""
_GAP: Final = "  "
_CUT: Final = "…"


def print_grid(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows, in as many blocks of columns as the terminal needs for all of them."""
    width = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if sys.stdout.isatty() else 0
    width = width or PIPED_WIDTH
    most = max(8, min(CELL_WIDTH, width) if len(columns) > 1 else width)
    cells = [[_cut(escaped(name), most) for name in columns]]
    cells += [[_cut(cell(row[name]), most) for name in columns] for row in rows]
    widths = [max(_columns_of(line[i]) for line in cells) for i in range(len(columns))]
    for number, block in enumerate(_blocks(widths, width)):
        if number:
            print()
        for line in cells:
            padded = (line[i] + " " * (widths[i] - _columns_of(line[i])) for i in block)
            print(_GAP.join(padded).rstrip())


def cell(value: Any) -> str:
    """A value of `reading.cells.plain` on one line.

    NULL is `NULL`; the empty text, and a text that reads NULL, are in quotes.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"' if value in ("", "NULL") else escaped(value)
        case dict() | list():
            return escaped(json.dumps(value, ensure_ascii=False))
        case _:
            return str(value)


def _blocks(widths: Sequence[int], width: int) -> Iterator[list[int]]:
    block: list[int] = []
    used = 0
    for number, needed in enumerate(widths):
        if block and used + len(_GAP) + needed > width:
            yield block
            block, used = [], 0
        used += needed + (len(_GAP) if block else 0)
        block.append(number)
    if block:
        yield block


def _cut(text: str, most: int) -> str:
    if len(text) <= most // 2 or _columns_of(text) <= most:
        return text
    kept = ""
    used = len(_CUT)
    for character in text:
        used += _width(character)
        if used > most:
            break
        kept += character
    return kept + _CUT


def _columns_of(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(character: str) -> int:
    """The columns of a terminal that a character takes."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
