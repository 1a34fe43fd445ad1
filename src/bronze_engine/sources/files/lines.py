"""Files of one JSON value a line: cut at line ends, not parsed. Synchronous; runs in workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, final

import numpy as np

from bronze_engine.errors import ExtractError
from bronze_engine.model.block import Block
from bronze_engine.sources.files.utf8 import Utf8

__all__ = ["BLOCK_BYTES", "JsonLines"]

BLOCK_BYTES: Final = 512 * 1024
_BLANK: Final = b" \t\r"
_BREAK, _BRACE = b"\n{"
_SLICE_BYTES: Final = 128 * 1024
"""Looked through at once: what is made of them stays in memory that is mapped already."""


@final
class JsonLines:
    """Takes the pieces of one file in order; `path` and `number` are the file's.

    JSON allows no line break within a value, so each line is one record, and blank ones are
    none. What a line holds is the decoder's to judge, and that it is UTF-8; a `Block.offset` is
    the number of lines before its first record. Raises ExtractError for a line past `max_bytes`,
    and for half a character at the end of a file in another encoding.
    """

    def __init__(
        self, path: str, number: int, max_bytes: int, *, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._path = path
        self._number = number
        self._max_bytes = max_bytes
        self._block_bytes = block_bytes
        self._utf8 = Utf8(None, path, "have it written in UTF-8")
        self._pieces: list[bytes] = []
        self._size = 0
        self._open = 0
        """Bytes of the line that has no end yet."""
        self._lines = 0

    def feed(self, data: bytes) -> Iterator[Block]:
        """The blocks that are whole with this piece."""
        data = self._utf8.feed(data)
        self._size += len(data)
        end = data.rfind(b"\n") + 1
        self._open = len(data) - end if end else self._open + len(data)
        self._check_size(self._open - data.endswith(b"\r"))
        if self._size < self._block_bytes or self._open == self._size:
            self._pieces.append(data)
            return
        if end:  # the usual case: nothing but the block is copied
            lines = b"".join([*self._pieces, memoryview(data)[:end]])
            self._pieces = [data[end:]]
        else:
            data = b"".join([*self._pieces, data])
            end = len(data) - self._open
            lines, self._pieces = data[:end], [data[end:]]
        self._size = self._open
        yield from self._blocks(lines)

    def finish(self) -> Iterator[Block]:
        """The last blocks, when the file has ended."""
        data = b"".join([*self._pieces, self._utf8.finish()])
        if data and not data.endswith(b"\n"):
            data += b"\n"
        yield from self._blocks(data)

    def _blocks(self, data: bytes) -> Iterator[Block]:
        """Blocks of lines that follow one another: a blank one ends its block, so that the lines
        of the others can be counted."""
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        if len(data) > self._max_bytes:
            self._check_size(max(map(len, data.split(b"\n"))))
        count = _count_objects(data)
        if count is not None:
            yield self._block(data, count)
            return
        held: list[bytes] = []
        for row in data.split(b"\n")[:-1]:
            if row.strip(_BLANK):
                held.append(row)
                continue
            if held:
                yield self._block(b"\n".join([*held, b""]), len(held))
                held.clear()
            self._lines += 1
        if held:
            yield self._block(b"\n".join([*held, b""]), len(held))

    def _block(self, data: bytes, count: int) -> Block:
        block = Block(data=data, records=count, page=self._number, offset=self._lines)
        self._lines += count
        return block

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise ExtractError(
                f"{self._path}: a line, from line {self._lines + 1:,} on, has more than"
                f" {self._max_bytes:,} bytes;"
                ' is it format = "json", one document? Else raise max_document_bytes'
            )


def _count_objects(data: bytes) -> int | None:
    """How many lines there are, where each of them begins with a brace; else None."""
    if not data.startswith(b"{"):
        return None
    text = np.frombuffer(data, np.uint8)
    last = len(data) - 1  # the break that ends the last line
    count = 1
    for start in range(0, last, _SLICE_BYTES):
        breaks = np.flatnonzero(text[start : min(start + _SLICE_BYTES, last)] == _BREAK)
        if not (text[breaks + (start + 1)] == _BRACE).all():
            return None
        count += len(breaks)
    return count
