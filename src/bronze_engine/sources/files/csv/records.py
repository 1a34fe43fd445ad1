"""Where the records of CSV end: what can be handed on while the rest is still to come.

A file is cut in pieces without being parsed. In almost all pieces quotes open and close fields by
turns, so that a line end ends a record just where the quotes before it are even in number: that
is counted, and that those that open stand where they must is looked up, a piece at a time. Where
one does not (a quote within a bare text, an escape, a comment, a lone carriage return), the piece
is read record by record with a regular expression: a tenth of the speed, and the definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from bronze_engine.sources.files.csv.dialect import LINE, Dialect

__all__ = [
    "Record",
    "count_lines",
    "first_longer",
    "has_empty_quotes",
    "last_end",
    "records",
    "without_comments",
]

_LF: Final = ord("\n")
_CR: Final = ord("\r")

_BLANK: Final = b"\r\n"
"""A line of its own, whatever ends the one before and begins the one behind."""
_STRIDE: Final = 64 * 1024
"""What stays in a core's cache while it is looked at several times; and what is made of so much
stays in memory that is mapped already, which is most of the time (measured)."""

Places = np.ndarray[tuple[int], np.dtype[Any]]

_NOTHING: Final[Places] = np.zeros(0, np.uint8)


class Record(NamedTuple):
    """One record by its place in the piece, with its line end; or a comment."""

    start: int
    end: int
    is_comment: bool


def count_lines(data: bytes, start: int = 0) -> int:
    """How many lines end in the data from `start` on: at \\n, \\r\\n and \\r."""
    array = _array(data, start)
    lines = sum(int(np.count_nonzero(piece == _LF)) for piece in _pieces(array))
    if data.find(b"\r", start) < 0:
        return lines
    return lines + data.count(b"\r", start) - data.count(b"\r\n", start)


def has_empty_quotes(data: bytes, dialect: Dialect, start: int) -> bool:
    """Whether a field may be two quotes and nothing else. Where quotes are common this takes a
    fifth of what a search takes."""
    array, quote = _array(data, start), dialect.quote[0]
    for begin in range(0, len(array), _STRIDE):
        found = array[begin : begin + _STRIDE + 1] == quote
        pairs = np.flatnonzero(found[1:] & found[:-1]) + begin
        if not len(pairs):
            continue
        if pairs[0] == 0 or pairs[-1] + 2 >= len(array):
            return True
        ends = dialect.delimiter + b"\r\n"
        if (_is_any(array.take(pairs - 1), ends) & _is_any(array.take(pairs + 2), ends)).any():
            return True
    return False


def _pieces(array: Places) -> Iterator[Places]:
    return (array[begin : begin + _STRIDE] for begin in range(0, len(array), _STRIDE))


def _array(data: bytes, start: int) -> Places:
    return np.frombuffer(data, np.uint8, offset=start) if start < len(data) else _NOTHING


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


def last_end(data: bytes, dialect: Dialect, start: int = 0, *, hold: int = 0) -> int:
    """Where the last record ends that at least `hold` records follow, blank lines not counted;
    `start`, where one begins, if there is none. More may come behind the data."""
    quotes = _quotes(data, dialect, start)
    if quotes is None:
        ends = [record.end for record in records(data, dialect, start, is_last=False)]
        return _last(ends, data, start, hold)
    if hold:
        return _last(_ends(data, start, quotes), data, start, hold)
    end = data.rfind(b"\n", start)
    while end >= 0:
        before = int(np.searchsorted(quotes, end - start))
        if before % 2 == 0:
            return end + 1
        end = data.rfind(b"\n", start, start + int(quotes[before - 1]))
    return start


def first_longer(data: bytes, dialect: Dialect, start: int, most: int) -> int | None:
    """Where the first record begins that has more bytes than `most`, without its line end; the
    last may have none yet."""
    if len(data) - start <= most:
        return None
    quotes = _quotes(data, dialect, start)
    if quotes is None:
        found = [record.end for record in records(data, dialect, start, is_last=False)]
        ends = np.asarray(found, np.int64)
    else:
        ends = _ends(data, start, quotes)
    edges = np.concatenate(([start], ends, [len(data)]))
    for place in np.flatnonzero(np.diff(edges) > most):
        begin, end = int(edges[place]), int(edges[place + 1])
        if len(data[begin:end].removesuffix(b"\n").removesuffix(b"\r")) > most:
            return begin
    return None


def without_comments(data: bytes, dialect: Dialect, start: int = 0) -> bytes:
    """Whole records from `start` on, a blank line in place of each comment: so lines keep their
    numbers."""
    comment = dialect.comment
    if not comment or not _has_comment(data, comment, start):
        return data
    kept = [
        _BLANK if is_comment else data[begin:end]
        for begin, end, is_comment in records(data, dialect, start, is_last=True)
    ]
    return b"".join([data[:start], *kept])


def _has_comment(data: bytes, comment: bytes, start: int) -> bool:
    return data.startswith(comment, start) or any(
        data.find(end + comment, start) >= 0 for end in (b"\n", b"\r")
    )


def _last(ends: Sequence[int] | Places, data: bytes, start: int, hold: int) -> int:
    if hold == 0 or not len(ends):
        return int(ends[-1]) if len(ends) else start
    places = np.asarray(ends, np.int64)
    sizes = np.diff(places, prepend=start)
    array = np.frombuffer(data, np.uint8)
    is_blank = (sizes == 1) | ((sizes == 2) & (array[np.maximum(places - 2, 0)] == _CR))
    kept = np.flatnonzero(~is_blank)
    return int(places[kept[-hold - 1]]) if len(kept) > hold else start


def _ends(data: bytes, start: int, quotes: Places) -> Places:
    breaks = np.flatnonzero(_array(data, start) == _LF)
    outside = np.searchsorted(quotes, breaks) % 2 == 0
    ends: Places = breaks[outside] + start + 1
    return ends


def _quotes(data: bytes, dialect: Dialect, start: int) -> Places | None:
    """The places, from `start`, of the quotes, which open and close fields by turns; None where the
    piece must be read record by record."""
    if dialect.escape and data.find(dialect.escape, start) >= 0:
        return None
    if data.find(b"\r", start) >= 0:
        ends_open = len(data) > start and data.endswith(b"\r")
        if data.count(b"\r", start) - ends_open != data.count(b"\r\n", start):
            return None
    if dialect.comment and _has_comment(data, dialect.comment, start):
        return None
    if not dialect.quote or data.find(dialect.quote, start) < 0:
        return _NOTHING
    array = _array(data, start)
    quote = dialect.quote[0]
    found = [np.flatnonzero(piece == quote) for piece in _pieces(array)]
    places = np.concatenate([each + at * _STRIDE for at, each in enumerate(found)])
    # Where every other one opens a field, or doubles the one before, those between close it:
    # what follows them up to the next is outside of quotes, whatever it is.
    opening = places[2::2] if places[0] == 0 else places[0::2]
    doubled = dialect.quote if dialect.double_quotes else b""
    before = array.take(opening - 1)
    return places if _is_any(before, dialect.delimiter + b"\n" + doubled).all() else None


def _is_any(array: Places, allowed: bytes) -> Places:
    """Which bytes are one of a few: fastest asked one after the other."""
    found: Places = array == allowed[0]
    for byte in allowed[1:]:
        found |= array == byte
    return found
