"""A JSON array of any size, cut between its elements: each piece is a small array of its own.

Only where strings and brackets begin and end is looked at, by numpy (150 MB/s): what stands
between is judged by whoever parses the pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, final

import numpy as np

from bronze_engine.errors import ExtractError

__all__ = ["Elements"]

_ESCAPED: Final = re.compile(rb"\\.", re.DOTALL)
_BLANK: Final = b" \t\r\n"
_NO_PLACES: Final = np.zeros(0, np.int64)


@final
class Elements:
    """Cuts one array that comes in chunks. Raises ExtractError for what is none."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._held: list[bytes] = []
        """What came since the last cut."""
        self._held_bytes = 0
        self._depth = 0
        self._in_string = False
        self._is_escaped = False
        self._is_done = False
        self._pieces = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The elements that are whole now, as an array."""
        if not self._depth and not self._is_done:
            chunk = chunk.lstrip(_BLANK)
            if not chunk:
                return
            if not chunk.startswith(b"["):
                raise ExtractError(f"{self._path} holds no array where it begins")
            self._depth, chunk = 1, chunk[1:]
        if self._is_done:
            self._refuse_more(chunk)
            return
        commas, end = self._scan(chunk)
        self._check_sizes(commas, len(chunk) if end is None else end)
        if end is not None:
            if chunk[end : end + 1] != b"]":
                raise ExtractError(f"{self._path} is no valid JSON: its array ends with a brace")
            self._is_done = True
            last = b"".join((*self._held, chunk[:end]))
            self._held = []
            self._refuse_more(chunk[end + 1 :])
            if last.strip(_BLANK) or self._pieces:
                yield self._piece(last)
            return
        if not len(commas):
            self._hold(chunk)
            return
        cut = int(commas[-1])
        whole = b"".join((*self._held, chunk[:cut]))
        self._held, self._held_bytes = [], 0
        self._hold(chunk[cut + 1 :])
        yield self._piece(whole)

    def finish(self) -> None:
        """Raise ExtractError where the end is missing."""
        if not self._is_done:
            what = "its end is missing" if self._depth else "it is empty"
            raise ExtractError(f"{self._path} is no whole JSON array: {what}; fetch it again")

    def _hold(self, chunk: bytes) -> None:
        self._held.append(chunk)
        self._held_bytes += len(chunk)

    def _check_sizes(self, commas: Any, end: int) -> None:
        """Of the elements up to each comma, and of what there is of the one up to `end`."""
        edges = np.concatenate(([-self._held_bytes - 1], commas, [end]))
        if int(np.diff(edges).max()) - 1 > self._max_bytes:
            raise ExtractError(
                f"{self._path} has a record of more than {self._max_bytes:,} bytes; raise"
                " source.max_document_bytes if it is one"
            )

    def _piece(self, elements: bytes) -> bytes:
        if not elements.strip(_BLANK):
            raise ExtractError(f"{self._path} has a comma without an element beside it")
        self._pieces += 1
        return b"[%b]" % elements

    def _refuse_more(self, chunk: bytes) -> None:
        if chunk.strip(_BLANK):
            raise ExtractError(
                f"{self._path} goes on behind its array; if each line is a record, set"
                ' format = "ndjson"'
            )

    def _scan(self, chunk: bytes) -> tuple[Any, int | None]:
        """Where the commas between elements are, and where the array ends."""
        if not chunk:
            return _NO_PLACES, None
        plain = b"_" + chunk[1:] if self._is_escaped else chunk
        plain = _ESCAPED.sub(b"__", plain)
        self._is_escaped = plain.endswith(b"\\")
        data = np.frombuffer(plain, np.uint8)
        quotes = data == 0x22
        inside = np.bitwise_xor.accumulate(quotes)
        if self._in_string:
            inside = ~inside
        self._in_string = bool(inside[-1])
        # { and [, } and ] differ in one bit; inside of strings they mean themselves.
        folded = data | 0x20
        steps = (folded == 0x7B).astype(np.int8) - (folded == 0x7D).astype(np.int8)
        steps[inside] = 0
        depth = np.cumsum(steps, dtype=np.int32)
        depth += self._depth
        commas: Any = np.flatnonzero((data == 0x2C) & (depth == 1) & ~inside)
        ends: Any = np.flatnonzero(depth == 0)
        if len(ends):
            return commas[commas < ends[0]], int(ends[0])
        self._depth = int(depth[-1])
        return commas, None
