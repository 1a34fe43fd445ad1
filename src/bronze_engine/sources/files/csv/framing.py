"""One CSV file, cut into blocks of whole records. Synchronous; runs in workers, a piece at a time.

    pieces of UTF-8 -> titles skipped -> the line with the names -> blocks -> footer left out

A block's data is the names of the file's columns as a JSON list on a line of its own, and then
records as they stand in the file: it is decoded without knowing of any other.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final, final

import msgspec

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.errors import ExtractError
from bronze_engine.model.block import Block
from bronze_engine.sources.files.csv.dialect import LINE, Dialect
from bronze_engine.sources.files.csv.division import HEAD_BYTES, likely_delimiter
from bronze_engine.sources.files.csv.foreign import refuse_foreign
from bronze_engine.sources.files.csv.names import read_names
from bronze_engine.sources.files.csv.records import (
    count_lines,
    first_longer,
    last_end,
    records,
    without_comments,
)
from bronze_engine.sources.files.utf8 import Utf8

__all__ = ["BLOCK_BYTES", "Framing"]

BLOCK_BYTES: Final = 1024**2
_ADVICE: Final = 'set csv.encoding to what it is written in, such as "cp1252" or "latin-1"'
_EXCERPT: Final = 40
_JUDGED: Final = 4096


@final
class Framing:
    """Takes the pieces of one file in order. `path` and `number` are the file's.

    Raises ExtractError for bytes that are not of the encoding, for a record past
    `max_record_bytes`, for a quote without an end, for a line of names that is none, and
    for a file that is plainly of another format.
    """

    def __init__(
        self,
        form: CsvFiles,
        dialect: Dialect,
        path: str,
        number: int,
        *,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._form = form
        self._dialect = dialect
        self._path = path
        self._number = number
        self._block_bytes = block_bytes
        self._utf8 = Utf8(form.encoding, path, _ADVICE)
        self._titles = form.skip_lines
        self.names: list[str] | None = list(form.columns) or None
        """As the file writes them; None before they came, and of a file that is empty."""
        self.likely: str | None = None
        """What divides the fields, probably, where the delimiter divides none: known with the
        first block."""
        self._head = b"" if self.names is None else _head(self.names)
        self._is_judged = False
        self._has_begun = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._lines = 0
        """Lines that end before what is held."""

    def feed(self, data: bytes) -> Iterator[Block]:
        """The blocks that are whole with this piece."""
        self._add(self._utf8.feed(data))
        if self._size >= self._block_bytes:
            yield from self._cut(is_last=False)

    def finish(self) -> Iterator[Block]:
        """The last blocks, when the file has ended."""
        self._add(self._utf8.finish())
        yield from self._cut(is_last=True)

    def _add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)

    def _cut(self, *, is_last: bool) -> Iterator[Block]:
        if not self._is_judged:
            self._is_judged = True
            is_named = self.names is None and not self._titles
            refuse_foreign(b"".join(self._pieces)[:_JUDGED], self._path, is_named=is_named)
        # The names go before the records at once, and what follows the last line end behind a
        # block: whatever is joined or cut again is copied again.
        whole, piece = self._pieces[:-1], self._pieces[-1]
        last = len(piece) if is_last else piece.rfind(b"\n") + 1 or len(piece)
        data = b"".join([self._head, *whole, memoryview(piece)[:last]])
        rest = piece[last:]
        if is_last and self._size and not data.endswith((b"\n", b"\r")):
            data += b"\n"
        if not self._head:
            if self._titles:
                data = self._without_titles(data)
            data = self._without_names(data, is_last=is_last)
        elif self._titles:
            data = self._head + self._without_titles(data[len(self._head) :])
        start = len(self._head)
        most = self._form.max_record_bytes
        longer = first_longer(data, self._dialect, start, most) if start else None
        if longer is not None:
            raise self._too_long(data[longer:], count_lines(data[:longer], start))
        if start:
            end = self._end(data, start, is_last=is_last)
            if end > start or (is_last and not self._has_begun):
                yield self._block(data[:end], start)  # of a file without records, too
                self._has_begun = True
            data = b"" if is_last else data[end:]
        self._pieces = [data, rest] if rest else [data]
        self._size = len(data) + len(rest)
        if not start and self._size > most:
            raise self._too_long(data)

    def _end(self, data: bytes, start: int, *, is_last: bool) -> int:
        """Where the records end that can be handed on."""
        dialect, footer = self._dialect, self._form.skip_footer
        if not is_last:
            return last_end(data, dialect, start, hold=footer)
        end = last_end(data, dialect, start)
        if end < len(data):
            end = max(
                (each.end for each in records(data, dialect, start, is_last=True)), default=start
            )
        if end < len(data):
            raise self._open_quote(data, start, end)
        if not footer:
            return end
        whole = data if data.endswith(b"\n") else data + b"\n"
        return min(last_end(whole, dialect, start, hold=footer), end)

    def _block(self, data: bytes, start: int) -> Block:
        self._utf8.check(data, start, self._lines)
        if not self._has_begun and len(self._form.columns) > 1:
            self.likely = likely_delimiter(data[start : start + HEAD_BYTES], self._dialect)
        lines = self._lines
        self._lines += count_lines(data, start)
        data = without_comments(data, self._dialect, start)
        return Block(data=data, records=0, page=self._number, offset=lines)

    def _without_titles(self, data: bytes) -> bytes:
        start = 0
        while self._titles:
            found = LINE.match(data, start)
            if found is None or (found.end() == len(data) and data.endswith(b"\r")):
                break
            start = found.end()
            self._titles -= 1
            self._lines += 1
        return data[start:]

    def _without_names(self, data: bytes, *, is_last: bool) -> bytes:
        if self._titles:
            return data
        for start, end, is_comment in records(data, self._dialect, is_last=is_last):
            record = data[start:end]
            if is_comment or not record.strip(b"\r\n"):
                continue
            self._utf8.check(record, 0, self._lines)
            if len(record.rstrip(b"\r\n")) > self._form.max_record_bytes:
                raise self._too_long(record, count_lines(data[:start]))
            try:
                self.names = read_names(record, self._dialect, trim=self._form.trim)
            except csv.Error as exc:
                raise ExtractError(
                    f"{self._path}: the line with the names of the columns is no CSV: {exc}; check"
                    " csv.delimiter and csv.quote, or set csv.columns"
                ) from None
            if len(self.names) == 1:
                self.likely = likely_delimiter(data[start : start + HEAD_BYTES], self._dialect)
            self._head = _head(self.names)
            self._lines += count_lines(data[:end])
            return self._head + data[end:]
        return data

    def _too_long(self, data: bytes, lines: int = 0) -> ExtractError:
        """`lines` are those between what is held and the record."""
        return ExtractError(
            f"{self._path}: the record that begins in line {self._lines + lines + 1:,} has more"
            f" than {self._form.max_record_bytes:,} bytes: a quote without an end, or a file that"
            f" is no CSV ({_excerpt(data)}); check csv.quote, or raise csv.max_record_bytes"
        )

    def _open_quote(self, data: bytes, start: int, end: int) -> ExtractError:
        line = self._lines + count_lines(data[:end], start) + 1
        return ExtractError(
            f"{self._path}: the record that begins in line {line:,} has no end: the file was cut"
            f" off within quotes, or it quotes otherwise ({_excerpt(data[end:])}); check"
            ' csv.quote, "" for none'
        )


def _head(names: list[str]) -> bytes:
    return msgspec.json.encode(names) + b"\n"


def _excerpt(data: bytes) -> str:
    return repr(data[:_EXCERPT].decode(errors="replace"))
