"""Values of a cursor are watermarks to the last digit, and watermarks its values again."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.incremental import Incremental
from bronze_engine.errors import ConfigError
from bronze_engine.model.arrow import DataType
from bronze_engine.model.window import CursorType, cursor_key
from bronze_engine.sources.adbc.cursor import Cursor
from bronze_engine.sources.adbc.query import parameter

pytestmark = pytest.mark.unit


def cursor_of(kind: DataType, cursor_type: CursorType, timezone: str | None = None) -> Cursor:
    config = Incremental(cursor="c", cursor_type=cursor_type, cursor_timezone=timezone)
    return Cursor.of_column("c", kind, config)


@given(
    st.integers(-62_135_596_800, 253_402_300_799),
    st.integers(0, 999_999_999),
    st.sampled_from(["s", "ms", "us", "ns"]),
    st.sampled_from([None, "UTC", "Europe/Berlin"]),
)
def test_a_timestamp_is_its_watermark_and_back(
    seconds: int, nanoseconds: int, unit: Any, zone: str | None
) -> None:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    ticks = seconds * per_second + nanoseconds * per_second // 10**9
    if not -(2**63) < ticks < 2**63:
        return
    kind: DataType = pa.timestamp(unit, zone)
    cursor = cursor_of(kind, "timestamp", "UTC")
    watermark = cursor.watermark(parameter(ticks, kind)[0])
    assert watermark is not None
    instant = cursor_key(watermark, "timestamp", "UTC")
    assert isinstance(instant, Fraction)
    assert instant * per_second == ticks
    bound: Any = cursor.bound(watermark)
    finer = 10**9 if unit == "ns" else 10**6
    assert bound[0].value == ticks * finer // per_second
    assert bound.type.tz == zone


@pytest.mark.parametrize(
    ("zone", "timezone", "watermark", "expected"),
    [
        ("UTC", None, "2025-01-15T10:00:00+02:00", "2025-01-15T08:00:00"),
        ("UTC", "Europe/Berlin", "2025-01-15T10:00:00", "2025-01-15T09:00:00"),
        (None, "Europe/Berlin", "2025-01-15T10:00:00", "2025-01-15T10:00:00"),
        (None, "Europe/Berlin", "2025-01-15T10:00:00Z", "2025-01-15T11:00:00"),
        (None, "Europe/Berlin", "2025-01-15T10:00:00.1234567", "2025-01-15T10:00:00.123456"),
        (None, "Europe/Berlin", "2025-10-26T02:30:00", "2025-10-26T02:30:00"),  # twice that day
    ],
)
def test_a_watermark_is_compared_in_the_zone_of_its_column(
    zone: str | None, timezone: str | None, watermark: str, expected: str
) -> None:
    kind: DataType = pa.timestamp("us", zone)
    (found,) = cursor_of(kind, "timestamp", timezone).bound(watermark).cast(pa.timestamp("us"))
    assert found.as_py() == datetime.fromisoformat(expected)


@pytest.mark.parametrize("value", [0, -(2**63), 2**63 - 1, 2**64 - 1, 10**38 - 1, 1 - 10**38])
def test_an_integer_of_any_size_is_bound(value: int) -> None:
    cursor = cursor_of(pa.decimal128(38, 0), "integer")
    (found,) = cursor.bound(str(value)).to_pylist()
    assert int(found) == value


@pytest.mark.parametrize(
    ("kind", "cursor_type", "watermark"),
    [
        (pa.int64(), "integer", "1.5"),
        (pa.int64(), "integer", "1" * 39),
        (pa.date32(), "date", "15.1.2025"),
        (pa.timestamp("us", "UTC"), "timestamp", "yesterday"),
        (pa.timestamp("us", "UTC"), "timestamp", "2025-01-15T10:00:00"),
        (pa.timestamp("ns", "UTC"), "timestamp", "2325-01-15T10:00:00Z"),
    ],
)
def test_what_is_no_value_of_the_cursor_is_cfg001(
    kind: DataType, cursor_type: CursorType, watermark: str
) -> None:
    with pytest.raises(ConfigError, match=r"incremental\.cursor 'c': "):
        cursor_of(kind, cursor_type).bound(watermark)


@pytest.mark.parametrize(
    ("kind", "cursor_type", "message"),
    [
        (pa.string(), "timestamp", 'set incremental.cursor_type = "text"'),
        (pa.int32(), "text", 'set incremental.cursor_type = "integer"'),
        (pa.timestamp("us", "UTC"), "date", 'set incremental.cursor_type = "timestamp"'),
        (pa.float64(), "integer", "take a column of another type"),
        (pa.decimal128(9, 2), "integer", "take a column of another type"),
        (pa.timestamp("us"), "timestamp", "set incremental.cursor_timezone"),
    ],
)
def test_a_column_that_does_not_fit_says_what_would(
    kind: DataType, cursor_type: CursorType, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cursor_of(kind, cursor_type)


def test_an_instant_is_written_in_the_zone_of_its_column() -> None:
    moment = datetime(2025, 7, 1, 10, tzinfo=UTC)
    aware = cursor_of(pa.timestamp("us", "UTC"), "timestamp")
    local = cursor_of(pa.timestamp("us"), "timestamp", "Europe/Berlin")
    assert aware.at(moment) == "2025-07-01T10:00:00+00:00"
    assert local.at(moment) == "2025-07-01T12:00:00"


def test_dates_and_texts_are_their_own_watermarks() -> None:
    day = cursor_of(pa.date32(), "date")
    assert day.watermark(parameter(date(2025, 1, 15), pa.date32())[0]) == "2025-01-15"
    text = cursor_of(pa.string(), "text")
    assert text.watermark(parameter("a'b", pa.string())[0]) == "a'b"
    assert text.watermark(pa.nulls(1, pa.string())[0]) is None
