"""A block: whole records of one slice, in order, on their way to the decoder."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pyarrow as pa

from bronze_engine.model.page import CapturedPage
from bronze_engine.model.window import Bounds

__all__ = ["Block", "Reject"]


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Records as the source sent them: in `data`, or in `batch`. Only that source's decoder reads
    either."""

    data: bytes = b""
    """JSON sources: one record a line, UTF-8, each line ended by a newline. Postgres: whole rows
    of COPY BINARY. Empty where a page has no record."""
    batch: pa.RecordBatch | None = None
    """What a driver hands on that speaks Arrow (ADBC). As a message of Arrow IPC in `data` it
    would be copied twice (0.1 ms a MiB), and its dictionaries left behind."""
    records: int
    """0 where nobody knows before they are decoded."""
    page: int
    """Number of the page (from 1) or chunk that these records came in: for the quarantine."""
    offset: int = 0
    """Place of the first record within that page, from 0."""
    as_of: datetime | None = None
    """The source's own clock when the slice's first page was answered, aware; None if unknown.

    Rows newer than this less the configured lag belong to the next window.
    """
    bounds: Bounds | None = None
    """The step of the window that these records were asked for in: those outside of it come
    with another step."""
    originals: tuple[bytes, ...] | None = None
    """The records as the source sent them, where `schema.raw` or `Request.keeps_records` asks for
    them and the lines of `data` are not exactly that (written over several lines, joined with
    other fields)."""
    rejects: tuple[Reject, ...] = ()
    """Records that follow these in their page and that no line could be made of."""
    captured: CapturedPage | None = None
    """With the first block of a page, where `capture = "pages"` asks for it; a page without
    records comes as a block without any."""

    @property
    def size_bytes(self) -> int:
        """What its decoding costs by: the captured page is not decoded, and not counted."""
        size = len(self.data) + (sum(map(len, self.originals)) if self.originals else 0)
        return size if self.batch is None else size + self.batch.nbytes


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A record that can't be landed without changing it, with the reason why."""

    reason: str
    page: int
    offset: int
    """Place of the record within its page, from 0."""
    raw: bytes
    """The record's exact bytes."""
    decoded: bytes | None = None
    """What was decoded in its place, where that is something else: on one line, with columns
    that were joined to it."""
    file: str | None = None
    """Of a source of files: the path of the one that it stands in."""
    line: int | None = None
    """Its first line there, from 1, where records stand on lines."""
    rule: str | None = None
    """The rule of `quality.rules` that it broke; None where it could not be landed at all."""
