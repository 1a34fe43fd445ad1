"""A part as a file: what botocore reads when it signs one."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.store.s3.body import PartBody

pytestmark = pytest.mark.unit


@given(pieces=st.lists(st.binary(max_size=9)), size=st.integers(1, 20), start=st.integers(0, 30))
def test_a_part_reads_as_its_pieces_joined(pieces: list[bytes], size: int, start: int) -> None:
    body, whole = PartBody(pieces), io.BytesIO(b"".join(pieces))
    assert len(body) == len(whole.getvalue())
    assert body.read() == whole.read()
    assert body.read(1) == b""
    for where, whence in ((start, io.SEEK_SET), (-len(body), io.SEEK_END), (0, io.SEEK_CUR)):
        assert body.seek(where, whence) == body.tell() == whole.seek(where, whence)
    read = b"".join(iter(lambda: body.read(size) or b"", b""))
    assert read == whole.getvalue()
