"""The shape of a source's pages: from the bytes of a body to lines, one record each.

Pure and synchronous; runs in a worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, final

import msgspec

from bronze_engine.errors import PageError
from bronze_engine.sources.http.body.blocks import NO_MEMBERS, Members, cut_blocks, splice
from bronze_engine.sources.http.body.document import Document
from bronze_engine.sources.http.body.inflate import inflate
from bronze_engine.sources.http.body.raw import control, find, one_line
from bronze_engine.sources.http.body.split import Lines, Split

__all__ = ["Shape"]

_BOM: Final = b"\xef\xbb\xbf"


@final
class Shape:
    """How the pages of one source are read. Made once a source, used by all its chains.

    `records` and `fields` are paths as `Document` says; `null_records` says what a null in
    the list's place means. `last` is the dotted path of a key within each record, whose value
    in a page's last record `Split.last` then is. `keep_body` and `keep_originals` fill
    `Split.body` and `Lines.originals`.
    """

    def __init__(
        self,
        records: str | None,
        fields: Sequence[str] = (),
        *,
        null_records: Literal["fail", "empty"] = "fail",
        last: str | None = None,
        keep_body: bool = False,
        keep_originals: bool = False,
    ) -> None:
        self._document = Document(records, fields)
        self._null_records = null_records
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
        raws, fields = self._document.find(text)
        if raws is None:
            if self._null_records == "fail":
                raise PageError(
                    f"the records ({self._document.where}) are null; "
                    'set null_records = "empty" if that means none'
                )
            raws = []
        return Split(
            lines=tuple(self._lines(raws, text, carried)),
            records=len(raws),
            fields={path: control(raw) for path, raw in fields.items()},
            last=None if self._last is None or not raws else _key(raws[-1], self._last),
            body=body if self._keep_body else None,
        )

    def _lines(
        self, raws: Sequence[msgspec.Raw], body: bytes | bytearray, carried: Members
    ) -> Iterator[Lines]:
        originals = raws if self._keep_originals and carried.names else None
        # JSON allows line breaks between tokens only, so a body without any needs no second look.
        if body.find(b"\n", 0, -1) >= 0 or body.find(b"\r", 0, -2) >= 0:
            originals = raws if self._keep_originals else None
            raws = [msgspec.Raw(one_line(raw)) for raw in raws]
        for lines in cut_blocks(raws, len(body)):
            start, end = lines.offset, lines.offset + lines.records
            yield Lines(
                splice(lines.data, lines.records, carried),
                lines.records,
                start,
                None if originals is None else tuple(map(bytes, originals[start:end])),
            )


def _key(record: msgspec.Raw, path: tuple[str, ...]) -> object:
    try:
        value = find(record, path)
    except msgspec.DecodeError:
        return None  # for the decoder to reject
    return None if value is None else control(value)
