"""Dates, times and timestamps: moved to 1970, and printed where Arrow has no room for them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.sources.copy_binary.batch import CopyBinary, DecodedRows
from bronze_engine.sources.copy_binary.field import Field
from bronze_engine.sources.copy_binary.times import show_date, show_time, show_timestamp
from tests.unit.copy_binary.sent import rows

pytestmark = pytest.mark.unit

DATE = Field(name="at", kind="date", type=pa.date32())
TIME = Field(name="at", kind="time", type=pa.time64("us"))
TIMESTAMP = Field(name="at", kind="timestamp", type=pa.timestamp("us"))
TIMESTAMPTZ = Field(name="at", kind="timestamptz", type=pa.timestamp("us", "UTC"))

DAY = 86_400_000_000
LAST = 2**63 - 1 - 946_684_800_000_000
"""The last timestamp that fits, in microseconds since 2000."""


def decode(field: Field, values: Sequence[int | None]) -> DecodedRows:
    code = "!i" if field.kind == "date" else "!q"
    sent = rows([None if value is None else struct.pack(code, value)] for value in values)
    decoded = CopyBinary([field], on_special="text").decode([sent])
    decoded.batch.validate(full=True)
    return decoded


def test_dates() -> None:
    values = [0, -10_957, None, 2**31 - 1, -(2**31), -2_451_545, 2_145_031_948]

    batch = decode(DATE, values).batch

    assert batch.column(0)[:3].to_pylist() == [date(2000, 1, 1), date(1970, 1, 1), None]
    assert batch.column(0).null_count == 3
    assert batch.column(0).view(pa.int32())[5].as_py() == -2_451_545 + 10_957
    assert batch.column(0).view(pa.int32())[6].as_py() == 2_145_031_948 + 10_957
    assert batch.column(1).to_pylist() == [None, None, None, "infinity", "-infinity", None, None]


def test_times() -> None:
    batch = decode(TIME, [0, DAY - 1, DAY, None]).batch

    assert batch.column(0).to_pylist() == [time(0), time(23, 59, 59, 999_999), None, None]
    assert batch.column(1).to_pylist() == [None, None, "24:00:00", None]


@pytest.mark.parametrize(("field", "zone"), [(TIMESTAMP, ""), (TIMESTAMPTZ, "+00")])
def test_timestamps(field: Field, zone: str) -> None:
    values = [0, None, 2**63 - 1, -(2**63), LAST, LAST + 1, -1]

    decoded = decode(field, values)

    at = decoded.batch.column(0)
    assert at.is_null().to_pylist() == [False, True, True, True, False, True, False]
    assert at.view(pa.int64())[4].as_py() == 2**63 - 1
    tz = UTC if zone else None
    assert at[0].as_py() == datetime(2000, 1, 1, tzinfo=tz)
    assert at[6].as_py() == datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=tz)
    assert decoded.batch.column(1).to_pylist() == [
        None, None, "infinity", "-infinity", None, f"294247-01-10 04:00:54.775808{zone}", None
    ]  # fmt: skip
    assert decoded.specials == {"at": 3}


@given(st.dates())
def test_a_date_is_printed_as_the_calendar_has_it(day: date) -> None:
    sent = struct.pack("!i", (day - date(2000, 1, 1)).days)

    assert show_date(sent, DATE) == day.isoformat()


@given(st.datetimes())
def test_a_timestamp_is_printed_as_the_calendar_has_it(at: datetime) -> None:
    since = at.replace(tzinfo=UTC) - datetime(2000, 1, 1, tzinfo=UTC)
    sent = struct.pack("!q", since // timedelta(microseconds=1))
    text = at.isoformat(" ")
    if at.microsecond:
        text = text.rstrip("0")

    assert show_timestamp(sent, TIMESTAMP) == text
    assert show_timestamp(sent, TIMESTAMPTZ) == text + "+00"


@pytest.mark.parametrize(
    ("days", "text"),
    [
        (-730_119, "0001-01-01"),
        (-730_120, "0001-12-31 BC"),
        (-730_119 - 366, "0001-01-01 BC"),
        (-2_451_545, "4714-11-24 BC"),
        (2_145_031_948, "5874897-12-31"),
    ],
)  # as PostgreSQL 18 prints them
def test_dates_that_python_has_not(days: int, text: str) -> None:
    assert show_date(struct.pack("!i", days), DATE) == text
    if days < LAST // DAY:
        bc = " BC" * text.endswith("BC")
        assert show_timestamp(struct.pack("!q", days * DAY), TIMESTAMPTZ) == (
            f"{text.removesuffix(' BC')} 00:00:00+00{bc}"
        )


def test_a_time_is_printed_as_the_server_prints_it() -> None:
    assert show_time(struct.pack("!q", DAY), TIME) == "24:00:00"
    assert show_time(struct.pack("!q", 3_723_000_100), TIME) == "01:02:03.0001"
