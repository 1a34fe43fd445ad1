"""Chunks of a file as blocks of whole records, each with what the records before it said.

What depends on the order of the file is found here, so that blocks can be decoded side by
side: the number of the first line, the last parent, counts and sums. One for each file.
"""

from __future__ import annotations

import re
from typing import Final, final

import numpy as np
import pyarrow as pa

from bronze_engine.config.files.encodings import is_utf8
from bronze_engine.errors import ExtractError
from bronze_engine.model.arrow import Array
from bronze_engine.model.block import Block
from bronze_engine.sources.files.fixed.charset import Charset
from bronze_engine.sources.files.fixed.plan import Plan
from bronze_engine.sources.files.fixed.records import Records
from bronze_engine.sources.files.fixed.totals import Totals

__all__ = ["Framer"]

_LF: Final = ord("\n")
_BOM: Final = b"\xef\xbb\xbf"
_DOS_END: Final = b"\x1a"
"""Ends text files of old systems."""

_MOST_LINE_BYTES: Final = 16 * 1024**2

_PAST_ASCII: Final = re.compile(rb"[\x80-\xff]")
_LOOKED_AT: Final = 8 * 1024
"""Bytes on both sides of the first character that has several."""


@final
class Framer:
    """Cuts one file. Each call is a job in a worker, one after another."""

    def __init__(self, plan: Plan, number: int, label: str) -> None:
        self._plan = plan
        self._number = number
        self._label = label
        self._charset = Charset(plan.form.encoding, plan.form.widths)
        self._totals = Totals(plan, label) if plan.totals else None
        self._carried: dict[str, Array] = {}
        self._tail = b""
        self._count = 0
        self._to_skip = plan.form.skip_lines
        self._is_begun = False
        self.seems_counted_in_characters: bool | None = None
        """Whether its lines say that places are those of characters, where bytes are counted; None
        until a line has one of several bytes."""

    def feed(self, chunk: bytes) -> Block | None:
        """The whole records of a chunk and of what was left before it; None where there are none.

        Raises ExtractError for a line longer than 16 MiB, QualityError where a total differs.
        """
        if not self._is_begun:
            chunk = self._tail + chunk
            if len(chunk) < len(_BOM):
                self._tail = chunk
                return None
            self._tail, chunk = b"", self._begun(chunk)
        length = self._plan.form.record_length
        if length is None:
            end = chunk.rfind(b"\n") + 1
        else:
            end = max(0, len(chunk) - (len(self._tail) + len(chunk)) % length)
        if not end:
            self._tail += chunk
            if len(self._tail) <= _MOST_LINE_BYTES:
                return None
            raise ExtractError(
                f"{self._label}: line {self._count + 1:,} has more than 16 MiB; fixed-width lines"
                " are shorter. For records without line ends set fixed.record_length"
            )
        view = memoryview(chunk)
        data = b"".join((self._tail, view[:end]))
        self._tail = bytes(view[end:])
        return self._block(data)

    def finish(self) -> Block | None:
        """The last record, where no line end follows it. Raises QualityError for a total that
        differs, or is missing."""
        data = self._tail if self._is_begun else self._begun(self._tail)
        if self._plan.form.record_length is None:
            data = data.removesuffix(_DOS_END)
        block = self._block(data)
        if self._totals is not None:
            self._totals.finish()
        return block

    def _begun(self, data: bytes) -> bytes:
        self._is_begun = True
        return data.removeprefix(_BOM) if is_utf8(self._plan.form.encoding) else data

    def _block(self, data: bytes) -> Block | None:
        data = self._without_skipped(data)
        if not data:
            return None
        length = self._plan.form.record_length
        if self.seems_counted_in_characters is None and not data.isascii():
            self.seems_counted_in_characters = self._counts_bytes and _is_even(data)
        if length is None:
            ends = np.frombuffer(data, np.uint8) == _LF  # a quarter of bytes.count
            count = int(np.count_nonzero(ends)) + (not data.endswith(b"\n"))
        else:
            count = -(-len(data) // length)
        before = None
        if self._carried:
            before = pa.RecordBatch.from_arrays(
                list(self._carried.values()), names=list(self._carried)
            )
        block = Block(data=data, batch=before, records=count, page=self._number, offset=self._count)
        if self._plan.carries or self._totals is not None:
            self._scan(data, count)
        self._count += count
        return block

    @property
    def _counts_bytes(self) -> bool:
        """Of UTF-8 in lines: elsewhere a character is one byte, or lines have no ends."""
        form = self._plan.form
        return form.record_length is None and form.widths == "bytes" and is_utf8(form.encoding)

    def _without_skipped(self, data: bytes) -> bytes:
        length = self._plan.form.record_length
        start = 0
        while self._to_skip and start < len(data):
            end = start + length if length is not None else data.find(b"\n", start) + 1
            start = end if 0 < end < len(data) else len(data)
            self._to_skip -= 1
            self._count += 1
        return data[start:]

    def _scan(self, data: bytes, count: int) -> None:
        records = Records(data, self._plan, self._charset, count=count)
        for parent, pairs in self._plan.carries:
            last = records.last_carried(parent, pairs)
            for place, (column, _) in enumerate(pairs):
                if last:
                    self._carried[column] = last[place]
                elif last is not None:
                    self._carried.pop(column, None)
        if self._totals is not None:
            self._totals.observe(records, self._count)


def _is_even(data: bytes) -> bool:
    """Whether lines around the first character of several bytes have as many characters each,
    and not as many bytes."""
    found = _PAST_ASCII.search(data)
    at = 0 if found is None else found.start()
    begin = max(0, at - _LOOKED_AT)
    begin = data.find(b"\n", begin) + 1 if begin else 0
    lines = data[begin : at + _LOOKED_AT].split(b"\n")[:-1]
    lines = [line.removesuffix(b"\r") for line in lines]
    try:
        widths = {len(line.decode()) for line in lines if line}
    except UnicodeDecodeError:
        return False
    return len(widths) == 1 and len({len(line) for line in lines if line}) > 1
