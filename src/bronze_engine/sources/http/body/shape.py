"""The shape of a source's pages: from the bytes of a body to lines, one record each.

Pure and synchronous; runs in a worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, final

import msgspec

from bronze_engine.sources.http.body.blocks import (
    BLOCK_BYTES,
    NO_MEMBERS,
    Members,
    cut_blocks,
    splice,
)
from bronze_engine.sources.http.body.document import Document, RecordList
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.body.raw import control, find, one_line
from bronze_engine.sources.http.body.split import Lines, Split

__all__ = ["Shape"]

_BOM: Final = b"\xef\xbb\xbf"


@final
class Shape:
    """How the pages of one source are read. Made once a source, used by all its chains.

    `records`, `fields`, `null_records`, `envelope` and `record_set` are as `Document` says.
    `last` is the dotted path of a key within each record, whose value in a page's last record
    `Split.last` then is. `keep_body` and `keep_originals` fill `Split.body` and
    `Lines.originals`.
    """

    def __init__(
        self,
        records: str | Sequence[str] | None,
        fields: Sequence[str] = (),
        *,
        null_records: Literal["fail", "empty"] = "fail",
        envelope: Mapping[str, str] | None = None,
        record_set: str | None = None,
        last: str | None = None,
        keep_body: bool = False,
        keep_originals: bool = False,
    ) -> None:
        self._document = Document(
            [records] if records is None or isinstance(records, str) else records,
            fields,
            null_records=null_records,
            envelope=envelope,
            record_set=record_set,
        )
        self._last = tuple(last.split(".")) if last is not None else None
        self._keep_body = keep_body
        self._keep_originals = keep_originals

    def read(
        self,
        chunks: Sequence[bytes],
        coding: str,
        limit_bytes: int,
        carried: Members = NO_MEMBERS,
    ) -> Split:
        """Cut a body, as it came over the wire, into its records; all of it in one job.

        `coding` is its content coding, "" for none; `limit_bytes` its largest size without
        it; `carried` is spliced into each record. Raises CutGzip for a compressed stream
        without an end, ExtractError for a body that can't be read, and PageError where the
        records are not at their path.
        """
        return self.split(inflate(chunks, coding, limit_bytes), carried)

    def split(self, body: bytes | bytearray, carried: Members = NO_MEMBERS) -> Split:
        """`read` of a body that is not compressed."""
        text = body[len(_BOM) :] if body.startswith(_BOM) else body  # noqa: FURB188  # bytearrays
        lists, fields = self._document.find(text)
        # JSON allows line breaks between tokens only, so a body without any needs no second look.
        has_breaks = text.find(b"\n", 0, -1) >= 0 or text.find(b"\r", 0, -2) >= 0
        if len(lists) == 1:
            lines = tuple(self._lines(lists[0], len(text), carried, has_breaks=has_breaks))
        else:
            pieces = [
                piece
                for each in lists
                for piece in self._lines(each, len(text), carried, has_breaks=has_breaks)
            ]
            lines = tuple(_gathered(pieces))
        return Split(
            lines=lines,
            records=sum(each.records for each in lines),
            fields={path: control(raw) for path, raw in fields.items()},
            last=None if self._last is None else _last_key(lists, self._last),
            body=body if self._keep_body else None,
        )

    def _lines(
        self, records: RecordList, size_bytes: int, carried: Members, *, has_breaks: bool
    ) -> Iterator[Lines]:
        raws: Sequence[msgspec.Raw] = records.raws
        members = records.members + carried
        keeps = self._keep_originals and (has_breaks or members.names)
        originals = raws if keeps else None
        if has_breaks:
            raws = [msgspec.Raw(one_line(raw)) for raw in raws]
        for lines in cut_blocks(raws, size_bytes):
            start, end = lines.offset, lines.offset + lines.records
            yield Lines(
                splice(lines.data, lines.records, members),
                lines.records,
                start,
                None if originals is None else tuple(map(bytes, originals[start:end])),
            )


def _gathered(pieces: Sequence[Lines]) -> Iterator[Lines]:
    """The lines of several lists in blocks of about BLOCK_BYTES."""
    held: list[Lines] = []
    size = offset = 0
    for number, lines in enumerate(pieces, 1):
        held.append(lines)
        size += len(lines.data)
        if size < BLOCK_BYTES and number < len(pieces):
            continue
        records = sum(each.records for each in held)
        originals: list[bytes] | None = None
        if any(each.originals is not None for each in held):
            originals = []
            for each in held:
                originals += each.originals or each.data.split(b"\n")[:-1]
        yield Lines(
            b"".join([each.data for each in held]),
            records,
            offset,
            None if originals is None else tuple(originals),
        )
        held, size, offset = [], 0, offset + records


def _last_key(lists: Sequence[RecordList], path: tuple[str, ...]) -> object:
    record = next((each.raws[-1] for each in reversed(lists) if each.raws), None)
    if record is None:
        return None
    try:
        value = find(record, path)
    except msgspec.DecodeError:
        return None  # for the decoder to reject
    return None if value is None else control(value)
