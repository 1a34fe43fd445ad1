"""Gzip bodies, decoded with bounds and with a check that the stream is whole.

By zlib-ng: 1.6 GB/s of JSON a core, where zlib makes 0.75 (measured on 300 KB pages).
"""

from __future__ import annotations

from typing import Final

from zlib_ng import zlib_ng

from bronze_engine.sources.http.body.stream import BadStream, Chunks, CutBody, refuse_bomb

__all__ = ["gunzip"]

_GZIP: Final = 31
"""zlib's window bits for gzip with a 32 KiB window."""

_PIECE_BYTES: Final = 64 * 1024
_STEP_BYTES: Final = 256 * 1024


def gunzip(chunks: Chunks, limit_bytes: int) -> bytearray:
    """Decode a whole gzip body of one or more members (RFC 1952), in a worker.

    Holds at most `limit_bytes` and one step of output. Zeros after the last member are
    padding; anything else there is BadStream. Raises CutBody where the end is missing.
    """
    out = bytearray()
    stream = zlib_ng.decompressobj(_GZIP)
    begun = False
    eaten = 0
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), _PIECE_BYTES):
            piece = bytes(view[start : start + _PIECE_BYTES])
            eaten += len(piece)
            while piece:
                if stream.eof:
                    piece = piece.lstrip(b"\0")
                    if not piece:
                        break
                    stream, begun = zlib_ng.decompressobj(_GZIP), False
                try:
                    out += stream.decompress(piece, _STEP_BYTES)
                except zlib_ng.error as exc:  # type: ignore[misc]  # stubs: an instance
                    raise BadStream(
                        f'it is no valid gzip ({exc}); set Accept-Encoding = "identity" in the '
                        "API's headers"
                    ) from None
                begun = True
                piece = stream.unused_data if stream.eof else stream.unconsumed_tail
                refuse_bomb(len(out), eaten - len(piece), limit_bytes)
    if not stream.eof:
        raise CutBody("the gzip stream was cut off" if begun else "the gzip stream is empty")
    return out
