"""Files that are plainly no CSV: any text is a line of names, and lands as no rows at all."""

from __future__ import annotations

import re
from typing import Final

from bronze_engine.errors import ExtractError

__all__ = ["refuse_foreign", "wide_encoding"]

_HTML: Final = re.compile(rb"\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_XML: Final = re.compile(rb"\s*<\?xml\s")
_JSON: Final = re.compile(rb'\s*(?:\{|\[\s*\{)\s*"(?:[^"\\]|\\.)*"\s*:')
_WIDE: Final = (
    (re.compile(rb"(?:[^\0]\0){4}"), "utf-16-le"),
    (re.compile(rb"(?:\0[^\0]){4}"), "utf-16-be"),
)
"""Latin letters of two bytes each: bytes that are UTF-8, too."""
_BINARY: Final = (
    (b"PAR1", 'Parquet, not CSV; set format = "parquet"'),
    (b"ARROW1", 'Arrow, not CSV; set format = "arrow"'),
    (b"\xd0\xcf\x11\xe0", 'an old workbook, not CSV; set format = "excel"'),
)


def wide_encoding(head: bytes) -> str | None:
    """The encoding of a file that begins with Latin letters of two bytes each."""
    return next((encoding for wide, encoding in _WIDE if wide.match(head)), None)


def refuse_foreign(head: bytes, path: str, *, is_named: bool) -> None:
    """Raise ExtractError where a file that begins so is no CSV.

    `is_named`: its own first line has the names of its columns. Where it has not, its first
    field may be a document of JSON.
    """
    for magic, what in _BINARY:
        if head.startswith(magic):
            raise ExtractError(f"{path} is {what}")
    if (encoding := wide_encoding(head)) is not None:
        raise ExtractError(
            f'{path} is UTF-16 without a byte order mark; set csv.encoding = "{encoding}"'
        )
    if _HTML.match(head):
        raise ExtractError(f"{path} is HTML: a login or error page, perhaps; fetch it again")
    if _XML.match(head):
        raise ExtractError(f"{path} is XML, which is not read; convert it before it is landed")
    if is_named and _JSON.match(head):
        raise ExtractError(
            f'{path} is JSON, not CSV; set format = "json", or "ndjson" for a record a line'
        )
