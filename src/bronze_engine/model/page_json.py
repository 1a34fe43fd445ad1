"""Captured pages as JSON lines: how `_pages/` files are written, and read for ever.

    zstdcat _pages/g00000001-….jsonl.zst | jq -r .body

A line is one page. Its body stands as text in "body" where it is UTF-8, else as
"body_base64"; either gives back the exact bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final

import msgspec

from bronze_engine.errors import StateError
from bronze_engine.model.page import CapturedPage, PageHead

__all__ = ["PIECE_BYTES", "decode_page", "encode_page"]

PIECE_BYTES: Final = 3 * 1024**2
"""A body is encoded in pieces of at most this size, so that no job is long; a multiple of 3,
which base64 encodes without padding in between."""


class _Line(PageHead, frozen=True, kw_only=True):
    body: str | None = None
    body_base64: str | None = None


def encode_page(page: CapturedPage) -> Iterator[bytes]:
    """The line of one page, in pieces of a few MiB."""
    head = msgspec.json.encode(msgspec.convert(page, PageHead, from_attributes=True))[:-1]
    body = memoryview(page.body)
    if _is_utf8(body):
        yield head + b',"body":"'
        for text in _texts(body):
            yield msgspec.json.encode(text)[1:-1]
    else:
        yield head + b',"body_base64":"'
        for start in range(0, len(body), PIECE_BYTES):
            yield base64.b64encode(body[start : start + PIECE_BYTES])
    yield b'"}\n'


def decode_page(line: bytes, key: str) -> CapturedPage:
    """Read one line. Raises StateError (STATE001) naming the file `key` where it is none."""
    try:
        found = msgspec.json.decode(line, type=_Line)
        if found.body_base64 is not None:
            body = base64.b64decode(found.body_base64, validate=True)
        elif found.body is not None:
            body = found.body.encode()
        else:
            raise ValueError("it has no body")
    except (msgspec.MsgspecError, ValueError) as exc:
        raise StateError(
            f"{key} holds a line that is no captured page ({exc}); run the pipeline again", key=key
        ) from exc
    return CapturedPage(
        **{name: getattr(found, name) for name in PageHead.__struct_fields__}, body=body
    )


def _is_utf8(body: memoryview) -> bool:
    try:
        for _ in _texts(body):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _texts(body: memoryview) -> Iterator[str]:
    """The body as text, cut between characters. Raises UnicodeDecodeError."""
    start = 0
    while start < len(body):
        end = min(start + PIECE_BYTES, len(body))
        if end < len(body):
            # A character's later bytes are 10xxxxxx, three of them at most.
            end = next((at for at in range(end, end - 4, -1) if body[at] & 0xC0 != 0x80), end)
        yield str(body[start:end], "utf-8")
        start = end
