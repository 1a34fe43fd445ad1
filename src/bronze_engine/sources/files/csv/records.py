"""Where the records of CSV end: what can be handed on while the rest is still to come.

A file is cut in pieces without being parsed. In almost all pieces every quote opens or closes a
field, so that a line end ends a record just where the quotes before it are even in number: that
is counted, and that they stand where they must is looked up, a piece at a time. Where one does
not (a quote within a bare text, an escape, a comment, a lone carriage return), the piece is read
record by record with a regular expression: a tenth of the speed, and the definition.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from bronze_engine.sources.files.csv.dialect import LINE, Dialect

__all__ = ["Record", "count_lines", "last_end", "records", "without_comments"]

_LF: Final = ord("\n")
_CR: Final = ord("\r")

Places = np.ndarray[tuple[int], np.dtype[Any]]


class Record(NamedTuple):
    """One record by its place in the piece, with its line end; or a comment."""

    start: int
    end: int
    is_comment: bool


def count_lines(data: bytes) -> int:
    """How many lines end in the data: at \\n, \\r\\n and \\r."""
    lines = int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LF))
    return lines + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else lines


def records(data: bytes, dialect: Dialect, start: int = 0, *, is_last: bool) -> Iterator[Record]:
    """Every whole record from `start`, where one begins; blank lines and comments too.

    A carriage return at the end ends a record only where nothing comes behind it.
    """
    match_record, comment, size = dialect.record.match, dialect.comment, len(data)
    while start < size:
        is_comment = bool(comment) and data.startswith(comment, start)
        found = LINE.match(data, start) if is_comment else match_record(data, start)
        if found is None:
            return
        end = found.end()
        if end == size and not is_last and data[-1] == _CR:
            return
        yield Record(start, end, is_comment)
        start = end


def last_end(data: bytes, dialect: Dialect, *, hold: int = 0) -> int:
    """Where the last record ends that at least `hold` records follow, blank lines not counted;
    0 where there is none. The data begins with a record, and more may come behind it."""
    quotes = _quotes(data, dialect)
    if quotes is None:
        return _last([record.end for record in records(data, dialect, is_last=False)], data, hold)
    if hold:
        return _last(_ends(data, quotes), data, hold)
    end = data.rfind(b"\n")
    while end >= 0:
        before = int(np.searchsorted(quotes, end))
        if before % 2 == 0:
            break
        end = data.rfind(b"\n", 0, int(quotes[before - 1]))
    return end + 1


def without_comments(data: bytes, dialect: Dialect) -> bytes:
    """Whole records with a blank line in place of each comment: lines keep their numbers."""
    comment = dialect.comment
    if not comment or not (data.startswith(comment) or _comments(data, comment)):
        return data
    return b"".join(
        _line_end(data, end) if is_comment else data[start:end]
        for start, end, is_comment in records(data, dialect, is_last=True)
    )


def _line_end(data: bytes, end: int) -> bytes:
    if data.endswith(b"\r\n", 0, end):
        return b"\r\n"
    return data[end - 1 : end]


def _comments(data: bytes, comment: bytes) -> bool:
    return b"\n" + comment in data or b"\r" + comment in data


def _last(ends: list[int] | Places, data: bytes, hold: int) -> int:
    if hold == 0 or not len(ends):
        return int(ends[-1]) if len(ends) else 0
    places = np.asarray(ends, np.int64)
    sizes = np.diff(places, prepend=0)
    array = np.frombuffer(data, np.uint8)
    is_blank = (sizes == 1) | ((sizes == 2) & (array[np.maximum(places - 2, 0)] == _CR))
    kept = np.flatnonzero(~is_blank)
    return int(places[kept[-hold - 1]]) if len(kept) > hold else 0


def _ends(data: bytes, quotes: Places) -> Places:
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == _LF)
    outside = np.searchsorted(quotes, breaks) % 2 == 0
    ends: Places = breaks[outside] + 1
    return ends


def _quotes(data: bytes, dialect: Dialect) -> Places | None:
    """The places of the quotes, each of which opens or closes a field; None where the piece must
    be read record by record."""
    if dialect.escape and dialect.escape in data:
        return None
    if b"\r" in data and data.count(b"\r") - data.endswith(b"\r") != data.count(b"\r\n"):
        return None
    comment = dialect.comment
    if comment and (data.startswith(comment) or _comments(data, comment)):
        return None
    if not dialect.quote or dialect.quote not in data:
        return np.zeros(0, np.int64)
    array = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(array == dialect.quote[0])
    may_open, may_close = _around(dialect)
    opening, closing = places[0::2], places[1::2]
    if opening[0] == 0:
        opening = opening[1:]
    if len(closing) and closing[-1] == len(data) - 1:
        closing = closing[:-1]
    if not may_open[array[opening - 1]].all() or not may_close[array[closing + 1]].all():
        return None
    return places


@lru_cache(maxsize=16)
def _around(dialect: Dialect) -> tuple[Places, Places]:
    """Which bytes may stand before a quote that opens, and behind one that closes."""
    before, behind = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
    doubled = dialect.quote if dialect.double_quotes else b""
    before[list(dialect.delimiter + b"\n" + doubled)] = True
    behind[list(dialect.delimiter + b"\r\n" + doubled)] = True
    return before, behind
