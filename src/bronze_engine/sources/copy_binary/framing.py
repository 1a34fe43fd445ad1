"""What COPY BINARY is made of, and the signal that some bytes are not.

    row     int16 count of fields, then for each field int32 length (-1: NULL) and that many bytes
    end     int16 -1, once, behind the last row

https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS (Binary Format).
The file's header has been taken off by whoever hands bytes to this package.
"""

from __future__ import annotations

from typing import Final

from bronze_engine.sources.copy_binary.cells import Bytes

__all__ = ["COUNT_BYTES", "LENGTH_BYTES", "NULL", "TRAILER", "BrokenFraming", "ends_block"]

COUNT_BYTES: Final = 2
LENGTH_BYTES: Final = 4
NULL: Final = -1
TRAILER: Final = b"\xff\xff"


class BrokenFraming(Exception):
    """These bytes are not whole rows of the expected columns; the message says what they are."""


def ends_block(data: Bytes, place: int, end: int) -> bool:
    """Whether a row that ends at `place` is the last of a block that ends at `end`."""
    if place == end:
        return True
    return place == end - len(TRAILER) and data[place:end].tobytes() == TRAILER
