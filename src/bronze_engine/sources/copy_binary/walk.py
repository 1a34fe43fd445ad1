"""Whole rows out of chunks that are cut anywhere: the slow path, one field after another."""

from __future__ import annotations

import struct
from typing import Final, final

from bronze_engine.sources.copy_binary.framing import (
    COUNT_BYTES,
    LENGTH_BYTES,
    NULL,
    BrokenFraming,
)

__all__ = ["Walker"]

_MAX_VALUE_BYTES: Final = 2**30
"""PostgreSQL's own limit of a value."""

_COUNT: Final = struct.Struct("!h")
_LENGTH: Final = struct.Struct("!i")
_TRAILER: Final = -1


@final
class Walker:
    """Hands on whole rows of one stream, and keeps what is cut for the next chunk.

    No field is looked at twice, however often its row is cut.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._held = bytearray()
        """From the first row that is not whole."""
        self._at = 0
        """Where the next count or length stands in it, perhaps behind what has come."""
        self._fields_left = 0
        """Of the row at hand, whose count has been read; 0 where a count is next."""
        self._rows = 0
        self._has_ended = False

    def feed(self, chunk: bytes) -> bytes:
        """The rows that this chunk has made whole, in order; empty where it ends none.

        The trailer is taken off. Raises BrokenFraming where these are no rows of so many
        columns.
        """
        self._held += chunk
        held, size = self._held, len(self._held)
        at, left, whole = self._at, self._fields_left, 0
        while not self._has_ended:
            if not left:
                if at > size:
                    break
                if at > whole:
                    whole = at
                    self._rows += 1
                if at + COUNT_BYTES > size:
                    break
                (count,) = _COUNT.unpack_from(held, at)
                if count == _TRAILER:
                    self._has_ended = True
                    break
                if count != self._columns:
                    raise BrokenFraming(
                        f"behind row {self._rows} a row of {self._columns} columns was expected, "
                        f"and {count} was read as their count"
                    )
                at += COUNT_BYTES
                left = count
            while left and at + LENGTH_BYTES <= size:
                (length,) = _LENGTH.unpack_from(held, at)
                if not NULL <= length <= _MAX_VALUE_BYTES:
                    raise BrokenFraming(
                        f"column {self._columns - left + 1} of row {self._rows + 1} has a value "
                        f"of {length} bytes"
                    )
                at += LENGTH_BYTES + max(length, 0)
                left -= 1
            if left:
                break
        rows = bytes(memoryview(held)[:whole])
        del held[:whole]
        self._at, self._fields_left = at - whole, left
        if self._has_ended and len(held) > COUNT_BYTES:
            raise BrokenFraming(f"{len(held) - COUNT_BYTES} bytes stand behind the trailer")
        return rows

    def finish(self) -> None:
        """No chunk is left. Raises BrokenFraming where the last row is not whole."""
        if self._held and not self._has_ended:
            raise BrokenFraming(
                f"row {self._rows + 1} is cut: the rows end {len(self._held)} bytes after it began"
            )
