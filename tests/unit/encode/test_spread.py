"""Row groups by partition values: order and size decide, however the rows came in batches."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.partition_by import PartitionField
from bronze_engine.encode.partition_values import Values, divide, levels_of
from bronze_engine.encode.spread import Spread
from bronze_engine.encode.weight import row_weights, weight
from bronze_engine.model.layout import Column
from tests.unit.encode.test_rowgroups import ROWS, WEIGHED

pytestmark = pytest.mark.unit

TYPES: dict[str, pa.DataType] = {"k": pa.string(), "i": pa.int64(), "t": pa.string()}
SCHEMA = pa.schema(TYPES)
NO_LIMIT = 2**60

Written = list[tuple[Values, list[int]]]


def written(batches: list[pa.RecordBatch], **limits: int) -> Written:
    """Every row group as (values, numbers of its rows), in the order of writing."""
    all_limits = {"rows": NO_LIMIT, "bytes_": NO_LIMIT, "held_bytes": NO_LIMIT}
    spread = Spread(**{**all_limits, "max_rows_per_file": NO_LIMIT, **limits})
    levels = levels_of([PartitionField("k")], [Column.parse(field) for field in SCHEMA])
    found: Written = []

    def take(key: Values) -> None:
        table = spread.take(key, SCHEMA)
        assert {*table.column("k").to_pylist()} == {key[0]}
        numbers: Any = table.column("i").to_pylist()
        found.append((key, numbers))

    for batch in batches:
        spread.begin(batch, divide(batch, levels))
        while keys := spread.fill():
            for key in keys:
                take(key)
    for key in spread.keys:
        take(key)
    return found


def batch_of(keys: list[str]) -> pa.RecordBatch:
    rows = [{"k": key, "i": place, "t": key * place} for place, key in enumerate(keys)]
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from("abcde"), max_size=60),
    st.lists(st.integers(0, 60), max_size=6),
    st.integers(1, 12),
    st.integers(1, 400),
    st.integers(1, 40_000),
)
def test_how_rows_came_in_batches_decides_nothing(
    keys: list[str], cuts: list[int], rows: int, size: int, held: int
) -> None:
    whole = batch_of(keys)
    ends = sorted({0, len(keys), *(min(cut, len(keys)) for cut in cuts)})
    pieces = [whole.slice(start, end - start) for start, end in pairwise(ends)]
    found = written([whole], rows=rows, bytes_=size, held_bytes=held)
    assert written(pieces, rows=rows, bytes_=size, held_bytes=held) == found
    for key in {*keys}:
        of_key = [i for values, group in found if values == (key,) for i in group]
        assert of_key == [place for place, each in enumerate(keys) if each == key]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_value_is_written_with_the_row_that_fills_it(size: int) -> None:
    whole = batch_of(["a", "b", "b", "a", "b", "a", "a"] * 2)
    pieces = [whole.slice(start, size) for start in range(0, len(whole), size)]
    assert written(pieces, rows=3) == [
        (("b",), [1, 2, 4]),
        (("a",), [0, 3, 5]),
        (("a",), [6, 7, 10]),
        (("b",), [8, 9, 11]),
        (("a",), [12, 13]),
    ]


def test_row_groups_stop_where_their_file_would_have_too_many_rows() -> None:
    spread = Spread(rows=4, bytes_=NO_LIMIT, held_bytes=NO_LIMIT, max_rows_per_file=6)
    batch = batch_of(["a"] * 13)
    levels = levels_of([PartitionField("k")], [Column.parse(field) for field in SCHEMA])
    spread.begin(batch, divide(batch, levels))
    lengths = []
    while keys := spread.fill():
        lengths.append(spread.take(keys[0], SCHEMA).num_rows)
        if sum(lengths) % 6 == 0:
            spread.end_file(keys[0])
    assert lengths == [4, 2, 4, 2]


def test_the_heaviest_are_written_until_half_is_left() -> None:
    keys = ["a"] * 4 + ["b"] * 400 + ["c"] * 300
    batch = batch_of(keys)
    held = 3 * 2048 * len(SCHEMA) + int(row_weights(batch)[:-1].sum())
    found = written([batch], held_bytes=held)
    assert [(*values, len(group)) for values, group in found] == [
        ("c", 299),
        ("a", 4),
        ("b", 400),
        ("c", 1),
    ]


def test_what_is_held_of_one_value_does_not_hold_the_rows_of_others() -> None:
    spread = Spread(rows=NO_LIMIT, bytes_=NO_LIMIT, held_bytes=NO_LIMIT, max_rows_per_file=NO_LIMIT)
    levels = levels_of([PartitionField("k")], [Column.parse(field) for field in SCHEMA])
    before = pa.total_allocated_bytes()
    for _ in range(40):
        batch = batch_of(["rare", *["often"] * 500])
        spread.begin(batch, divide(batch, levels))
        spread.fill()
        spread.take(("often",), SCHEMA)
        del batch
    assert pa.total_allocated_bytes() - before < 100_000


@settings(max_examples=100, deadline=None)
@given(ROWS, st.integers(0, 20))
def test_rows_weigh_together_what_their_batch_does(rows: list[dict[str, Any]], start: int) -> None:
    batch = pa.RecordBatch.from_pylist(rows, schema=WEIGHED).slice(start)
    weights = row_weights(batch)
    assert [int(sum(weights[:n])) for n in range(len(batch) + 1)] == [
        weight(batch.slice(0, n)) for n in range(len(batch) + 1)
    ]
