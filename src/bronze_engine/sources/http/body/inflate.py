"""Compressed bodies, whole or refused: told by the Content-Encoding or by their first bytes."""

from __future__ import annotations

from typing import Final

from bronze_engine.errors import ExtractError
from bronze_engine.sources.http.body.gunzip import gunzip
from bronze_engine.sources.http.body.stream import BadStream, Chunks, CutBody
from bronze_engine.sources.http.body.unzstd import unzstd

__all__ = ["CODINGS", "inflate"]

CODINGS: Final = ("gzip", "zstd")
"""What a body may be compressed with."""

_FILES: Final = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
"""No JSON or CSV begins so: the second byte is none that UTF-8 allows there, and UTF-16 begins
with its mark or with a zero."""


def inflate(chunks: Chunks, coding: str, limit_bytes: int) -> bytes | bytearray:
    """The body in one piece, without its content coding ("" for none).

    A body that is a compressed file (orders.json.gz, whatever its headers say) is unfolded
    too. Raises CutBody where the end of a compressed stream is missing, and ExtractError for
    a stream that is none or unfolds to more than `limit_bytes`.
    """
    if coding:
        body = _unfolded(chunks, coding, limit_bytes, "the body says that it is")
    else:
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if body[:1] in (b"\x1f", b"\x28"):
        for mark, kind in _FILES:
            if body.startswith(mark):
                return _unfolded_file(bytes(body), kind, limit_bytes)
    return body


def _unfolded_file(body: bytes, kind: str, limit_bytes: int) -> bytes | bytearray:
    try:
        return _unfolded([body], kind, limit_bytes, "the body is a file of")
    except CutBody as exc:
        raise ExtractError(f"the body is a file of {kind}, and {exc}") from None


def _unfolded(chunks: Chunks, coding: str, limit_bytes: int, what: str) -> bytes | bytearray:
    decode = gunzip if coding == "gzip" else unzstd
    try:
        return decode(chunks, limit_bytes)
    except BadStream as exc:
        raise ExtractError(f"{what} {coding}, but {exc}") from None
