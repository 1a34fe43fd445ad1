"""The line with the names of the columns."""

from __future__ import annotations

import csv
import io
import re
from typing import Final

from bronze_engine.sources.files.csv.dialect import Dialect

__all__ = ["NO_NAME", "keys_of", "read_names"]

NO_NAME: Final = re.compile(r"\s*[-+]?\d[\d.,:/\- ]*\s*")
"""A number or a date: what stands in a record and is no name of a column."""


def read_names(record: bytes, dialect: Dialect, *, trim: bool) -> list[str]:
    """The names as they are written, of a record in UTF-8 with its line end.

    Raises csv.Error for what is none.
    """
    text = io.StringIO(record.decode(), newline="")
    reader = csv.reader(
        text,
        delimiter=dialect.delimiter.decode(),
        quotechar=dialect.quote.decode() or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=dialect.double_quotes,
        escapechar=dialect.escape.decode() or None,
    )
    names = next(reader, [])
    return [name.strip(" \t") for name in names] if trim else names


def keys_of(names: list[str]) -> list[str]:
    """The key of each column: its name; of one without a name its place, from 1; of one whose
    name came before, or is a later one's, the name with a number behind it."""
    taken = set(names)
    seen: set[str] = set()
    keys: list[str] = []
    for place, name in enumerate(names, 1):
        key = name or f"column_{place}"
        number = 2
        if key in seen or (not name and key in taken):
            wanted = key
            while key in seen or key in taken:
                key, number = f"{wanted}_{number}", number + 1
        seen.add(key)
        keys.append(key)
    return keys
