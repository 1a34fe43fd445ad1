"""Casts of times in SQL beside plain Python: each value exactly, or not at all."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.model.layout import Column
from bronze_engine.model.types.named import parse_type

from .casting import values_of

pytestmark = pytest.mark.unit

EXAMPLES = settings(max_examples=20, deadline=None)
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-1000, 1000)


def naive(year: int, month: int = 1, day_: int = 1) -> datetime:
    return datetime(year, month, day_, tzinfo=UTC).replace(tzinfo=None)


NAIVE = st.datetimes(naive(1700), naive(2250))
MIDNIGHTS = st.dates(date(1700, 1, 1), date(2250, 1, 1)).map(
    lambda found: naive(found.year, found.month, found.day)
)


@EXAMPLES
@given(values=st.lists(st.none() | NAIVE | MIDNIGHTS, max_size=20))
def test_times_of_other_units_and_their_days(values: list[datetime | None]) -> None:
    for zone in (None, "UTC"):
        array: pa.Array[Any] = pa.array(values, pa.timestamp("us")).cast(pa.timestamp("us", zone))
        days = values_of(array, pa.date32())
        seconds = values_of(array, pa.timestamp("s", zone))
        texts = values_of(array, pa.string())
        for value, day_, second, text in zip(values, days, seconds, texts, strict=True):
            if value is None:
                assert (day_, second, text) == (None,) * 3
                continue
            is_midnight = value.time() == time()
            assert day_ == (value.date() if is_midnight else None)
            assert second == (
                None if value.microsecond else value.replace(tzinfo=UTC if zone else None)
            )
            assert text == value.isoformat(timespec="microseconds") + ("Z" if zone else "")


def test_nanoseconds_are_not_cut_off() -> None:
    ticks = [1_700_000_000_123_456_789, 1_700_000_000_123_456_000, -1, None]
    for zone in (None, "UTC"):
        array: pa.Array[Any] = pa.array(ticks, pa.int64()).cast(pa.timestamp("ns", zone))
        coarse = values_of(array, pa.timestamp("us", zone))
        assert [value is None for value in coarse] == [True, False, True, True]
        back = values_of(pa.array(coarse, pa.timestamp("us", zone)), pa.timestamp("ns", zone))
        assert [value and value.value % 1000 for value in back] == [None, 0, None, None]
        assert values_of(array, pa.string())[0] == "2023-11-14T22:13:20.123456789" + (
            "Z" if zone else ""
        )
    far: pa.Array[Any] = pa.array([naive(3000)], pa.timestamp("us"))
    assert values_of(far, pa.timestamp("ns")) == [None]


def test_years_before_the_first_are_counted_on() -> None:
    days = pa.array([-719_163, -719_528, 2_932_897, 0], pa.int32()).cast(pa.date32())
    texts = ["0000-12-31", "0000-01-01", "10000-01-01", "1970-01-01"]
    assert values_of(days, pa.string()) == texts
    instants = days.cast(pa.timestamp("s")).cast(pa.timestamp("us"))
    assert values_of(instants, pa.string()) == [f"{text}T00:00:00.000000" for text in texts]


def test_days_and_clocks_and_truths() -> None:
    days: pa.Array[Any] = pa.array([date(2025, 1, 15), None])
    assert values_of(days, pa.timestamp("us")) == [naive(2025, 1, 15), None]
    assert values_of(days, pa.string()) == ["2025-01-15", None]
    clocks: pa.Array[Any] = pa.array([time(10, 0, 0, 5), time(), None], pa.time64("us"))
    assert values_of(clocks, pa.string()) == ["10:00:00.000005", "00:00:00.000000", None]
    truths: pa.Array[Any] = pa.array([True, False, None])
    assert values_of(truths, pa.int8()) == [1, 0, None]
    assert values_of(truths, pa.string()) == ["true", "false", None]
    assert values_of(pa.array([0, 1, 2, None]), pa.bool_()) == [False, True, None, None]


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@EXAMPLES
@given(values=st.lists(st.none() | WHOLE | st.integers(0, 2 * 10**18), max_size=20))
def test_numbers_since_1970(values: list[int | None]) -> None:
    array: pa.Array[Any] = pa.array(values, pa.int64())
    for role, factor in (("epoch_s", 10**6), ("epoch_ms", 1000), ("epoch_us", 1)):
        kind, _ = parse_type("v", role)
        column = Column(name="v", type=kind, key="v", role=role)  # type: ignore[arg-type]
        found = values_of(array, kind, column.role)
        texts = values_of(array.cast(pa.string()), kind, column.role)
        for value, instant_, read in zip(values, found, texts, strict=True):
            wanted = None if value is None else _after(value * factor)
            assert instant_ == read == wanted
    kind, _ = parse_type("v", "epoch_ns")
    found = values_of(array, kind, "epoch_ns")
    for value, moment in zip(values, found, strict=True):
        is_told = value is not None and abs(value) < 2**63 - 1  # the last are DuckDB's infinities
        assert (None if moment is None else moment.value) == (value if is_told else None)


def _after(microseconds: int) -> datetime | None:
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def test_fractions_of_an_epoch_are_exact_or_refused() -> None:
    kind, _ = parse_type("v", "epoch_s")
    texts: pa.Array[Any] = pa.array(["1.5", "0.0000001", "1e3", "x", "253402300800", "-1"])
    half, tick = EPOCH + timedelta(seconds=1.5), EPOCH - timedelta(seconds=1)
    thousand = EPOCH + timedelta(seconds=1000)
    assert values_of(texts, kind, "epoch_s") == [half, None, thousand, None, None, tick]
    doubles: pa.Array[Any] = pa.array([1.5, math.nan, 1e300])
    assert values_of(doubles, kind, "epoch_s") == [half, None, None]
