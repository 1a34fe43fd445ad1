"""Keys that come twice: told one by one within a slice, counted across slices."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.quality_rule import UniqueRule
from bronze_engine.quality.rules.unique import Unique

pytestmark = pytest.mark.unit

TEXTS = st.none() | st.text("aé1", max_size=2)
NUMBERS = st.none() | st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1)
SLICES = st.lists(st.lists(st.lists(st.tuples(TEXTS, NUMBERS), max_size=6), max_size=3), max_size=4)


def batch_of(rows: list[tuple[Any, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "t": pa.array([t for t, _ in rows], pa.string()),
            "n": pa.array([n for _, n in rows], pa.int64()),
        }
    )


@pytest.mark.parametrize("columns", [("t",), ("n",), ("t", "n")])
@settings(max_examples=80, deadline=None)
@given(slices=SLICES)
def test_any_slices_count_what_one_would_and_tell_their_own_rows(
    columns: tuple[str, ...], slices: list[list[list[tuple[Any, Any]]]]
) -> None:
    config = UniqueRule(columns=columns)
    merged = Unique(config, b"run")
    all_keys: set[Any] = set()
    repeated = across = checked = 0
    for groups in slices:
        rule = Unique(config, b"run")
        own: set[Any] = set()
        for rows in groups:
            mask = rule.observe(batch_of(rows))
            keys = [tuple({"t": t, "n": n}[name] for name in columns) for t, n in rows]
            wanted = []
            for key in keys:
                is_known = None not in key and key in own
                wanted.append(is_known)
                repeated += is_known
                if None not in key:
                    own.add(key)
            checked += len(rows)
            assert ([False] * len(rows) if mask is None else mask.to_pylist()) == wanted
        across += len(own & all_keys)
        all_keys |= own
        merged.merge(rule.state())
    result = merged.finish()
    assert (result.checked, result.failed) == (checked, repeated + across)
    assert result.verdict == ("failed" if across else "rejected" if repeated else "passed")


def test_only_rows_within_its_scope_are_compared() -> None:
    rule = Unique(UniqueRule(column="n", where="t = 'a'"), b"run")
    mask = rule.observe(batch_of([("b", 1), ("a", 1), ("a", 2), ("b", 2), ("a", 1)]))
    assert mask is not None
    assert mask.to_pylist() == [False, False, False, False, True]
    assert rule.finish().examples == ("1",)


def test_keys_that_ascend_leave_a_small_state() -> None:
    rule = Unique(UniqueRule(column="n"), b"run")
    rule.observe(pa.RecordBatch.from_pydict({"n": pa.array(range(100_000))}))
    assert len(rule.state()) < 8 * 100_000 / 20
    assert rule.size_bytes >= 8 * 100_000


def test_integers_of_any_size_and_texts_of_them_are_one_key() -> None:
    small = Unique(UniqueRule(column="n"), b"run")
    small.observe(pa.RecordBatch.from_pydict({"n": pa.array([5, 6], pa.int16())}))
    large = Unique(UniqueRule(column="n"), b"run")
    large.observe(pa.RecordBatch.from_pydict({"n": pa.array([2**64 - 1, 6], pa.uint64())}))
    small.merge(large.state())
    assert small.finish().failed == 1
