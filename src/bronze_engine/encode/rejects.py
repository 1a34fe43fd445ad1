"""The quarantine file: rejected records as JSON lines under zstd."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import final

import msgspec
import pyarrow as pa

from bronze_engine.encode.sink import PART_BYTES, PartSink
from bronze_engine.model.block import Reject
from bronze_engine.model.part import DataFile, Part

__all__ = ["RejectsEncoder"]


@final
class RejectsEncoder:
    """One quarantine file. An abandoned encoder holds memory only.

    A line is {"page": 7, "offset": 12, "reason": "...", "raw": "..."}, with "rule" where one
    of `quality.rules` was broken; where the record's bytes are no UTF-8 they stand as
    "raw_base64" in place of "raw". Of a record that came from a file "file" and "line" say
    where it stands. "decoded" is what was decoded in the record's place, where that is something
    else.
    """

    def __init__(self, name: str, *, part_bytes: int = PART_BYTES) -> None:
        self.name = name
        self.rows_written = 0
        self._sink = PartSink(part_bytes)
        self._stream = pa.CompressedOutputStream(pa.PythonFile(self._sink, mode="w"), "zstd")

    @property
    def bytes_written(self) -> int:
        """Bytes that have left the compressor."""
        return self._sink.size_bytes

    def write(self, item: Sequence[Reject], /) -> Sequence[Part]:
        """Append rejects in order and return the parts that are now full."""
        self._stream.write(b"".join(map(_line, item)))
        self.rows_written += len(item)
        return self._sink.take()

    def finish(self) -> tuple[Sequence[Part], DataFile]:
        """End the file: the last parts, and the file by name, size and hash."""
        self._stream.close()
        return self._sink.end(name=self.name, row_count=self.rows_written)


def _line(reject: Reject) -> bytes:
    line: dict[str, object] = {
        "page": reject.page,
        "offset": reject.offset,
        "reason": reject.reason,
    }
    if reject.rule is not None:
        line["rule"] = reject.rule
    if reject.file is not None:
        line["file"] = reject.file
    if reject.line is not None:
        line["line"] = reject.line
    try:
        line["raw"] = reject.raw.decode()
    except UnicodeDecodeError:
        line["raw_base64"] = base64.b64encode(reject.raw).decode()
    if reject.decoded is not None:
        line["decoded"] = reject.decoded.decode(errors="replace")
    return msgspec.json.encode(line) + b"\n"
