"""Arrays: what is sent comes back as lists, whatever their elements, depth and NULLs."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.model.arrow import DataType
from bronze_engine.sources.copy_binary.cells import PADDING, Cells
from bronze_engine.sources.copy_binary.field import Field, Kind
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.copy_binary.kinds import READERS
from bronze_engine.sources.copy_binary.reader import Column

pytestmark = pytest.mark.unit

INT4 = 23
ARRAYS = READERS["array"]


def encode(
    value: Any, depth: int, element: Any, *, lower: int = 1, dimensions: int | None = None
) -> bytes:
    """As array_send writes it; an empty array has no dimensions."""
    sizes: list[int] = []
    level = value
    for _ in range(depth):
        sizes.append(len(level))
        level = level[0] if level else []
    if 0 in sizes:
        return struct.pack("!iiI", 0, 0, INT4)
    leaves = list(_leaves(value, depth))
    head = struct.pack("!iiI", dimensions or depth, int(None in leaves), INT4)
    bounds = b"".join(struct.pack("!ii", size, lower) for size in sizes)
    items = (
        struct.pack("!i", -1) if leaf is None else struct.pack("!i", len(sent)) + sent
        for leaf in leaves
        for sent in [b"" if leaf is None else element(leaf)]
    )
    return head + bounds + b"".join(items)


def _leaves(value: Any, depth: int) -> list[Any]:
    if depth == 0:
        return [value]
    return [leaf for item in value for leaf in _leaves(item, depth - 1)]


def cells_of(values: Sequence[bytes | None]) -> Cells:
    data = bytearray(PADDING)
    starts, lengths = [], []
    for value in values:
        starts.append(len(data))
        lengths.append(0 if value is None else len(value))
        data += b"\xaa" if value is None else value
    data += bytes(PADDING)
    nulls = np.array([value is None for value in values], np.bool_)
    return Cells(
        np.frombuffer(bytes(data), np.uint8),
        np.array(starts, np.int64),
        np.array(lengths, np.int32),
        nulls if nulls.any() else None,
    )


def read(values: Sequence[bytes | None], element: Kind, leaf: DataType, depth: int = 1) -> Column:
    kind = leaf
    for _ in range(depth):
        kind = pa.list_(kind)
    column = ARRAYS.read(
        cells_of(values), Field(name="c", kind="array", type=kind, element=element)
    )
    column.array.validate(full=True)
    assert column.array.type == kind
    return column


def int4(value: int) -> bytes:
    return struct.pack("!i", value)


def float8(value: float) -> bytes:
    return struct.pack("!d", value)


def text(value: str) -> bytes:
    return value.encode()


INTEGERS = st.integers(-(2**31), 2**31 - 1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


def nested(leaf: st.SearchStrategy[Any], depth: int) -> st.SearchStrategy[Any]:
    """Lists in lists, all of one shape, as an array is."""

    @st.composite
    def draw_array(draw: st.DrawFn) -> Any:
        sizes = [draw(st.integers(1, 3)) for _ in range(depth)]

        def build(level: int) -> Any:
            if level == depth:
                return draw(leaf)
            return [build(level + 1) for _ in range(sizes[level])]

        return build(0)

    return draw_array() | st.just([])


@given(st.lists(st.none() | st.lists(st.none() | INTEGERS, max_size=6), max_size=12))
def test_integers_come_back_with_their_nulls(rows: list[Any]) -> None:
    sent = [None if row is None else encode(row, 1, int4) for row in rows]
    column = read(sent, "int4", pa.int32())
    assert column.array.to_pylist() == rows
    assert column.special is None


@given(st.lists(st.none() | st.lists(st.none() | TEXTS, max_size=40), max_size=40))
def test_texts_come_back_with_their_nulls(rows: list[Any]) -> None:
    sent = [None if row is None else encode(row, 1, text) for row in rows]
    assert read(sent, "text", pa.string()).array.to_pylist() == rows


@pytest.mark.parametrize("depth", [2, 3])
@given(data=st.data())
def test_lists_in_lists_come_back(depth: int, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.none() | nested(st.none() | INTEGERS, depth), max_size=6))
    sent = [None if row is None else encode(row, depth, int4) for row in rows]
    assert read(sent, "int4", pa.int32(), depth).array.to_pylist() == rows


def test_many_rows_are_walked_together_and_a_long_one_alone() -> None:
    rows = [[str(i) if (i + j) % 7 else None for j in range(i % 5)] for i in range(200)]
    rows[50] = [str(i) for i in range(5000)]
    sent = [encode(row, 1, text) for row in rows]
    assert read(sent, "text", pa.string()).array.to_pylist() == rows


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (encode([[1, 2], [3, None]], 2, int4), "{{1,2},{3,NULL}}"),
        (encode([1, -2], 1, int4, lower=0), "[0:1]={1,-2}"),
        (encode([[1]], 2, int4, lower=-3), "[-3:-3][-3:-3]={{1}}"),
    ],
)
def test_arrays_of_another_depth_or_other_bounds_are_special(value: bytes, printed: str) -> None:
    column = read([encode([7], 1, int4), value, None, encode([], 1, int4)], "int4", pa.int32())
    assert column.array.to_pylist() == [[7], None, None, []]
    assert column.special is not None
    assert column.special.tolist() == [False, True, False, False]
    field = Field(name="c", kind="array", type=pa.list_(pa.int32()), element="int4")
    assert ARRAYS.show is not None
    assert ARRAYS.show(value, field) == printed


def test_an_array_with_a_special_element_is_special_as_a_whole() -> None:
    rows = [[1, 2], [3, 2**31 - 1], [4], None]
    sent = [None if row is None else encode(row, 1, int4) for row in rows]
    column = read(sent, "date", pa.date32())
    assert [None if row is None else len(row) for row in column.array.to_pylist()] == [
        2,
        None,
        1,
        None,
    ]
    assert column.special is not None
    assert column.special.tolist() == [False, True, False, False]
    assert len(column.array.flatten()) == 3, "a null list holds no elements: Parquet has no room"


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (["", "null", "NULL", "a b", 'q"', "back\\slash", "a,b", "{x}", "é", "nul"],
         r'{"","null","NULL","a b","q\"","back\\slash","a,b","{x}",é,nul}'),
        (["tab\t", "line\n"], '{"tab\t","line\n"}'),
    ],
)  # fmt: skip
def test_texts_are_quoted_where_the_server_quotes_them(value: list[str], printed: str) -> None:
    field = Field(name="c", kind="array", type=pa.list_(pa.string()), element="text")
    assert ARRAYS.show is not None
    assert ARRAYS.show(encode(value, 1, text), field) == printed


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("!iiI", 7, 0, INT4),
        struct.pack("!iiI", -1, 0, INT4),
        struct.pack("!i", 0),
        encode([1, 2], 1, lambda value: struct.pack("!q", value)),
        encode([1, None], 1, lambda value: struct.pack("!h", value)),
        struct.pack("!iiIii", 1, 0, INT4, 2**31 - 1, 1),
        struct.pack("!iiIii", 1, 0, INT4, -1, 1),
        encode([1, 2], 1, int4)[:-1],
        encode([1, None, 2], 1, int4) + b"\0",
        struct.pack("!iiIiii", 1, 0, INT4, 1, 1, 2**31 - 1),
    ],
)
def test_what_is_no_array_is_broken_framing(sent: bytes) -> None:
    with pytest.raises(BrokenFraming, match='"c"'):
        read([sent], "int4", pa.int32())
    with pytest.raises(BrokenFraming, match='"c"'):
        read([sent, *[encode([1, None], 1, int4)] * 40], "int4", pa.int32())


def test_no_rows_are_no_lists() -> None:
    assert read([], "int4", pa.int32()).array.to_pylist() == []
    assert read([None, None], "text", pa.string(), 2).array.to_pylist() == [None, None]


def test_floats_keep_their_bits() -> None:
    rows = [[-0.0, float("inf"), 5e-324, 1.1]]
    [found] = read(
        [encode(row, 1, float8) for row in rows], "float8", pa.float64()
    ).array.to_pylist()
    assert [float8(value) for value in found] == [float8(value) for value in rows[0]]


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (2.0**-44, "5.684341886080802e-14"),
        (-3.014812919359777e16, "-3.0148129193597768e+16"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (123456789012345.0, "123456789012345"),
        (1e15, "1e+15"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-0.0, "-0"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_floats_are_printed_as_the_server_prints_them(value: float, printed: str) -> None:
    """As PostgreSQL 18 printed them: halfway between two numbers it takes one digit more."""
    field = Field(name="c", kind="array", type=pa.list_(pa.float64()), element="float8")
    assert ARRAYS.show is not None
    assert ARRAYS.show(encode([[value]], 2, float8), field) == "{{" + printed + "}}"
