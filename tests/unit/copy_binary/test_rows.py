"""Where rows are: false starts, NULL in front, few and many columns, values of any size, and what
is no COPY BINARY."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.errors import ExtractError
from bronze_engine.sources.copy_binary import rows as finding
from bronze_engine.sources.copy_binary.batch import CopyBinary, selection_order
from bronze_engine.sources.copy_binary.field import Field, Kind
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from tests.unit.copy_binary.sent import TRAILER, Row, row, rows

pytestmark = pytest.mark.unit

TYPES: dict[Kind, pa.DataType] = {
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "text": pa.string(),
    "bytea": pa.binary(),
}


def fields(*kinds: Kind, nullable: bool = True) -> list[Field]:
    return [
        Field(name=f"c{at}", kind=kind, type=TYPES[kind], nullable=nullable)
        for at, kind in enumerate(kinds)
    ]


def decoded(columns: Sequence[Field], sent: bytes) -> list[tuple[object, ...]]:
    batch = CopyBinary(columns).decode([sent]).batch
    batch.validate(full=True)
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def int4(value: int) -> bytes:
    return struct.pack("!i", value)


def int8(value: int) -> bytes:
    return struct.pack("!q", value)


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 500])
def test_values_full_of_rows_are_values(count: int, nullable: bool) -> None:
    """Each bytea holds whole rows of the very table, one after another and cut."""
    chance = random.Random(count)
    inner = [row([int8(at), chance.randbytes(at % 5), b"text"]) for at in range(20)]
    table = [
        [
            int8(at),
            b"".join(chance.choices(inner, k=at % 4))[chance.randrange(9) :],
            b"t" * (at % 3),
        ]
        for at in range(count)
    ]

    found = decoded(fields("int8", "bytea", "text", nullable=nullable), rows(table) + TRAILER)

    assert found == [(at, line[1], line[2].decode()) for at, line in enumerate(table)]


def test_numbers_that_look_like_the_next_row_are_numbers() -> None:
    """One column of int8 whose value holds the beginning of a row, at every shift."""
    anchor = b"\0\1\0\0\0\x08"
    values = [int.from_bytes((b"\7" * shift + anchor + b"\7" * 2)[:8], "big") for shift in range(3)]
    sent = rows([[int8(value)] for value in values * 50])

    assert decoded(fields("int8", nullable=False), sent) == [(value,) for value in values * 50]


@given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from([b"", b"\0\3", b"\0\3\0\0\0\0", b"\0\3\xff\xff\xff\xff"]),
            st.none() | st.sampled_from([0, 3, -1, 0x00030000, 0x0300_0000, -(2**31)]),
            st.none() | st.binary(max_size=4),
        ),
        max_size=20,
    )
)
@settings(max_examples=150, deadline=None)
def test_a_first_column_of_any_length_finds_rows(
    table: list[tuple[bytes | None, int | None, bytes | None]],
) -> None:
    sent = rows([[a, None if b is None else int4(b), c] for a, b, c in table])

    assert decoded(fields("bytea", "int4", "bytea"), sent) == table


def test_a_first_column_may_be_null_where_the_catalogue_says_it_is_not() -> None:
    sent = rows([[int4(1), b"a"], [None, b"b"], [int4(3), None]])

    assert decoded(fields("int4", "text", nullable=False), sent) == [
        (1, "a"), (None, "b"), (3, None)
    ]  # fmt: skip


@pytest.mark.parametrize("values", [[None] * 5, [None, b"", None], [b""] * 4, [b"x"]])
def test_one_column_of_text(values: list[bytes | None]) -> None:
    sent = rows([[value] for value in values])

    assert decoded(fields("text"), sent) == [
        (None if value is None else value.decode(),) for value in values
    ]


def test_a_row_of_nothing_but_nulls() -> None:
    assert decoded(fields("int4", "text", "int8"), row([None] * 3)) == [(None,) * 3]


def test_sixteen_hundred_columns() -> None:
    kinds: list[Kind] = ["int4", "text", "int8", "bytea"] * 400
    table: list[Row] = [
        [
            None if (line + at) % 7 == 0 else values[at % 4]
            for at in range(1600)
            for values in [(int4(at), b"t" * (line * at % 5), int8(line), b"\6\x40" * (at % 3))]
        ]
        for line in range(12)
    ]

    found = decoded(fields(*kinds), rows(table) + TRAILER)

    assert len(found) == 12
    for line, values in zip(found, table, strict=True):
        for at, (value, sent) in enumerate(zip(line, values, strict=True)):
            match at % 4:
                case _ if sent is None:
                    assert value is None
                case 0 | 2:
                    assert value == int.from_bytes(sent, "big")
                case 1:
                    assert value == sent.decode()
                case _:
                    assert value == sent


def test_rows_without_columns_are_counted() -> None:
    decoder = CopyBinary([])

    assert decoder.decode([b"\0\0" * 5]).batch.num_rows == 5
    assert decoder.decode([b"\0\0" * 5 + TRAILER]).batch.num_rows == 5
    assert decoder.decode([]).batch.num_rows == 0
    assert decoder.decode([b"\0\0"]).batch.num_columns == 0


@pytest.mark.parametrize("sent", [b"\0", b"\0\1", b"\0\0\0", b"\0\1\0\0\0\0"])
def test_rows_without_columns_hold_nothing(sent: bytes) -> None:
    with pytest.raises(BrokenFraming):
        CopyBinary([]).decode([sent])


@pytest.mark.parametrize("chunks", [[], [b""], [TRAILER], [b"", b"\xff", b"\xff"]])
def test_no_rows_are_an_empty_batch(chunks: list[bytes]) -> None:
    batch = CopyBinary(fields("int4", "text")).decode(chunks).batch

    assert batch.num_rows == 0
    assert batch.schema.names == ["c0", "c1"]


def test_a_value_of_100_megabytes_among_small_ones() -> None:
    large = bytes(100_000_000)
    table: list[Row] = [[int4(1), b"a"], [int4(2), large], [int4(3), None]]

    batch = CopyBinary(fields("int4", "bytea")).decode([rows(table)]).batch

    assert batch.column(0).to_pylist() == [1, 2, 3]
    assert batch.column(1)[1].as_buffer().equals(pa.py_buffer(large))
    assert [batch.column(1)[at].as_py() for at in (0, 2)] == [b"a", None]


def test_lengths_that_the_first_rows_share_and_others_do_not() -> None:
    """Flags, NULL throughout at first, numbers: every guess is checked in every row."""
    table: list[Row] = [[int4(at), b"A", None, int8(at), b""] for at in range(400)]
    table[200] = [int4(200), b"long", b"there", None, b"now"]
    table[201] = [None, None, None, None, None]

    found = decoded(fields("int4", "text", "text", "int8", "text"), rows(table))

    assert found[199:203] == [
        (199, "A", None, 199, ""),
        (200, "long", "there", None, "now"),
        (None, None, None, None, None),
        (202, "A", None, 202, ""),
    ]


def test_minus_one_at_the_end_of_a_row_is_no_trailer() -> None:
    assert decoded(fields("int2"), row([b"\xff\xff"])) == [(-1,)]
    assert decoded(fields("int2"), row([b"\xff\xff"]) + TRAILER) == [(-1,)]
    assert decoded(fields("int2", "text"), row([b"\0\1", None])) == [(1, None)]
    assert decoded(fields("int2", "text"), row([b"\0\1", None]) + TRAILER) == [(1, None)]


TABLE: list[Row] = [[int4(7), b"some text"], [int4(8), None], [None, b""], [int4(9), b"\0\2\0\0"]]


@pytest.mark.parametrize("trailer", [b"", TRAILER])
def test_rows_that_are_cut_are_no_rows(trailer: bytes) -> None:
    """Cut at every byte, from either end; only between rows is what is left whole."""
    sent = rows(TABLE) + trailer
    bounds = {0, *(len(rows(TABLE[:count])) for count in range(1, 5)), len(sent)}
    decoder = CopyBinary(fields("int4", "bytea"))
    for cut in range(len(sent) + 1):
        for part in (sent[:cut], sent[cut:]):
            if cut in bounds:
                decoder.decode([part])
                continue
            if part == TRAILER[:1]:
                continue  # the second half of the trailer, or of nothing else
            with pytest.raises(BrokenFraming):
                decoder.decode([part])


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (row([int4(1), b"a", b"b"]), "at the beginning a row of 2 columns was expected, and 3"),
        (row([int4(1)]), "at the beginning a row of 2 columns was expected, and 1"),
        (rows([[int4(1), b"a"], [int4(1)]]), "behind row 1, at byte 15, a row of 2 columns"),
        (row([b"12345", b"a"]), "at the beginning a row has a length"),
        (b"\0\2" + int4(4) + int4(1) + int4(-2), "at the beginning a row has a length"),
        (b"\0\2" + int4(4) + int4(1) + int4(2**31 - 1), "at the beginning a row has a length"),
        (row([int4(1), b"a"]) + TRAILER + row([int4(1), b"a"]), "and -1 was read as their count"),
        (b"id,name\n1,a\n", "at the beginning a row of 2 columns was expected, and 26980"),
        (row([int4(1), b"a"]) + b"\0", "behind row 1, at byte 15"),
        (rows([[int4(1), b"a"]] * 2)[:-1], "behind row 1, at byte 15, a row has a length"),
    ],
)
def test_what_is_no_row_is_told(sent: bytes, reason: str) -> None:
    with pytest.raises(BrokenFraming) as caught:
        CopyBinary(fields("int4", "text")).decode([sent])

    assert reason in str(caught.value)


def test_a_length_that_is_wrong_throughout_is_told() -> None:
    """Every row agrees: only the column's width says that it can't be."""
    with pytest.raises(BrokenFraming):
        CopyBinary(fields("text", "int4")).decode([rows([[b"a", b"12345"]] * 50)])


@given(st.binary(max_size=200), st.sampled_from([("int4", "text"), ("text",), ("bytea", "int2")]))
@settings(max_examples=300, deadline=None)
def test_noise_is_rows_or_told(noise: bytes, kinds: tuple[Kind, ...]) -> None:
    """Bytes that are no rows are refused, and nothing else happens."""
    with contextlib.suppress(BrokenFraming, ExtractError):  # rows by chance, of no UTF-8
        CopyBinary(fields(*kinds)).decode([b"\0" + bytes([len(kinds)]) + noise])


def test_more_than_arrow_has_room_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bronze_engine.sources.copy_binary.batch._MAX_BYTES", 20)

    with pytest.raises(BrokenFraming, match="30 bytes came at once, and 20"):
        CopyBinary(fields("int4", "text")).decode([row([int4(1), b"a"])] * 2)


def test_ordinary_rows_are_never_followed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop over candidates is for blocks that have false ones."""

    def refuse(*_: object) -> None:
        raise AssertionError("followed")

    monkeypatch.setattr(finding, "chained", refuse)
    table = [[int4(at), b"text" * (at % 3), int8(at * at)] for at in range(300)]

    assert len(decoded(fields("int4", "text", "int8"), rows(table))) == 300


