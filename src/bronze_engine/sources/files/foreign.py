"""Files of what is not read here: as text they would land as a line of names and noise."""

from __future__ import annotations

from typing import Final

from bronze_engine.errors import ExtractError

__all__ = ["refuse_packed"]

_PACKED: Final = (
    (b"7z\xbc\xaf\x27\x1c", "an archive of 7-Zip"),
    (b"Rar!\x1a\x07", "an archive of RAR"),
    (b"\x1f\x9d", "compressed by compress (.Z)"),
    (b"\x04\x22\x4d\x18", "compressed as LZ4"),
    (b"LZIP", "compressed by lzip"),
    (b"\x5d\x00\x00", "compressed as LZMA"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed as Snappy"),
    (b"-----BEGIN PGP MESSAGE-----", "encrypted by PGP"),
    (b"%PDF-", "a PDF"),
)
_TAR: Final = b"ustar"
_TAR_AT: Final = 257
"""POSIX.1-1988, the header of a member: where its magic stands."""


def refuse_packed(head: bytes, path: str) -> None:
    """Raise ExtractError where a file that begins so, once unpacked, has to be unpacked again by
    something else."""
    if head.startswith(_TAR, _TAR_AT):
        raise ExtractError(
            f"{path} is an archive of tar, which is not read; unpack it before it is landed, or"
            " have it sent as ZIP"
        )
    for magic, what in _PACKED:
        if head.startswith(magic):
            raise ExtractError(
                f"{path} is {what}, which is not read; make a text file of it before it is landed,"
                ' or set source.compression = "none" if it is one'
            )
