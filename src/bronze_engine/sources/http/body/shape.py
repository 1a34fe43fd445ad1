"""The shape of a source's pages: from the bytes of a body to lines, one record each.

Pure and synchronous; runs in a worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, final

import msgspec

from bronze_engine.config.http.delimited import CsvFormat
from bronze_engine.sources.http.body.blocks import (
    NO_MEMBERS,
    Members,
    cut_around,
    cut_blocks,
    gathered,
    splice,
)
from bronze_engine.sources.http.body.charset import charset_of, to_utf8
from bronze_engine.sources.http.body.document import Document, RecordList
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.body.kinds import Kind, wrapped
from bronze_engine.sources.http.body.ndjson import ndjson_lines
from bronze_engine.sources.http.body.raw import Body, control, find, kind_of, one_line
from bronze_engine.sources.http.body.sniff import refuse_other
from bronze_engine.sources.http.body.split import Lines, Split
from bronze_engine.sources.http.body.stream import Chunks
from bronze_engine.sources.http.body.table import Table

__all__ = ["Shape"]


@final
class Shape:
    """How the pages of one source are read. Made once a source, used by all its chains.

    `records`, `fields`, `null_records`, `absent_records`, `single_record`, `envelope` and
    `record_set` are as `Document` says,
    `record_kind` and `record_keys` as `Kind`, `csv` and `types` (schema.columns) as `Table`.
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
        absent_records: Literal["fail", "empty"] = "fail",
        single_record: bool = False,
        envelope: Mapping[str, str] | None = None,
        record_set: str | None = None,
        record_kind: Literal["object", "value", "array"] = "object",
        record_keys: Sequence[str] = (),
        form: Literal["json", "ndjson", "csv"] = "json",
        csv: CsvFormat | None = None,
        types: Mapping[str, str] | None = None,
        last: str | None = None,
        keep_body: bool = False,
        keep_originals: bool = False,
    ) -> None:
        self._form = form
        self._document = Document(
            [records] if records is None or isinstance(records, str) else records,
            fields,
            null_records=null_records,
            absent_records=absent_records,
            single_record=single_record,
            envelope=envelope,
            record_set=record_set,
        )
        csv = csv or CsvFormat()
        self._table = Table(csv, types or {}, keep_originals=keep_originals)
        self._encoding = csv.encoding
        self._kind = None if record_kind == "object" else Kind(record_kind, record_keys)
        self._last = tuple(last.split(".")) if last is not None else None
        self._keep_body = keep_body
        self._keep_originals = keep_originals

    @property
    def is_quick(self) -> bool:
        """Whether one pass over the body finds everything, and nothing is made anew."""
        return self._form == "json" and self._kind is None and self._document.is_one_pass

    def read(
        self,
        chunks: Chunks,
        coding: str,
        limit_bytes: int,
        carried: Members = NO_MEMBERS,
        content_type: str = "",
    ) -> Split:
        """Cut a body, as it came over the wire, into its records; all of it in one job.

        `coding` is its content coding, "" for none; `limit_bytes` its largest size without
        it; `carried` is spliced into each record. Raises CutBody for a compressed stream
        without an end, ExtractError for a body that can't be read, and PageError where the
        records are not at their path.
        """
        return self.split(inflate(chunks, coding, limit_bytes), carried, content_type)

    def split(
        self,
        body: bytes | bytearray,
        carried: Members = NO_MEMBERS,
        content_type: str = "",
    ) -> Split:
        """`read` of a body that is not compressed."""
        charset = self._encoding or charset_of(content_type)
        text = to_utf8(body, charset, strict=self._form == "csv")
        if self._form == "json":
            found = self._document.find(text, content_type)
            is_missing, fault = not found.lists, found.fault
            lines = self._of_lists(found.lists, text, carried)
            controls = {path: control(raw) for path, raw in found.fields.items()}
        else:
            refuse_other(text, content_type, self._form)
            is_missing, fault = False, ""
            lines = tuple(self._joined(self._of_lines(text), carried))
            controls = {}
        return Split(
            lines=lines,
            records=sum([each.records + len(each.bad) for each in lines]),
            fields=controls,
            last=None if self._last is None or not lines else _last_key(lines[-1], self._last),
            body=body if self._keep_body else None,
            is_missing=is_missing,
            fault=fault,
        )

    def _of_lists(
        self, lists: Sequence[RecordList], text: bytes | bytearray, carried: Members
    ) -> tuple[Lines, ...]:
        # JSON allows line breaks between tokens only, so a body without any needs no second look.
        has_breaks = text.find(b"\n", 0, -1) >= 0 or text.find(b"\r", 0, -2) >= 0
        size = len(text)
        if len(lists) == 1:
            return tuple(self._of_list(lists[0], size, carried, has_breaks=has_breaks))
        pieces = [
            piece
            for each in lists
            for piece in self._of_list(each, size, carried, has_breaks=has_breaks)
        ]
        return tuple(gathered(pieces))

    def _of_list(
        self, records: RecordList, size_bytes: int, carried: Members, *, has_breaks: bool
    ) -> Iterable[Lines]:
        raws: Sequence[msgspec.Raw | bytes] = records.raws
        if has_breaks:
            raws = [one_line(raw) for raw in records.raws]
        members = records.members + carried
        if self._kind is not None:
            blocks: Iterable[Lines] = self._dressed(self._kind, raws, size_bytes)
        else:
            blocks = cut_blocks(raws, size_bytes)
            if not members.names and not (has_breaks and self._keep_originals):
                return blocks
        keeps = self._keep_originals and (has_breaks or self._kind is not None)
        return self._joined(blocks, members, records.raws if keeps else None)

    def _dressed(
        self, kind: Kind, raws: Sequence[msgspec.Raw | bytes], size_bytes: int
    ) -> Iterator[Lines]:
        if not kind.is_value:
            yield from cut_around([kind.dressed(bytes(raw)) for raw in raws])
            return
        for lines in cut_blocks(raws, size_bytes):
            yield Lines(wrapped(lines.data), lines.records, lines.offset)

    def _of_lines(self, text: bytes | bytearray) -> Iterator[Lines]:
        """The records of a body that has nothing around them."""
        if self._form == "csv":
            yield from self._table.lines(text)
            return
        offset = 0
        for data, records in ndjson_lines(text):
            if self._kind is None:
                yield Lines(data, records, offset)
            else:
                rows = data.split(b"\n")[:-1]
                for lines in cut_around([self._kind.dressed(row) for row in rows]):
                    originals = None
                    if self._keep_originals:
                        originals = tuple(rows[lines.offset : lines.offset + lines.records])
                    place = offset + lines.offset
                    yield Lines(lines.data, lines.records, place, originals, lines.bad)
            offset += records

    def _joined(
        self, blocks: Iterable[Lines], members: Members, raws: Sequence[Body] | None = None
    ) -> Iterator[Lines]:
        """The blocks with `members` in every record, and with what the records were before."""
        if not members.names and raws is None:
            yield from blocks
            return
        for lines in blocks:
            originals = lines.originals
            if raws is not None:
                originals = tuple(map(bytes, raws[lines.offset : lines.offset + lines.records]))
            elif originals is None and self._keep_originals:
                originals = tuple(lines.data.split(b"\n")[:-1])
            data = splice(lines.data, members)
            yield Lines(data, lines.records, lines.offset, originals, lines.bad)


def _last_key(lines: Lines, path: tuple[str, ...]) -> object:
    """The key of the last record, a list as JSON; None where it has none, or is for the decoder to
    reject."""
    start = lines.data.rfind(b"\n", 0, -1) + 1
    try:
        value = find(lines.data[start:-1], path)
    except msgspec.DecodeError:
        return None
    if value is not None and kind_of(value) == "a list":
        return msgspec.Raw(bytes(value))
    return None if value is None else control(value)