def test_a_false_start_by_chance_costs_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that is the count of columns, NULL behind what it makes look like the first."""
    monkeypatch.setattr(finding, "chained", None)
    table: list[Row] = [[int8(at), int4(at % 50), int8(at), None] for at in range(400)]

    found = decoded(fields("int8", "int4", "int8", "text", nullable=False), rows(table))

    assert found == [(at, at % 50, at, None) for at in range(400)]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.99])
def test_rows_of_other_lengths_few_or_many(share: float) -> None:
    """NULLs and odd lengths in so many rows, in columns before and behind each other."""
    chance = random.Random(7)
    kinds: tuple[Kind, ...] = ("int8", "int4", "bytea", "int4", "bytea", "int8", "bytea", "int2")
    sizes = [8, 4, 3, 4, 20, 8, 1, 2]

    def value(kind: Kind, size: int) -> bytes | None:
        if chance.random() >= share:
            return chance.randbytes(size)
        return chance.randbytes(chance.randrange(60)) if kind == "bytea" else None

    table = [
        [value(kind, size) for kind, size in zip(kinds, sizes, strict=True)] for _ in range(3000)
    ]

    found = decoded(fields(*kinds), rows(table))

    assert found == [
        tuple(
            sent if sent is None or kind == "bytea" else int.from_bytes(sent, "big", signed=True)
            for kind, sent in zip(kinds, line, strict=True)
        )
        for line in table
    ]


def test_the_best_first_column_is_fixed_and_never_null() -> None:
    def field(kind: Kind, nullable: bool) -> Field:
        return Field(name=f"{kind}{nullable}", kind=kind, type=TYPES[kind], nullable=nullable)

    text, number, key = field("text", False), field("int4", True), field("int8", False)

    assert selection_order([text, number, key]) == [2, 0, 1]
    assert selection_order([text, number]) == [1, 0]
    assert selection_order([number, text, key]) == [2, 0, 1]
    assert selection_order([key, text, number]) == [0, 1, 2]
    assert selection_order([text, text]) == [0, 1]
    assert selection_order([]) == []


def test_columns_land_in_their_own_order() -> None:
    columns = fields("text", "int4", "int8")
    sent = rows([[int8(3), b"a", int4(2)], [int8(6), None, int4(5)]])

    batch = CopyBinary(columns, order=[2, 0, 1]).decode([sent]).batch

    assert batch.to_pylist() == [{"c0": "a", "c1": 2, "c2": 3}, {"c0": None, "c1": 5, "c2": 6}]
