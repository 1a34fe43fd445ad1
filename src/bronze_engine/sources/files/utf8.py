"""The bytes of text files as UTF-8, a piece at a time: decoded exactly, or refused."""

from __future__ import annotations

import codecs
from typing import Final, final

import pyarrow as pa

from bronze_engine.errors import ExtractError
from bronze_engine.model.arrow import check_utf8

__all__ = ["Utf8"]

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MARK_BYTES: Final = 4
_SAME: Final = frozenset({"utf-8", "ascii", "utf-8-sig"})


@final
class Utf8:
    """Recodes one file. A byte order mark goes before the `encoding` that is configured, and is
    left out; without either the file is UTF-8.

    Pieces in UTF-8 are handed on as they are: whoever cuts them has each checked by `check`.
    """

    def __init__(self, encoding: str | None, path: str, advice: str) -> None:
        """`advice` is what to do about a file in another encoding."""
        self._encoding = "utf-8" if encoding is None else codecs.lookup(encoding).name
        self._path = path
        self._advice = advice
        self._begin: bytes | None = b""
        """What has come before the mark could be judged; None once it was."""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._lines = 0

    def feed(self, data: bytes) -> bytes:
        """The next piece of the file. Raises ExtractError for bytes that are of no character."""
        if self._begin is not None:
            data = self._begin + data
            if len(data) < _MARK_BYTES:
                self._begin = data
                return b""
            data = self._judge(data)
        return self._recoded(data, is_last=False)

    def finish(self) -> bytes:
        """What is left when the file has ended. Raises ExtractError for half a character."""
        data = b""
        if self._begin is not None:
            data = self._judge(self._begin)
        return self._recoded(data, is_last=True)

    def check(self, data: bytes, start: int, lines: int) -> None:
        """Raise ExtractError where whole records, which begin at `start`, are no UTF-8; before
        that lie texts of ours. `lines` end before them."""
        if self._decoder is not None or data.isascii():
            return
        try:
            check_utf8(data)
        except pa.ArrowInvalid:
            try:
                data[start:].decode()
            except UnicodeDecodeError as exc:
                raise self._refusal(exc, lines) from None
            raise

    def _judge(self, data: bytes) -> bytes:
        self._begin = None
        encoding = self._encoding
        for mark, name in _MARKS:
            if data.startswith(mark):
                data, encoding = data[len(mark) :], name
                break
        else:
            if encoding in ("utf-16", "utf-32"):
                encoding += "-be" if data.startswith(b"\0") else "-le"
        self._encoding = encoding
        if encoding not in _SAME or encoding == "ascii":
            self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        return data

    def _recoded(self, data: bytes, *, is_last: bool) -> bytes:
        if self._decoder is None:
            return data
        try:
            text = self._decoder.decode(data, is_last)
        except UnicodeDecodeError as exc:
            read = exc.object[: exc.start].decode(self._encoding, errors="ignore")
            raise self._refusal(exc, self._lines + read.count("\n")) from None
        self._lines += text.count("\n")
        return text.encode()

    def _refusal(self, exc: UnicodeDecodeError, lines: int) -> ExtractError:
        if exc.encoding == "utf-8":
            lines += exc.object.count(b"\n", 0, exc.start)
        return ExtractError(
            f"{self._path} is no {self._encoding}: byte 0x{exc.object[exc.start]:02x} in line"
            f" {lines + 1:,} ({exc.reason}); mend the file, or {self._advice}"
        )
