"""What every store checks of the parts of a file, whatever it does with them."""

from __future__ import annotations

from zlib_ng.zlib_ng import crc32

from bronze_engine.errors import StoreError
from bronze_engine.model.part import DataFile, Part

__all__ = ["check_part", "sealed_size"]


def sealed_size(key: str, parts: dict[int, tuple[int, int]], file: DataFile) -> int:
    """The bytes of all parts together, which must be 1..n without a gap and fill the file."""
    end = 0
    for number in range(1, len(parts) + 1):
        place = parts.get(number)
        if place is None or place[0] != end:
            raise StoreError(f"{key}: part {number} is missing or out of place", key=key)
        end += place[1]
    if end != file.size_bytes:
        raise StoreError(
            f"{key}: {end} bytes were staged and the file has {file.size_bytes}", key=key
        )
    return end


def check_part(key: str, part: Part) -> None:
    """Raise StoreError where the bytes are not those that the encoder cut."""
    found = 0
    for piece in part.pieces:
        found = crc32(piece, found)
    if found != part.crc32:
        raise StoreError(f"{key}: the bytes of part {part.number} do not match its CRC", key=key)
