"""A set of keys says of each row what a Python set of the same keys says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.quality.keys import KeySet, _order

pytestmark = pytest.mark.unit


def expected(seen: set[Any], keys: list[Any]) -> list[bool]:
    found = []
    for key in keys:
        found.append(key in seen)
        seen.add(key)
    return found


INTEGERS = st.lists(st.lists(st.integers(-40, 40) | st.integers(-(2**63), 2**63 - 1)))
ASCENDING = st.lists(st.lists(st.integers(0, 200)).map(sorted))


@settings(max_examples=200, deadline=None)
@given(INTEGERS | ASCENDING)
def test_integers(batches: list[list[int]]) -> None:
    keys, seen = KeySet(), set[int]()
    for batch in batches:
        found = keys.add([pa.array(batch, pa.int64())])
        assert found.tolist() == expected(seen, batch)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.text("ab:1\0", max_size=3))))
def test_texts(batches: list[list[str]]) -> None:
    keys, seen = KeySet(), set[str]()
    for batch in batches:
        found = keys.add([pa.array(batch, pa.string())])
        assert found.tolist() == expected(seen, batch)


PAIRS = st.tuples(st.text("ab:1", max_size=3), st.integers(0, 3), st.booleans())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(PAIRS)))
def test_several_columns_are_one_key_that_no_other_spelling_has(
    batches: list[list[tuple[str, int, bool]]],
) -> None:
    keys, seen = KeySet(), set[tuple[str, int, bool]]()
    for batch in batches:
        texts, numbers, flags = ([each[at] for each in batch] for at in range(3))
        found = keys.add(
            [
                pa.array(texts, pa.string()),
                pa.array(numbers, pa.int64()),
                pa.array(flags, pa.bool_()),
            ]
        )
        assert found.tolist() == expected(seen, batch)


def test_integers_that_became_doubles_or_texts_are_still_known() -> None:
    keys = KeySet()
    keys.add([pa.array([1, 2, 3])])
    assert keys.add([pa.array([2.0, 2.5])]).tolist() == [True, False]
    assert keys.add([pa.array(["3", "4"])]).tolist() == [True, False]
    assert keys.add([pa.array([4, 5])]).tolist() == [True, False]


def test_lists_and_timestamps_are_keys() -> None:
    keys = KeySet()
    lists = pa.array([[1, 2], [1], [1, 2]])
    assert keys.add([lists]).tolist() == [False, False, True]
    moments = pa.array([1, 2, 1], pa.timestamp("us", "UTC"))
    assert KeySet().add([moments]).tolist() == [False, False, True]


FAR: Any = pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("column", "known"),
    [
        (pa.array([b"\xff" * 16, b"", b"\xff" * 16]), [False, False, True]),
        (pa.array([float("nan"), -0.0, 0.0, float("nan")]), [False, False, True, True]),
        (pa.array([2**63 - 1, 0, 2**63 - 1], FAR), [False, False, True]),
        (pa.array([[2**63 - 1], [2**63 - 2], [2**63 - 1]], pa.list_(FAR)), [False, False, True]),
        (pa.array([2**31 - 1, -(2**31), 2**31 - 1], pa.date32()), [False, False, True]),
    ],
    ids=["bytes that are no UTF-8", "NaN and zeros", "far years", "within lists", "far days"],
)
def test_keys_that_are_no_text_and_have_no_python_value(column: Any, known: list[bool]) -> None:
    assert KeySet().add([column]).tolist() == known
    assert KeySet().add([column, column]).tolist() == known


@pytest.mark.parametrize("is_shuffled", [False, True])
def test_a_million_integers_take_sixteen_bytes_each(*, is_shuffled: bool) -> None:
    numbers = np.arange(1_000_000)
    if is_shuffled:
        np.random.default_rng(1).shuffle(numbers)
    keys = KeySet()
    for start in range(0, 1_000_000, 3_000):
        assert not keys.add([pa.array(numbers[start : start + 3_000])]).any()
    assert keys.size_bytes == 16_000_000
    assert keys.add([pa.array(numbers[::1000])]).all()


SMALL = st.integers(0, 3) | st.integers(0, 2**41) | st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.tuples(SMALL, SMALL))), st.integers(0, 4))
def test_pairs_of_integers_in_any_two_sets(batches: list[list[tuple[int, int]]], cut: int) -> None:
    def columns(batch: list[tuple[int, int]]) -> list[Any]:
        return [pa.array([pair[at] for pair in batch], pa.int64()) for at in range(2)]

    one, two, seen = KeySet(b"k"), KeySet(b"k"), set[Any]()
    for batch in batches[:cut]:
        assert one.add(columns(batch)).tolist() == expected(seen, batch)
    others: set[Any] = set()
    for batch in batches[cut:]:
        assert two.add(columns(batch)).tolist() == expected(others, batch)
    assert int(one.join(two.state()).sum()) == len(seen & others)
    for batch in batches:
        assert one.add(columns(batch)).tolist() == [True] * len(batch)


def test_keys_that_are_alike_by_half_of_their_hash_are_told_apart() -> None:
    first, second = np.array([5, 5, 4, 5]), np.array([1, 2, 9, 1])
    assert _order(first, second).tolist() == [2, 0, 3, 1]
    assert _order(first, None).tolist() == [2, 0, 1, 3]
