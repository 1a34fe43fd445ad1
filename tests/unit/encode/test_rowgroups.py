"""Row groups are cut by order and size, whatever the batches are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.encode.rowgroups import RowGroups, conform
from bronze_engine.encode.weight import weight

pytestmark = pytest.mark.unit

SCHEMA = pa.schema([("i", pa.int64())])
NO_LIMIT = 2**60


def batch(start: int, rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"i": list(range(start, start + rows))}, schema=SCHEMA)


def groups(
    *, rows: int = NO_LIMIT, bytes_: int = NO_LIMIT, max_rows_per_file: int = NO_LIMIT
) -> RowGroups:
    return RowGroups(rows=rows, bytes_=bytes_, max_rows_per_file=max_rows_per_file)


def numbers(gathered: RowGroups) -> list[int]:
    taken: Any = gathered.take(SCHEMA).column("i")
    return [int(value) for value in taken.to_pylist()]


def cut(gathered: RowGroups, sizes: list[int]) -> list[list[int]]:
    """What is taken of batches of these sizes, a full one at once and the rest at the end."""
    found: list[list[int]] = []
    start = 0
    for size in sizes:
        gathered.add(batch(start, size))
        start += size
        while gathered.is_full:
            found.append(numbers(gathered))
    while gathered.held_rows:
        found.append(numbers(gathered))
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 25), max_size=12), st.integers(1, 12), st.integers(1, 30))
def test_rows_are_cut_exactly_and_in_order(sizes: list[int], rows: int, per_file: int) -> None:
    taken = cut(groups(rows=rows, max_rows_per_file=per_file), sizes)
    assert [i for group in taken for i in group] == list(range(sum(sizes)))
    wanted: list[int] = []
    left = per_file
    for _ in range(sum(sizes)):
        if not wanted or wanted[-1] == min(rows, left):
            if wanted:
                left = left - wanted[-1] or per_file
            wanted.append(0)
        wanted[-1] += 1
    assert [len(group) for group in taken] == wanted


@pytest.mark.parametrize("sizes", [[4, 4, 4, 20, 3], [35], [1] * 35, [10, 25]])
def test_bytes_close_a_row_group_with_the_row_that_reaches_them(sizes: list[int]) -> None:
    gathered = groups(bytes_=80)
    assert [len(group) for group in cut(gathered, sizes)] == [10, 10, 10, 5]
    assert (gathered.held_rows, gathered.held_bytes) == (0, 0)


WEIGHED_TYPES: dict[str, pa.DataType] = {
    "i": pa.int16(),
    "b": pa.bool_(),
    "n": pa.null(),
    "d": pa.decimal128(20, 3),
    "t": pa.string(),
    "x": pa.large_binary(),
    "l": pa.list_(pa.string()),
    "s": pa.struct([("k", pa.int64()), ("m", pa.list_(pa.int8()))]),
}
WEIGHED = pa.schema(WEIGHED_TYPES)
TEXTS = st.none() | st.text(max_size=5)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.none() | st.integers(-5, 5),
            "b": st.none() | st.booleans(),
            "n": st.none(),
            "d": st.none() | st.decimals(-9, 9, places=3),
            "t": TEXTS,
            "x": st.none() | st.binary(max_size=5),
            "l": st.none() | st.lists(TEXTS, max_size=3),
            "s": st.none() | st.fixed_dictionaries({"k": st.none(), "m": st.just([1, 2])}),
        }
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.lists(st.integers(0, 20), max_size=5), st.integers(1, 300))
def test_how_rows_came_in_batches_decides_nothing(
    rows: list[dict[str, Any]], cuts: list[int], limit: int
) -> None:
    whole = pa.RecordBatch.from_pylist(rows, schema=WEIGHED)
    ends = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    pieces = [whole.slice(start, end - start) for start, end in pairwise(ends)]
    assert sum(map(weight, pieces)) == weight(whole)

    def lengths(batches: list[pa.RecordBatch]) -> list[int]:
        gathered = groups(bytes_=limit)
        found = []
        for batch in batches:
            gathered.add(batch)
            while gathered.is_full:
                found.append(gathered.take(WEIGHED).num_rows)
        while gathered.held_rows:
            found.append(gathered.take(WEIGHED).num_rows)
        return found

    assert lengths(pieces) == lengths([whole])


def test_a_weight_is_that_of_values_and_offsets() -> None:
    rows: list[dict[str, Any]] = [
        {"i": 1, "t": "abc", "l": ["x", None]},
        {"i": 2, "t": None, "l": None},
    ]
    schema = pa.schema([WEIGHED.field(name) for name in ("i", "t", "l")])
    batch = pa.RecordBatch.from_pylist(rows, schema=schema)
    first = 2 + (4 + 3) + (4 + 2 * 4 + 1)
    assert weight(batch.slice(0, 1)) == first
    assert weight(batch) == first + 2 + 4 + 4


def test_a_file_begun_elsewhere_counts_from_there() -> None:
    gathered = groups(max_rows_per_file=10)
    gathered.add(batch(0, 6))
    assert gathered.take(SCHEMA).num_rows == 6
    gathered.begin_file()
    gathered.add(batch(0, 14))
    assert gathered.take(SCHEMA).num_rows == 10


def conformed(old: pa.Array[Any], kind: pa.DataType) -> list[Any]:
    given = pa.RecordBatch.from_arrays([old], names=["c"])
    schema = pa.schema([pa.field("c", kind), pa.field("new", pa.string())])
    found = conform(given, schema)
    found.validate(full=True)
    assert found.schema == schema
    assert found.column("new").null_count == len(old)
    return found.column("c").to_pylist()


def test_older_layouts_become_the_newer() -> None:
    null: Any = pa.nulls(2)
    assert conformed(null, pa.struct([("k", pa.int64())])) == [None, None]
    assert conformed(pa.array([1, None]), pa.float64()) == [1.0, None]
    empty = pa.array([{}, None], pa.struct([]))
    assert conformed(empty, pa.string()) == ["{}", None]
    old = pa.array([{"k": 1}, None], pa.struct([("k", pa.int64())]))
    new = pa.struct([("k", pa.float64()), ("n", pa.list_(pa.string()))])
    assert conformed(old, new) == [{"k": 1.0, "n": None}, None]
    lists = pa.array([[None], None, [], [None, None]], pa.list_(pa.null()))
    assert conformed(lists, pa.list_(pa.string())) == [[None], None, [], [None, None]]


def test_slices_conform_without_their_neighbours() -> None:
    inner = pa.struct([("k", pa.int64())])
    old = pa.array([[{"k": 1}], [{"k": 2}, None], None, [{"k": 4}]], pa.list_(inner))
    new = pa.list_(pa.struct([("k", pa.float64()), ("n", pa.string())]))
    assert conformed(old.slice(1, 3), new) == [
        [{"k": 2.0, "n": None}, None],
        None,
        [{"k": 4.0, "n": None}],
    ]
    structs = pa.array([{"k": 1}, {"k": 2}, None], inner)
    wider = pa.struct([("k", pa.float64())])
    assert conformed(structs.slice(1), wider) == [{"k": 2.0}, None]


def test_an_integer_that_a_double_does_not_hold_is_never_rounded() -> None:
    with pytest.raises(pa.ArrowInvalid):
        conformed(pa.array([2**53 + 1]), pa.float64())


def test_rows_without_columns_stay_rows() -> None:
    gathered = groups(rows=5)
    gathered.add(pa.RecordBatch.from_arrays([pa.nulls(7)], names=["gone"]).select([]))
    assert [gathered.take(pa.schema([])).num_rows for _ in range(2)] == [5, 2]
