"""Checksums as S3 writes them."""

from __future__ import annotations

import base64
import hashlib

import pytest

from bronze_engine.store.s3.checksum import ALGORITHMS, Algorithm, Checksum, composite

pytestmark = pytest.mark.unit

NINE = b"123456789"
"""The check value of the CRC catalogues: 0xCBF43926."""
MD5 = "25f9e794323b453885f5181f1b624d0b"


@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [
        ("crc32", {"ChecksumCRC32": base64.b64encode(bytes.fromhex("cbf43926")).decode()}),
        ("sha256", {"ChecksumSHA256": base64.b64encode(hashlib.sha256(NINE).digest()).decode()}),
        ("md5", {"ContentMD5": base64.b64encode(bytes.fromhex(MD5)).decode()}),
    ],
)
def test_each_goes_in_its_own_field(algorithm: Algorithm, fields: dict[str, str]) -> None:
    checksum = Checksum.of(algorithm, NINE)
    assert checksum.fields == fields
    assert checksum.kept == ({} if algorithm == "md5" else fields)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_an_answer_denies_it_only_by_another_one(algorithm: Algorithm) -> None:
    checksum = Checksum.of(algorithm, NINE)
    assert not checksum.is_denied({})
    assert not checksum.is_denied(checksum.fields)
    if checksum.kept:
        assert checksum.is_denied(dict.fromkeys(checksum.kept, "AAAA"))


def test_an_object_has_the_checksum_of_its_parts_checksums() -> None:
    parts = [Checksum.of("sha256", piece) for piece in (b"1234", b"56789")]
    both = hashlib.sha256(b"1234").digest() + hashlib.sha256(b"56789").digest()
    whole = base64.b64encode(hashlib.sha256(both).digest()).decode()
    assert composite(parts) == {"ChecksumSHA256": f"{whole}-2"}
    assert composite([Checksum.of("md5", NINE)]) == {}
    assert composite([]) == {}
