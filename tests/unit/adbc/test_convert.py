"""Values become those of another type exactly, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Role
from bronze_engine.model.types.convert import can_convert, convert

pytestmark = pytest.mark.unit

DECIMAL = pa.decimal128(18, 4)
UNHURRIED = settings(deadline=None)
"""The first array of all imports pandas, where that is installed."""
INSTANT = pa.timestamp("us", "UTC")
LOCAL = pa.timestamp("us")


@UNHURRIED
@given(st.lists(st.floats(width=64) | st.none(), max_size=20))
def test_a_double_is_a_decimal_where_that_says_the_same(values: list[float | None]) -> None:
    array = pa.array(values, pa.float64())
    try:
        found = convert(array, DECIMAL).to_pylist()
    except pa.ArrowException:
        return
    assert [value if value is None else float(value) for value in found] == values


@UNHURRIED
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=20))
def test_an_integer_is_a_double_where_that_says_the_same(values: list[int | None]) -> None:
    array = pa.array(values, pa.int64())
    try:
        found = convert(array, pa.float64()).to_pylist()
    except pa.ArrowException:
        assert any(value is not None and abs(value) > 2**53 for value in values)
        return
    assert [value if value is None else int(value) for value in found] == values


@UNHURRIED
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=10) | st.none()))
def test_a_text_is_a_decimal_where_no_digit_is_lost(values: list[Decimal | None]) -> None:
    array = pa.array([None if value is None else str(value) for value in values], pa.string())
    try:
        found = convert(array, pa.decimal256(40, 4)).to_pylist()
    except pa.ArrowException:
        return
    assert found == values


@pytest.mark.parametrize(
    ("value", "given_type", "wanted", "found"),
    [
        (2**64 - 1, pa.uint64(), pa.decimal128(20, 0), Decimal(2**64 - 1)),
        (True, pa.bool_(), pa.string(), "true"),
        (1, pa.int8(), pa.bool_(), True),
        (0.1, pa.float64(), pa.string(), "0.1"),
        (0.1, pa.float32(), pa.float64(), 0.10000000149011612),
        (Decimal("1.50"), pa.decimal128(5, 2), pa.float64(), 1.5),
        (Decimal("5.00"), pa.decimal128(5, 2), pa.int64(), 5),
        ([1, None], pa.list_(pa.uint8()), pa.list_(pa.int16()), [1, None]),
        (None, pa.int64(), pa.binary(), None),
    ],
)
def test_what_says_the_same_is_taken(
    value: Any, given_type: DataType, wanted: DataType, found: Any
) -> None:
    assert convert(pa.array([value], given_type), wanted).to_pylist() == [found]


@pytest.mark.parametrize(
    ("value", "given_type", "wanted"),
    [
        (0.00001, pa.float64(), DECIMAL),
        (float("nan"), pa.float64(), DECIMAL),
        (0.1, pa.float64(), pa.float32()),
        (Decimal("12345678901234567.89"), pa.decimal128(19, 2), pa.float64()),
        (Decimal("0.01"), pa.decimal128(5, 2), pa.decimal128(5, 1)),
        (2, pa.int64(), pa.bool_()),
        (-1, pa.int64(), pa.uint8()),
        (1.5, pa.float64(), pa.int64()),
        ("1.5", pa.string(), pa.int64()),
        ("yes", pa.string(), pa.bool_()),
        (1, pa.int64(), INSTANT),
        (1, pa.int32(), pa.date32()),
        (datetime(2025, 1, 15), LOCAL, INSTANT),  # noqa: DTZ001  # it has no zone
        (datetime(2025, 1, 15, tzinfo=UTC), INSTANT, LOCAL),
        (datetime(2025, 1, 15, 10, tzinfo=UTC), INSTANT, pa.date32()),
        ("2025-01-15T10:00:00", pa.string(), INSTANT),
        ("2025-01-15T10:00:00.1234567", pa.string(), LOCAL),
        (b"\xff", pa.binary(), pa.string()),
    ],
)
def test_what_would_change_is_refused(value: Any, given_type: DataType, wanted: DataType) -> None:
    with pytest.raises(pa.ArrowException):
        convert(pa.array([value], given_type), wanted)


def test_seconds_past_the_range_of_microseconds_are_refused() -> None:
    array = pa.array([2**50], pa.int64()).cast(pa.timestamp("s"))
    with pytest.raises(pa.ArrowInvalid, match="out of bounds"):
        convert(array, LOCAL)


@pytest.mark.parametrize(
    ("role", "ticks"),
    [("epoch_s", 1_700_000_000), ("epoch_ms", 1_700_000_000_000), ("epoch_us", 17 * 10**14)],
)
def test_numbers_since_1970_are_instants_where_they_are_called_so(role: Role, ticks: int) -> None:
    (found,) = convert(pa.array([ticks]), INSTANT, role).to_pylist()
    assert found == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    with pytest.raises(pa.ArrowInvalid):
        convert(pa.array([2**62]), INSTANT, "epoch_s")


@pytest.mark.parametrize(
    ("given_type", "wanted", "role", "can"),
    [
        (pa.int64(), INSTANT, "epoch_s", True),
        (pa.string(), INSTANT, "epoch_s", False),
        (pa.string(), pa.string(), "json", True),
        (pa.int64(), pa.string(), "json", False),
        (pa.json_(), pa.string(), "json", True),
        (pa.int64(), INSTANT, "value", False),
        (LOCAL, INSTANT, "value", False),
        (pa.list_(pa.int64()), pa.int64(), "value", False),
        (pa.struct([("a", pa.int64())]), pa.string(), "value", False),
    ],
)
def test_whether_there_is_a_way_is_known_from_the_types(
    given_type: DataType, wanted: DataType, role: Role, can: bool
) -> None:
    assert can_convert(given_type, wanted, role) is can
