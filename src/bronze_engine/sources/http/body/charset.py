"""Bodies in other encodings than UTF-8: decoded exactly, or refused."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from functools import lru_cache
from typing import Final

from bronze_engine.errors import ExtractError
from bronze_engine.model.arrow import check_utf8

__all__ = ["charset_of", "to_utf8"]

_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)
_UTF8: Final = b"\xef\xbb\xbf"
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WIDE: Final = frozenset({"utf-16", "utf-32"})
_SAME: Final = frozenset({"utf-8", "ascii"})


@lru_cache(64)
def charset_of(content_type: str) -> str | None:
    """The charset that a Content-Type names, as Python calls it; None for UTF-8 and for none."""
    found = _CHARSET.search(content_type)
    if found is None:
        return None
    name = found[1].lower()
    with suppress(LookupError):  # judged where it matters: file stores say "binary" of anything
        name = codecs.lookup(name).name
    return None if name in _SAME else name


def to_utf8(body: bytes | bytearray, charset: str | None, *, strict: bool) -> bytes | bytearray:
    """The body in UTF-8 and without a byte order mark.

    A mark goes before `charset`; without either the body is UTF-8. Raises ExtractError for
    bytes that are not of the charset. JSON is not `strict`: it is UTF-8 by RFC 8259 whatever
    charset is named, unless its bytes say otherwise; and bytes that are not are left to
    whoever judges the records one by one.
    """
    if body[:1] in (b"\xef", b"\xff", b"\xfe", b"\0"):
        if body.startswith(_UTF8):
            body, charset = body[len(_UTF8) :], None
        for mark, name in _MARKS:
            if body.startswith(mark):
                charset = name
                break
    if charset is None or (not strict and charset not in _WIDE and _is_utf8(body)):
        if strict and not body.isascii() and not _is_utf8(body):
            _decoded(body, "utf-8")  # raises, and says where
        return body
    if charset in _WIDE and not body.startswith(tuple(mark for mark, _ in _MARKS)):
        charset += "-be" if body.startswith(b"\0") else "-le"
    return _decoded(body, charset).encode()


def _decoded(body: bytes | bytearray, charset: str) -> str:
    try:
        return body.decode(charset)
    except LookupError:  # of "hex" and "zip" too, which are codecs of no text
        raise ExtractError(
            f"the body's charset is {charset!r:.40}, which is not known; ask for UTF-8"
        ) from None
    except UnicodeDecodeError as exc:
        raise ExtractError(_wrong(charset, body, exc)) from None


def _is_utf8(body: bytes | bytearray) -> bool:
    try:
        check_utf8(bytes(body))
    except ValueError:
        return False
    return True


def _wrong(charset: str, body: bytes | bytearray, exc: UnicodeDecodeError) -> str:
    line = body.count(b"\n", 0, exc.start) + 1
    return (
        f"the body is no {charset}: byte 0x{body[exc.start]:02x} at place {exc.start:,} "
        f'(line {line:,}); set csv.encoding, such as "latin-1", or ask the API for UTF-8'
    )
