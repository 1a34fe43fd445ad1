"""Encodings of one byte a character, found by trying: Python has many, under many names."""

from __future__ import annotations

import codecs
from functools import lru_cache

__all__ = ["is_utf8", "keeps_ascii", "single_bytes"]


def is_utf8(encoding: str) -> bool:
    """UTF-8, with or without its mark, or ASCII, which is part of it."""
    try:
        return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    except LookupError:
        return False


def keeps_ascii(encoding: str) -> bool:
    """Whether the first 128 bytes are ASCII: EBCDIC's are not."""
    points = single_bytes(encoding)
    return is_utf8(encoding) or (points is not None and points[:128] == tuple(range(128)))


@lru_cache
def single_bytes(encoding: str) -> tuple[int | None, ...] | None:
    """The code points of the 256 bytes of an encoding, None for those that have none.

    None in place of all where a character may have several bytes, or Python knows no such
    encoding.
    """
    try:
        name = codecs.lookup(encoding).name
        points = tuple(_point(byte, name) for byte in range(256))
    except (LookupError, ValueError):
        return None
    leads = [byte for byte, point in enumerate(points) if point is None]
    return None if any(_begins_character(byte, name) for byte in leads) else points


def _point(byte: int, encoding: str) -> int | None:
    try:
        return ord(bytes([byte]).decode(encoding))
    except UnicodeError:
        return None


def _begins_character(byte: int, encoding: str) -> bool:
    """Whether a byte that is no character by itself is one with another behind it."""
    for trail in range(256):
        try:
            bytes([byte, trail]).decode(encoding)
        except UnicodeError:
            continue
        return True
    return False
