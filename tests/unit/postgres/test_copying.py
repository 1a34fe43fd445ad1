"""The bytes of a COPY without its header and trailer, however they come."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.postgres import copying
from bronze_engine.sources.postgres.copying import copy_cut, copy_out
from bronze_engine.testing import ManualClock
from bronze_engine.workers import Workers

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(4)
ROW = b"\0\1\0\0\0\2\xff\xff"  # ends as the file does


def header(extension: bytes = b"") -> bytes:
    return HEADER + len(extension).to_bytes(4) + extension


class Server:
    """A connection that hands these chunks to whoever copies."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    async def copy_from_query(self, _sql: str, *, output: Any, format: str) -> None:  # noqa: A002  # asyncpg's
        assert format == "binary"
        for chunk in self._chunks:
            await output(bytearray(chunk))


async def ignored(_rows: bytes) -> None:
    """Take it and forget it."""


async def received(chunks: Sequence[bytes]) -> list[bytes]:
    found: list[bytes] = []

    async def take(rows: bytes) -> None:
        found.append(bytes(rows))

    clock = ManualClock()
    await clock.drive(copy_out(Server(chunks), "SELECT", take, clock))
    return found


async def test_header_and_trailer_are_taken_off() -> None:
    whole = [header() + ROW, ROW + ROW, ROW + b"\xff\xff"]
    assert await received(whole) == [ROW, ROW + ROW, ROW]
    assert await received([header(b"more") + ROW, b"\xff\xff"]) == [ROW]
    assert await received([header() + b"\xff\xff"]) == []
    assert await received([header(), b"\xff\xff"]) == []


async def test_a_header_may_come_in_pieces() -> None:
    whole = header(b"extension") + ROW + b"\xff\xff"
    pieces = [whole[at : at + 1] for at in range(len(header(b"extension")))]
    assert await received([*pieces, ROW, b"\xff\xff"]) == [ROW]


@pytest.mark.parametrize(
    "chunks", [[], [b"PGCO"], [header()], [header() + ROW[:-1]], [b"HTTP/1.1"]]
)
async def test_what_does_not_begin_or_end_as_a_copy_is_none(chunks: list[bytes]) -> None:
    with pytest.raises(BrokenFraming):
        await received(chunks)


async def test_small_chunks_are_followed_by_a_pause_and_large_ones_are_not() -> None:
    clock = ManualClock()
    began = clock.monotonic()
    large = bytes(copying.SMALL_BYTES)
    chunks = [header() + ROW, large, large, ROW, b"\xff\xff"]
    await clock.drive(copy_out(Server(chunks), "SELECT", ignored, clock))
    assert clock.monotonic() - began == pytest.approx(3 * copying.PAUSE_SECONDS)


@given(cuts=st.lists(st.integers(0, 400), max_size=12))
async def test_rows_that_are_cut_anywhere_come_whole(cuts: list[int]) -> None:
    rows = [b"\0\1" + size.to_bytes(4) + b"\xff" * size for size in (0, 2, 30, 200)]
    whole = header() + b"".join(rows) + b"\xff\xff"
    places = [0, *sorted(cuts), len(whole)]
    chunks = [whole[low:high] for low, high in pairwise(places)]
    found = b""

    async def take(some: bytes) -> None:
        nonlocal found
        found += some

    with Workers(1) as workers:
        await copy_cut(Server(chunks), "SELECT", take, SYSTEM_CLOCK, workers, 1)
    assert found == b"".join(rows)
