"""Rules about the partition: how many rows it has, and how new they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.quality_rule import FreshnessRule, RowCountChangeRule, RowCountRule
from bronze_engine.config.units import Duration
from bronze_engine.errors import QualityError
from bronze_engine.quality.rules.freshness import Freshness
from bronze_engine.quality.rules.row_count import RowCount, RowCountChange

pytestmark = pytest.mark.unit

BEGAN = datetime(2025, 1, 15, 12, tzinfo=UTC)
HOUR = FreshnessRule(column="at", max_age=Duration(3600))


def freshness(*batches: pa.Array[Any], rule: FreshnessRule = HOUR) -> Freshness:
    found = Freshness(rule, BEGAN)
    for array in batches:
        found.observe(pa.RecordBatch.from_pydict({"at": array}))
    return found


MOMENTS = st.lists(
    st.none() | st.integers(-10_000, 10_000).map(lambda n: BEGAN - timedelta(seconds=n)),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(MOMENTS, st.integers(0, 8), st.sampled_from(["typed", "offset", "mixed"]))
def test_the_newest_of_all_slices_counts(
    moments: list[datetime | None], cut: int, kind: str
) -> None:
    def array(part: Sequence[datetime | None]) -> Any:
        if kind == "typed":
            return pa.array(part, pa.timestamp("ms", "UTC"))
        texts = [None if each is None else each.isoformat() for each in part]
        if kind == "mixed":
            texts = ["no time", *texts, None]
        return pa.array(texts, pa.string())

    rule = freshness(array(moments[:cut]))
    rule.merge(freshness(array(moments[cut:])).state())
    newest = max((each for each in moments if each is not None), default=None)
    is_old = newest is None or BEGAN - newest > timedelta(hours=1)
    assert rule.finish().verdict == ("failed" if is_old else "passed")


def test_dates_are_their_midnight_and_texts_without_an_offset_are_utc() -> None:
    half_a_day = FreshnessRule(column="at", max_age=Duration(12 * 3600))
    assert freshness(pa.array([date(2025, 1, 15)]), rule=half_a_day).finish().verdict == "passed"
    assert freshness(pa.array([date(2025, 1, 14)]), rule=half_a_day).finish().verdict == "failed"
    assert freshness(pa.array(["2025-01-15T11:30:00"])).finish().verdict == "passed"
    assert freshness(pa.array(["2025-01-15T11:30:00+02:00"])).finish().verdict == "failed"


def test_a_partition_without_a_time_is_not_fresh() -> None:
    result = freshness(pa.array([], pa.string())).finish()
    assert (result.verdict, result.detail) == ("failed", "none of 0 rows has a time in 'at'")


def test_a_number_is_no_time() -> None:
    with pytest.raises(QualityError, match="lands as int64, which is no time"):
        freshness(pa.array([1]))


@pytest.mark.parametrize(("rows", "verdict"), [(1, "failed"), (2, "passed"), (4, "failed")])
def test_a_number_of_rows_within_bounds(rows: int, verdict: str) -> None:
    rule = RowCount(RowCountRule(min=2, max=3, where="n is not null"))
    values = [None, *range(rows)]
    rule.observe(pa.RecordBatch.from_pydict({"n": pa.array(values, pa.int64())}))
    result = rule.finish()
    assert (result.verdict, result.checked) == (verdict, rows)
    assert result.detail == f"{rows} rows; 2 to 3 are wanted"


@pytest.mark.parametrize(
    ("against", "rows", "verdict"),
    [("median", 99, "failed"), ("median", 100, "passed"), ("mean", 185, "passed")],
)
def test_rows_beside_those_of_the_last_dates(against: Any, rows: int, verdict: str) -> None:
    config = RowCountChangeRule(against=against, min_ratio=0.5, runs=3)
    rule = RowCountChange(config, [200, 100, 800, 1])
    rule.merge(_counted(config, rows).state())
    assert rule.finish().verdict == verdict


def test_where_no_date_had_rows_any_is_more_than_twice_as_many() -> None:
    config = RowCountChangeRule(max_ratio=2.0)
    rule = RowCountChange(config, [0, 0])
    rule.merge(_counted(config, 1).state())
    assert rule.finish().verdict == "failed"


def _counted(config: RowCountChangeRule, rows: int) -> RowCountChange:
    rule = RowCountChange(config, ())
    rule.observe(pa.RecordBatch.from_pydict({"n": pa.array(range(rows))}))
    return rule
