"""The walk: whole rows of chunks that are cut anywhere, and what it can't follow."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.copy_binary.walk import Walker
from tests.unit.copy_binary.sent import TRAILER, Row, row, rows

pytestmark = pytest.mark.unit

TABLE: list[Row] = [
    [b"\0\0\0\1", b"text"], [None, b""], [b"\0\2\0\0", None], [b"\0\0\0\3", b"\0\2\xff\xff" * 3]
]  # fmt: skip
SENT = rows(TABLE)
BOUNDS = [len(rows(TABLE[:count])) for count in range(5)]


@pytest.mark.parametrize("trailer", [b"", TRAILER])
@pytest.mark.parametrize("first", range(len(SENT) + 3))
def test_rows_come_whole_wherever_they_are_cut(first: int, trailer: bytes) -> None:
    """Cut twice, at every two bytes: what has come out is always as much as is whole."""
    sent = SENT + trailer
    for second in range(first, len(sent) + 1):
        walker = Walker(2)
        out = b""
        for end, chunk in ((first, sent[:first]), (second, sent[first:second])):
            out += walker.feed(chunk)
            assert out == SENT[: max(bound for bound in BOUNDS if bound <= end)]
        out += walker.feed(sent[second:])
        walker.finish()
        assert out == SENT


def test_byte_by_byte() -> None:
    walker = Walker(2)

    assert b"".join(walker.feed(SENT[at : at + 1]) for at in range(len(SENT))) == SENT
    walker.finish()


@given(st.lists(st.lists(st.none() | st.binary(max_size=8), min_size=3, max_size=3)), st.data())
def test_any_rows_in_any_chunks(table: list[Row], data: st.DataObject) -> None:
    sent = rows(table)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    walker = Walker(3)
    out = [
        walker.feed(sent[start:end])
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)
    ]
    walker.finish()

    assert b"".join(out) == sent


def test_a_long_value_in_many_chunks_is_copied_few_times() -> None:
    walker = Walker(1)
    sent = row([bytes(20_000_000)])
    out = [walker.feed(sent[at : at + 10_000]) for at in range(0, len(sent), 10_000)]
    walker.finish()

    assert out[-1] == sent
    assert not any(out[:-1])


def test_rows_without_columns() -> None:
    walker = Walker(0)

    assert walker.feed(b"\0\0\0") == b"\0\0"
    assert walker.feed(b"\0") == b"\0\0"
    assert walker.feed(TRAILER) == b""
    walker.finish()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (row([b"a"]), "behind row 0 a row of 2 columns was expected, and 1 was read"),
        (SENT + row([b"a"] * 3), "behind row 4 a row of 2 columns was expected, and 3 was read"),
        (b"\0\2" + struct.pack("!i", -2), "column 1 of row 1 has a value of -2 bytes"),
        (SENT + b"\0\2" + struct.pack("!ii", -1, 2**30 + 1), "column 2 of row 5 has a value of"),
        (SENT + TRAILER + b"\0", "1 bytes stand behind the trailer"),
    ],
)
def test_what_is_no_row_is_told(sent: bytes, reason: str) -> None:
    walker = Walker(2)
    with pytest.raises(BrokenFraming, match=reason):
        walker.feed(sent)


def test_more_behind_the_trailer_is_told_in_a_later_chunk() -> None:
    walker = Walker(2)
    walker.feed(SENT + TRAILER)
    with pytest.raises(BrokenFraming, match="2 bytes stand behind the trailer"):
        walker.feed(b"\0\2")


@pytest.mark.parametrize("cut", [cut for cut in range(len(SENT)) if cut not in BOUNDS])
def test_a_last_row_that_is_cut_is_told(cut: int) -> None:
    walker = Walker(2)
    walker.feed(SENT[:cut])
    with pytest.raises(BrokenFraming, match="is cut"):
        walker.finish()
