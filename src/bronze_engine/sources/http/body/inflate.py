"""Compressed bodies, whole or refused: told by the Content-Encoding or by their first bytes."""

from __future__ import annotations

from collections.abc import Sequence

from bronze_engine.errors import ExtractError
from bronze_engine.sources.http.body.gunzip import BadGzip, gunzip

__all__ = ["CODINGS", "inflate"]

CODINGS = ("gzip",)
"""What a body may be compressed with."""


def inflate(chunks: Sequence[bytes], coding: str, limit_bytes: int) -> bytes | bytearray:
    """The body in one piece, without its content coding ("" for none).

    Raises CutGzip where the end of the compressed stream is missing, and ExtractError for a
    stream that is none or unfolds to more than `limit_bytes`.
    """
    if coding:
        try:
            return gunzip(chunks, limit_bytes)
        except BadGzip as exc:
            raise ExtractError(f"the body says that it is gzip, but {exc}") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
