"""Ranged reads give the file's bytes, with few requests, and hold little of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine import AuthError, StoreError
from bronze_engine.model.part import ANY
from bronze_engine.reading import ranged
from bronze_engine.reading.connection import Connection
from bronze_engine.reading.ranged import PIECE_BYTES, WINDOW_BYTES, WINDOWS, RangedFile
from bronze_engine.store.memory import MemoryStore
from tests.unit.reading.landed import Interrupted, lending, local

pytestmark = pytest.mark.unit

MIB = 1024**2


class Served:
    """One file in a store that notes what is asked for."""

    def __init__(self, connection: Connection, store: Interrupted) -> None:
        self.connection = connection
        self.store = store

    def file(self, body: bytes, size_bytes: int | None = None) -> RangedFile:
        asyncio.run(self.store.put("f", body, expect=ANY))
        self.store.calls.clear()
        size = len(body) if size_bytes is None else size_bytes
        return RangedFile(self.connection, "f", size, lambda exc: exc)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Start and length of each request."""
        asked = [call.split()[2:] for call in self.store.calls]
        return [(int(start), int(length)) for start, length in asked]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    store = Interrupted(MemoryStore())
    connection = Connection(local(tmp_path_factory.mktemp("served")), lending(store))
    yield Served(connection, store)
    connection.close()


def body_of(size: int) -> bytes:
    return b"".join(at.to_bytes(4, "big") for at in range(size // 4 + 1))[:size]


@given(
    size=st.integers(0, 300),
    reads=st.lists(st.tuples(st.integers(0, 300), st.integers(-1, 120)), max_size=30),
)
def test_every_read_gives_the_bytes_of_the_file(
    served: Served, size: int, reads: list[tuple[int, int]]
) -> None:
    body = body_of(size)
    with pytest.MonkeyPatch.context() as small:
        for name, value in (
            ("PIECE_BYTES", 7),
            ("WINDOW_BYTES", 40),
            ("GAP_BYTES", 5),
            ("FOOTER_BYTES", 16),
        ):
            small.setattr(ranged, name, value)
        file = served.file(body)
        for start, length in reads:
            assert file.seek(start) == start
            expected = body[start:] if length < 0 else body[start : start + length]
            assert bytes(file.read(length)) == expected
            assert file.tell() == start + len(expected)
            assert len(file._windows) <= WINDOWS


def test_positions_are_those_of_a_file(served: Served) -> None:
    file = served.file(body_of(100))
    assert file.seek(-10, os.SEEK_END) == 90
    assert file.seek(4, os.SEEK_CUR) == 94
    assert bytes(file.read()) == body_of(100)[94:]
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
    states = [file.closed]
    file.close()
    states.append(file.closed)
    assert states == [False, True]
    with pytest.raises(ValueError, match="closed file"):
        file.read(1)


def test_a_small_file_is_one_request(served: Served) -> None:
    body = body_of(200_000)
    file = served.file(body)
    file.seek(len(body) - 64 * 1024)
    file.read()
    file.seek(4)
    assert bytes(file.read(100_000)) == body[4:100_004]
    assert served.ranges == [(0, 200_000)]


def test_reads_that_follow_each_other_are_read_ahead(served: Served) -> None:
    body = body_of(40 * MIB)
    file = served.file(body)
    found = []
    for start in range(0, len(body), 300_000):
        file.seek(start)
        found.append(bytes(file.read(300_000)))
    assert b"".join(found) == body
    assert max(length for _, length in served.ranges) == PIECE_BYTES
    assert sum(length for _, length in served.ranges) == len(body)  # and nothing twice
    assert len(served.ranges) < 40 * MIB / PIECE_BYTES + 10
    held = sum(len(window.data) for window in file._windows)
    assert held <= WINDOWS * WINDOW_BYTES


def test_reads_here_and_there_fetch_what_they_ask_for(served: Served) -> None:
    file = served.file(body_of(20 * MIB))
    for start in (5 * MIB, 10 * MIB, 1 * MIB, 15 * MIB):
        file.seek(start)
        file.read(1000)
    assert served.ranges == [(5 * MIB, 1000), (10 * MIB, 1000), (MIB, 1000), (15 * MIB, 1000)]


def test_row_groups_that_are_read_side_by_side_are_each_read_ahead(served: Served) -> None:
    file = served.file(body_of(30 * MIB))
    for step in range(20):
        for group in range(3):
            file.seek(group * 10 * MIB + step * 200_000)
            file.read(200_000)
    assert len(served.ranges) < 20


def test_a_column_costs_its_chunks_and_the_footer(tmp_path: Path, served: Served) -> None:
    table = pa.table({name: pa.array(range(400_000)) for name in "abcdefgh"})
    pq.write_table(
        table, tmp_path / "f", row_group_size=100_000, compression="none", use_dictionary=False
    )
    body = (tmp_path / "f").read_bytes()
    source = pa.PythonFile(cast("pa.PythonFile", served.file(body)), mode="r")  # type: ignore[arg-type]
    found = pq.ParquetFile(source, pre_buffer=False).read(columns=["c"])
    assert found["c"].to_pylist() == list(range(400_000))
    asked = sum(length for _, length in served.ranges)
    assert asked < len(body) / 8 + ranged.FOOTER_BYTES + 400_000


@pytest.mark.parametrize("error", [StoreError("on fire"), AuthError("refused")])
def test_what_the_store_raises_is_raised(served: Served, error: Exception) -> None:
    file = served.file(body_of(100))

    async def fail() -> None:
        raise error

    served.store.actions[1] = fail
    with pytest.raises(type(error), match=str(error)):
        file.read(10)


def test_a_file_that_is_shorter_than_its_manifest_says_is_an_error(served: Served) -> None:
    file = served.file(body_of(100), size_bytes=120)
    with pytest.raises(StoreError, match="it ends at byte 100, and the manifest says more"):
        file.read()


def test_a_store_that_sends_too_much_is_an_error(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def read(*_: object, **__: object) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"x" * 200

        yield chunks()

    file = served.file(body_of(100))
    monkeypatch.setattr(served.store, "read", read)
    with pytest.raises(StoreError, match="more than it was asked for"):
        file.read(10)
