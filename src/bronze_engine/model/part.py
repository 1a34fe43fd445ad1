"""Files and their parts, from the encoder to the store."""

from __future__ import annotations

from datetime import datetime
from typing import Final, final

import msgspec

__all__ = [
    "ABSENT",
    "ANY",
    "Absent",
    "Any",
    "DataFile",
    "Expect",
    "ObjectInfo",
    "Part",
    "Staged",
    "StoredObject",
    "Version",
]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a multipart upload: consecutive bytes of a file, with their checksum."""

    number: int
    """From 1, without gaps."""
    offset: int
    """Place of the first byte within the file."""
    pieces: tuple[bytes, ...]
    """Its bytes, as the encoder wrote them: whoever can send or write them so copies nothing."""
    crc32: int
    """CRC-32 (zlib) of all of them, computed in the worker that cut the part."""

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def data(self) -> bytes:
        """All pieces in one: a copy, which takes a millisecond of a worker for 8 MiB."""
        return b"".join(self.pieces)


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file as the manifest names it."""

    name: str
    """Path relative to the partition."""
    size_bytes: int
    sha256: str
    row_count: int
    layout: int = 0
    """Version of the layout that its rows have."""
    values: dict[str, str | None] = {}
    """Partition values, when partition_by nests below the date."""


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """A whole, sealed, invisible file: what `complete` makes visible or `discard` removes."""

    key: str
    token: str
    """What the store knows it by: a multipart upload's id, a temporary's path."""
    file: DataFile | None = None
    """None where the store found it by scanning: good enough to discard, not to complete."""
    tags: tuple[str, ...] = ()
    """One a part, in order: S3's ETags, Azure's block ids."""


Version = str
"""What a store calls one state of an object: an ETag, a content hash. Opaque; compare only."""


@final
class Absent(msgspec.Struct, frozen=True):
    """Expect that there is no such object."""


@final
class Any(msgspec.Struct, frozen=True):
    """Expect nothing: write over whatever is there."""


ABSENT: Final = Absent()
ANY: Final = Any()
Expect = Version | Absent | Any


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A visible object, without its bytes."""

    key: str
    size_bytes: int
    version: Version | None
    """None where a listing would have to read the object to know it (local disk)."""
    modified: datetime


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """A small object, whole."""

    key: str
    body: bytes
    version: Version
