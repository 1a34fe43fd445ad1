"""Dates and times."""

from __future__ import annotations

from typing import Final

from tests.integration.databases.type_cases.case import TypeCase

__all__ = ["TIMES"]


def _spread(kind: str) -> str:
    """An instant anywhere between 4000 BC and the year 280000, often of today."""
    return (
        f"CASE WHEN random() < 0.5 THEN '2025-06-01'::{kind} + big() % 10000000000 *"
        f" interval '1 us' ELSE '4000-01-01 BC'::{kind} + random() * 280000 *"
        f" interval '365 days' + big() % 1000000 * interval '1 us' END"
    )


TIMES: Final = (
    TypeCase(
        declared="date", arrow="date32[day]", how="binary", group="Dates and times",
        values=("2000-01-01", "1970-01-01", "1969-12-31", "0044-03-15 BC", "4713-01-01 BC",
                "0001-01-01", "0001-12-31 BC", "5874897-12-31", "2024-02-29"),
        special=("infinity", "-infinity"),
        random="'2000-01-01'::date + abs(big() % 2145000000)::int * (random() < 0.5)::int"
        " - abs(big() % 2400000)::int",
    ),
    TypeCase(
        declared="time", arrow="time64[us]", how="binary", group="Dates and times",
        values=("00:00:00", "23:59:59.999999", "12:34:56.7"), special=("24:00:00",),
        random="'00:00'::time + abs(big() % 86400000000) * interval '1 us'",
    ),
    TypeCase(
        declared="timetz", arrow="string", how="text", group="Dates and times",
        values=("00:00:00+00", "24:00:00-08", "12:34:56.789012+05:45", "23:59:59+15:59:59"),
        random="('00:00'::time + abs(big() % 86400000000) * interval '1 us')::text::timetz"
        " AT TIME ZONE make_interval(mins => (big() % 900)::int)",
    ),
    TypeCase(
        declared="timestamp", arrow="timestamp[us]", how="binary", group="Dates and times",
        values=("2000-01-01", "1999-12-31 23:59:59.999999", "4713-01-01 BC", "0001-01-01",
                "9999-12-31 23:59:59.999999", "294246-12-31 23:59:59.999999",
                "294247-01-10 04:00:54.775807"),
        special=("infinity", "-infinity", "294247-01-10 04:00:54.775808",
                 "294276-12-31 23:59:59.999999"),
        random=_spread("timestamp"),
    ),
    TypeCase(
        declared="timestamp(3)", arrow="timestamp[us]", how="binary", group="Dates and times",
        values=("2025-01-15 12:00:00.123", "0001-01-01 BC"),
        special=("infinity", "-infinity", "294276-12-31 23:59:59.999"),
        random=_spread("timestamp"),
    ),
    TypeCase(
        declared="timestamptz", arrow="timestamp[us, tz=UTC]", how="binary",
        group="Dates and times",
        values=("2025-03-30 01:30:00+01", "2025-03-30 03:30:00.000001+02", "4713-01-02 BC",
                "1883-11-18 12:03:57-07:52:58", "294246-12-31 23:59:59.999999+00"),
        special=("infinity", "-infinity", "294276-12-31 23:59:59.999999+00"),
        random=_spread("timestamptz"), note="the instant, in UTC",
    ),
    TypeCase(
        declared="interval", arrow="string", how="text", group="Dates and times",
        values=("0", "1 year -2 mons +3 days -04:05:06.000007", "-178000000 years",
                "1000000:00:00", "1 mon -1 day"),
        random="make_interval(years => (big() % 100)::int, days => (big() % 400)::int,"
        " secs => (big() % 1000000) / 1000.0)",
    ),
)  # fmt: skip
