"""A file of zstd frames, read frame by frame as its bytes come.

Each frame says how large its content is, as a compressor does that is given all of it at
once. Any zstd tool reads such a file whole. Format: RFC 8878, section 3.
"""

from __future__ import annotations

from typing import Final, NamedTuple, final

import pyarrow as pa

__all__ = ["FrameReader", "frame"]

_MAGIC: Final = (0xFD2FB528).to_bytes(4, "little")
_DICTIONARY_ID_BYTES: Final = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES: Final = (0, 2, 4, 8)
_RLE_BLOCK: Final = 1


def frame(content: bytes) -> bytes:
    """One frame that holds `content`."""
    compressed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return compressed


@final
class FrameReader:
    """Takes a file in pieces of any size; gives back what its frames hold, one at a time.

    Raises ValueError for what is no such file.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take what follows. Take out every whole frame before the next piece."""
        self._held += piece

    def take(self) -> bytes | None:
        """The content of the next frame; None where its end has not come."""
        measure = _measure(self._held)
        if measure is None:
            return None
        whole = bytes(self._held[: measure.size_bytes])
        del self._held[: measure.size_bytes]
        try:
            content: bytes = pa.decompress(
                whole, decompressed_size=measure.content_bytes, codec="zstd", asbytes=True
            )
        except OSError as exc:
            raise ValueError(f"a zstd frame is damaged: {exc}") from exc
        return content

    def end(self) -> None:
        """Say that nothing follows."""
        if self._held:
            raise ValueError(f"it ends {len(self._held)} bytes into a zstd frame")


class _Measure(NamedTuple):
    size_bytes: int
    """Of the frame itself."""
    content_bytes: int


def _measure(data: bytearray) -> _Measure | None:
    """How long the frame at the beginning is; None where its end has not come."""
    if not _MAGIC.startswith(data[:4]):
        raise ValueError("it is no file of zstd frames")
    if len(data) <= 4:
        return None
    descriptor = data[4]
    is_single = bool(descriptor & 0x20)
    size_bytes = _CONTENT_SIZE_BYTES[descriptor >> 6] or is_single
    if not size_bytes:
        raise ValueError("a zstd frame does not say how large its content is")
    at = 5 + (not is_single) + _DICTIONARY_ID_BYTES[descriptor & 0x03]
    content_bytes = int.from_bytes(data[at : at + size_bytes], "little")
    if size_bytes == 2:
        content_bytes += 256
    at += size_bytes
    is_last = False
    while not is_last:
        if len(data) < at + 3:
            return None
        header = int.from_bytes(data[at : at + 3], "little")
        is_last = bool(header & 1)
        at += 3 + (1 if header >> 1 & 0x03 == _RLE_BLOCK else header >> 3)
    at += 4 if descriptor & 0x04 else 0  # its checksum
    return _Measure(at, content_bytes) if len(data) >= at else None
