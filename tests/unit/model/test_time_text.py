"""Dates and timestamps as text, in years that Arrow can print and in those that it can't."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from bronze_engine.encode.partition_values import _printed
from bronze_engine.model.types import time_text
from bronze_engine.model.types.convert import convert
from bronze_engine.model.types.row_text import printed_values
from bronze_engine.model.types.time_text import time_texts
from bronze_engine.reading.cells import plain
from bronze_engine.reading.comparison.digests import digests_of

pytestmark = pytest.mark.unit

MICRO = timedelta(microseconds=1)
INSTANTS: Any = pa.array([2**63 - 1, None, -(2**63), 0], pa.timestamp("us", "UTC"))
PRINTED = [
    "294247-01-10 04:00:54.775807Z",
    None,
    "-290308-12-21 19:59:05.224192Z",
    "1970-01-01 00:00:00.000000Z",
]
"""As PostgreSQL and DuckDB have them; Arrow says 32103 and -28164."""


def test_years_that_arrow_can_not_print() -> None:
    assert time_texts(INSTANTS).to_pylist() == PRINTED
    days = pa.array([2**31 - 1, -(2**31), None], pa.date32())
    assert time_texts(days).to_pylist() == ["5881580-07-11", "-5877641-06-23", None]
    local = pa.array([2**63 - 1], pa.timestamp("ms"))
    assert time_texts(local).to_pylist() == ["292278994-08-17 07:12:55.807"]
    berlin = INSTANTS.cast(pa.timestamp("us", "Europe/Berlin"))
    assert time_texts(berlin).to_pylist() == [*PRINTED[:3], "1970-01-01 01:00:00.000000+0100"]


@pytest.mark.parametrize("unit", ["day", "s", "ms", "us"])
def test_what_is_printed_here_is_what_arrow_prints_where_it_can(
    unit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Any = pa.date32() if unit == "day" else pa.timestamp(unit)
    ticks = {"day": 1, "s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}[unit]
    lots = random.Random(1)
    counts = [lots.randint(-10_999_999 * ticks, 10_999_999 * ticks) for _ in range(500)]
    array: Any = pa.array([*counts, 0, -1, -719_528 * ticks, -719_529 * ticks], kind)
    theirs = time_texts(array).to_pylist()
    monkeypatch.setattr(time_text, "_NEAR_DAYS", 0)
    assert time_texts(array).to_pylist() == theirs
    assert theirs[-4:-2] == array.cast(pa.string()).to_pylist()[-4:-2]
    assert theirs[500][:10] == date(1970, 1, 1).isoformat()


def test_wherever_a_time_becomes_text_its_year_is_right() -> None:
    assert printed_values(INSTANTS) == PRINTED
    assert printed_values(pa.array([[2**31 - 1]], pa.list_(pa.date32()))) == [["5881580-07-11"]]
    assert convert(INSTANTS, pa.string()).to_pylist() == PRINTED
    assert _printed(pa.array([2**31 - 1], pa.date32())) == ["5881580-07-11"]
    assert plain(INSTANTS[0]) == "294247-01-10T04:00:54.775807Z"
    assert msgspec.json.encode(plain(pa.array([[2**31 - 1]], pa.list_(pa.date32()))[0])) == (
        b'["5881580-07-11"]'
    )


def test_a_comparison_tells_years_apart_that_arrow_prints_alike() -> None:
    cycles = timedelta(days=75 * 146_097)  # of 400 years: the year 32103
    moment = datetime(2103, 1, 10, 4, 0, 54, 775_807, UTC)
    alike = (moment - datetime(1970, 1, 1, tzinfo=UTC) + cycles) // MICRO
    column = pa.array([2**63 - 1, alike], INSTANTS.type)
    first, second = digests_of(pa.RecordBatch.from_arrays([column], ["x"]), ["x"])
    assert first.tolist() != second.tolist()
