"""The rows of a CSV body, each to the byte: what Arrow's reader does not tell."""

from __future__ import annotations

from typing import Final

import numpy as np

from bronze_engine.errors import ExtractError

__all__ = ["row_texts"]

_LF: Final = ord("\n")
_CR: Final = ord("\r")


def row_texts(body: bytes | bytearray, *, delimiter: str, quote: str) -> list[bytes]:
    """The rows in order, without their line ends; empty lines are none. `quote` "" is none.

    Raises ExtractError for a quote that neither begins nor ends a field (RFC 4180): readers do
    not agree on where the rows are then.
    """
    data = np.frombuffer(body, np.uint8)
    breaks = np.flatnonzero((data == _LF) | (data == _CR))
    if quote:
        quotes = np.flatnonzero(data == ord(quote))
        _refuse_stray(data, quotes, (ord(delimiter), _LF, _CR))
        # Within quotes is what an odd number of them stands before.
        breaks = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
    view = bytes(body)
    ends = [*breaks.tolist(), len(view)]
    starts = [0, *(end + 1 for end in ends[:-1])]
    return [view[start:end] for start, end in zip(starts, ends, strict=True) if end > start]


def _refuse_stray(
    data: np.ndarray[tuple[int], np.dtype[np.uint8]],
    quotes: np.ndarray[tuple[int], np.dtype[np.intp]],
    between: tuple[int, ...],
) -> None:
    """Refuse quotes that do not stand at the ends of a field, and are not doubled within one."""
    opening, closing = quotes[::2], quotes[1::2]
    before = np.isin(data[np.maximum(opening - 1, 0)], between) | (opening == 0)
    after = np.isin(data[np.minimum(closing + 1, len(data) - 1)], between)
    after |= closing == len(data) - 1
    # Two side by side are one character of the field: the first closes, the second opens.
    before[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    after[: len(opening) - 1] |= opening[1:] == closing[: len(opening) - 1] + 1
    if not (before.all() and after.all()):
        raise ExtractError(
            "a quote stands within a field that is not quoted, so where the rows are can't be "
            'told for `_raw`; set csv.quote = "" if quotes mean nothing, or schema.raw = false'
        )
