"""Keys: what an object may be called, the same in every store."""

from __future__ import annotations

import re
from typing import Final

from bronze_engine.errors import StoreError

__all__ = ["MAX_KEY_BYTES", "MAX_SEGMENT_BYTES", "check_key", "check_prefix"]

MAX_KEY_BYTES: Final = 1024
"""S3's limit, the smallest of all stores (Azure: 1,024 characters)."""
MAX_SEGMENT_BYTES: Final = 200
"""File systems allow 255; the rest is left for what a temporary's name adds."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_key(key: str) -> tuple[str, ...]:
    """The segments of a valid key. Raises StoreError (STG001) for any other.

    Segments that begin with a dot are refused: `.` and `..` would leave the prefix, and
    dotfiles are where the local store keeps what is not visible yet.
    """
    segments = tuple(key.split("/"))
    fault = _fault(key, segments)
    if fault is not None:
        raise StoreError(f"{key!r} can't be a key: {fault}; rename it", key=key)
    return segments


def check_prefix(prefix: str) -> tuple[tuple[str, ...], str]:
    """The whole segments of a prefix, and the beginning of the next one (perhaps empty)."""
    if not prefix:
        return (), ""
    head, slash, rest = prefix.rpartition("/")
    return check_key(head) if slash else (), check_key(rest)[0] if rest else ""


def _fault(key: str, segments: tuple[str, ...]) -> str | None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    if size > MAX_KEY_BYTES:
        return f"it has {size} bytes, and {MAX_KEY_BYTES} is the limit"
    if _CONTROL.search(key) or "\\" in key:
        return "it holds a control character or a backslash"
    for segment in segments:
        if not segment:
            return "it is empty, or begins, ends or doubles its '/'"
        if segment.startswith("."):
            return f"its part {segment!r} begins with a dot"
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            return f"a part of it is longer than {MAX_SEGMENT_BYTES} bytes"
    return None
