"""What probably divides the fields of a file that its delimiter does not divide."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from bronze_engine.sources.delimiters import DELIMITERS
from bronze_engine.sources.files.csv.dialect import Dialect

__all__ = ["HEAD_BYTES", "likely_delimiter"]

HEAD_BYTES: Final = 16 * 1024
"""Of records: enough to tell."""
_SHARE: Final = 0.8
"""Of records with as many fields as the first, by a delimiter that is likely."""


def likely_delimiter(head: bytes, dialect: Dialect) -> str | None:
    """The delimiter that gives the first record several fields and most of the others as many.

    `head` is the beginning of the records in UTF-8, the line with the names among them, of which
    the last may be cut off. None where the dialect's own divides the first, and where none is
    likely.
    """
    text = head.decode(errors="replace")
    own = dialect.delimiter.decode()
    widths = {each: _widths(text, each, dialect) for each in {own, *DELIMITERS}}
    if not widths[own] or widths[own][0] > 1:
        return None
    likely = [each for each in DELIMITERS if _divides(widths[each])]
    return max(likely, key=lambda each: widths[each][0], default=None)


def _widths(text: str, delimiter: str, dialect: Dialect) -> list[int]:
    """How many fields each record has: of those that a cut has left whole, or of the only one."""
    quote, escape = dialect.quote.decode(), dialect.escape.decode()
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        doublequote=dialect.double_quotes,
        escapechar=escape or None,
    )
    widths: list[int] = []
    with suppress(csv.Error):  # a field without end: what came before it counts
        widths.extend(len(row) for row in reader if row)
    return widths[:-1] or widths


def _divides(widths: Sequence[int]) -> bool:
    if not widths or widths[0] < 2:
        return False
    return Counter(widths)[widths[0]] >= _SHARE * len(widths)
