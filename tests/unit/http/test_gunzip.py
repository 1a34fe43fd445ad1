"""Gzip bodies: whole or refused, in bounded memory."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.sources.http.body.gunzip import gunzip
from bronze_engine.sources.http.body.stream import BadStream, CutBody

pytestmark = pytest.mark.unit

MEBIBYTE = 1024**2


def chopped(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(
    members=st.lists(st.binary(max_size=2000), min_size=1, max_size=4),
    size=st.integers(1, 500),
    padding=st.integers(0, 20),
)
def test_members_and_padding_come_out_whole(members: list[bytes], size: int, padding: int) -> None:
    body = b"".join(map(gzip.compress, members)) + bytes(padding)
    assert gunzip(chopped(body, size), MEBIBYTE) == b"".join(members)


@given(data=st.binary(max_size=2000), size=st.integers(1, 100), cut=st.integers(1, 2000))
def test_a_cut_anywhere_is_noticed(data: bytes, size: int, cut: int) -> None:
    body = gzip.compress(data)
    body = body[: -min(cut, len(body))]
    with pytest.raises(CutBody):
        gunzip(chopped(body, size), MEBIBYTE)


def test_a_cut_in_the_second_member_is_noticed() -> None:
    with pytest.raises(CutBody):
        gunzip([gzip.compress(b"[1]"), gzip.compress(b"[2]")[:-1]], MEBIBYTE)


@pytest.mark.parametrize(
    "body",
    [
        b"[1, 2]",
        zlib.compress(b"[]"),
        gzip.compress(b"[]", mtime=0) + b"garbage",
        gzip.compress(b"[]", mtime=0) + b"\0\0garbage",
        gzip.compress(b"[]", mtime=0)[:-8] + b"\0" * 8,
    ],
)
def test_what_is_no_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BadStream):
        gunzip([body], MEBIBYTE)


def test_the_limit_is_exact() -> None:
    body = [gzip.compress(os.urandom(1000))]
    assert len(gunzip(body, 1000)) == 1000
    with pytest.raises(BadStream, match="more than 999 bytes"):
        gunzip(body, 999)


def test_many_equal_records_are_no_bomb() -> None:
    data = b'{"state": null},' * 500_000
    assert gunzip([gzip.compress(data)], 64 * MEBIBYTE) == data


def test_a_bomb_is_refused_in_little_memory() -> None:
    script = """
import gzip, resource, sys
from bronze_engine.sources.http.body.gunzip import gunzip
from bronze_engine.sources.http.body.stream import BadStream
bomb = gzip.compress(bytes(1024**2)) * 2000   # 2 MB that unfold to 2 GB
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    gunzip([bomb], 1024**3)
except BadStream as exc:
    print(exc)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown // (1024**2 if sys.platform == "darwin" else 1024))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    said, grown_mib = done.stdout.splitlines()
    assert "as only a bomb does" in said
    assert int(grown_mib) < 64
