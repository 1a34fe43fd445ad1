"""The checksums by which S3 checks parts and objects."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, final, get_args

import msgspec
from zlib_ng.zlib_ng import crc32

__all__ = ["ALGORITHMS", "Algorithm", "Checksum", "composite"]

Algorithm = Literal["crc32", "sha256", "md5"]
ALGORITHMS: Final = frozenset(get_args(Algorithm))


class _Rule(msgspec.Struct, frozen=True):
    digest: Callable[[bytes], bytes]
    field: str
    """Of the request; and, for those that S3 keeps with the object, of the answers."""
    is_kept: bool


def _crc32(data: bytes) -> bytes:
    return crc32(data).to_bytes(4, "big")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


_RULES: Final[Mapping[str, _Rule]] = {
    "crc32": _Rule(_crc32, "ChecksumCRC32", is_kept=True),
    "sha256": _Rule(_sha256, "ChecksumSHA256", is_kept=True),
    "md5": _Rule(_md5, "ContentMD5", is_kept=False),
}


@final
class Checksum(msgspec.Struct, frozen=True):
    """Of one part or one small object."""

    algorithm: Algorithm
    digest: bytes

    @classmethod
    def of(cls, algorithm: Algorithm, data: bytes) -> Checksum:
        """Hash: 8 MiB take 2 ms (crc32) to 15 ms (md5), so in a worker."""
        return cls(algorithm, _RULES[algorithm].digest(data))

    @property
    def text(self) -> str:
        return base64.b64encode(self.digest).decode()

    @property
    def fields(self) -> dict[str, str]:
        """What of it goes with the bytes."""
        return {_RULES[self.algorithm].field: self.text}

    @property
    def kept(self) -> dict[str, str]:
        """What of it goes with the completion: all that the server keeps."""
        return self.fields if _RULES[self.algorithm].is_kept else {}

    def is_denied(self, answer: Mapping[str, Any]) -> bool:
        """Whether the server has computed another one."""
        return any(answer.get(name, text) != text for name, text in self.kept.items())

    def is_confirmed(self, answer: Mapping[str, Any]) -> bool:
        """Whether the server has computed it too."""
        return any(answer.get(name) == text for name, text in self.kept.items())


def composite(parts: Sequence[Checksum]) -> dict[str, str]:
    """What S3 shows for an object of these parts: the checksum of their checksums, and `-n`.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    if not parts or not parts[0].kept:
        return {}
    rule = _RULES[parts[0].algorithm]
    whole = rule.digest(b"".join(part.digest for part in parts))
    return {rule.field: f"{base64.b64encode(whole).decode()}-{len(parts)}"}
