"""Gzip bodies, decoded with bounds and with a check that the stream is whole."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, final

__all__ = ["BadGzip", "CutGzip", "gunzip"]

_GZIP: Final = 31
"""zlib's window bits for gzip with a 32 KiB window."""

_PIECE_BYTES: Final = 64 * 1024
_STEP_BYTES: Final = 256 * 1024
_HARMLESS_BYTES: Final = 16 * 1024**2
"""Below this any ratio passes: pages of equal records compress a thousandfold."""

_RATIO: Final = 200
"""JSON compresses 5 to 40 times; a stream of zeros, deflate's limit, 1,030 times."""


@final
class BadGzip(ValueError):
    """The body is no gzip, is larger than allowed, or unfolds as only a bomb does."""


@final
class CutGzip(ValueError):
    """The stream ended before its end: a body that was cut off."""


def gunzip(chunks: Sequence[bytes], limit_bytes: int) -> bytearray:
    """Decode a whole gzip body of one or more members (RFC 1952), in a worker.

    Holds at most `limit_bytes` and one step of output. Zeros after the last member are
    padding; anything else there is BadGzip. Raises CutGzip where the end is missing.
    """
    out = bytearray()
    stream = zlib.decompressobj(_GZIP)
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
                    stream, begun = zlib.decompressobj(_GZIP), False
                try:
                    out += stream.decompress(piece, _STEP_BYTES)
                except zlib.error as exc:
                    raise BadGzip(
                        f'it is no valid gzip ({exc}); set Accept-Encoding = "identity" in the '
                        "API's headers"
                    ) from None
                begun = True
                piece = stream.unused_data if stream.eof else stream.unconsumed_tail
                if len(out) > limit_bytes:
                    raise BadGzip(
                        f"it unfolds to more than {limit_bytes:,} bytes; "
                        "ask for smaller pages, or raise max_page_bytes"
                    )
                if len(out) > _HARMLESS_BYTES and len(out) > _RATIO * (eaten - len(piece)):
                    raise BadGzip(f"it unfolds more than {_RATIO} times, as only a bomb does")
    if not stream.eof:
        raise CutGzip("the gzip stream was cut off" if begun else "the gzip stream is empty")
    return out
