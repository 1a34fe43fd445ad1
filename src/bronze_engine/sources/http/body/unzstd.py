"""Zstandard bodies, decoded with bounds and with a check that the stream is whole."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from bronze_engine.sources.http.body.stream import BadStream, Chunks, CutBody, refuse_bomb

__all__ = ["unzstd"]

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_STEP_BYTES: Final = 256 * 1024


def unzstd(chunks: Chunks, limit_bytes: int) -> bytearray:
    """Decode a whole body of one or more zstd frames (RFC 8878), in a worker.

    Holds at most `limit_bytes`, one step of output and the frame's window (128 MiB at most).
    Raises BadStream for what does not begin as one, and CutBody where the end is missing or
    the stream is broken: Arrow tells these two by its messages alone.
    """
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if not _MAGIC.startswith(bytes(body[:4])):
        raise BadStream('it is no zstd; set Accept-Encoding = "identity" in the API\'s headers')
    if not body:
        raise CutBody("the zstd stream is empty")
    out = bytearray()
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
            while piece := stream.read(_STEP_BYTES):
                out += piece
                refuse_bomb(len(out), len(body), limit_bytes)
    except OSError as exc:
        raise CutBody(f"the zstd stream was cut off, or broken on its way ({exc})") from None
    return out
