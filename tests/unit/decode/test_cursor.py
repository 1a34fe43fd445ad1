"""Which rows belong to the window, whatever form the cursor has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Decoded
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.errors import ConfigError, QualityError
from bronze_engine.model.window import cursor_key
from tests.unit.decode.rows import block, request

pytestmark = pytest.mark.unit


def run(
    values: list[str],
    *,
    kind: Any = "timestamp",
    low: str | None = None,
    read_from: str | None = None,
    cap: str | None = None,
    as_of: datetime | None = None,
    columns: dict[str, str] | None = None,
    **config: Any,
) -> Decoded:
    """One group with these JSON texts in the cursor column `c`, and their places in `i`."""
    lines = [f'{{"i":{i},"c":{value}}}'.encode() for i, value in enumerate(values)]
    decoder = JsonDecoder(
        request(
            incremental=Incremental(cursor="c", cursor_type=kind, **config),
            schema=SchemaConfig(columns=columns or {}),
            low=low,
            read_from=read_from,
            cap=cap,
        )
    )
    return decoder.decode([block(lines, as_of=as_of)], None)


def places(decoded: Decoded) -> list[int]:
    column: Any = decoded.batch.column("i")
    return [int(value) for value in column.to_pylist()]


def quoted(*texts: str) -> list[str]:
    return [f'"{text}"' for text in texts]


STAMPS = quoted(
    "2025-01-15T10:00:00Z",
    "2025-01-15T12:30:00+02:00",
    "2025-01-15T11:00:00.000000001Z",
    "2025-01-15T09:00:00Z",
)
# Arrow has no form for these two, so the whole group is compared value by value.
LONG_FRACTION = '"2025-01-15T10:00:00.00000000001Z"'


@pytest.mark.parametrize("extra", [[], [LONG_FRACTION]])
def test_timestamps_are_compared_as_instants(extra: list[str]) -> None:
    decoded = run([*STAMPS, *extra], low="2025-01-15T12:00:00+02:00", cap="2025-01-15T11:00:00Z")
    assert places(decoded) == ([1, 4] if extra else [1])
    assert decoded.high == "2025-01-15T12:30:00+02:00"
    assert (decoded.late_rows, decoded.later_rows) == (2, 1)


def test_rows_between_read_from_and_low_are_kept_and_counted_late() -> None:
    decoded = run(STAMPS, low="2025-01-15T10:00:00Z", read_from="2025-01-15T09:00:00Z")
    assert places(decoded) == [0, 1, 2]
    assert decoded.late_rows == 2


def test_rows_newer_than_the_sources_clock_less_the_lag_are_for_later() -> None:
    as_of = datetime(2025, 1, 15, 10, 30, 1, tzinfo=UTC)
    values = quoted("2025-01-15T10:30:00Z", "2025-01-15T10:30:00.5Z")
    assert places(run(values, as_of=as_of)) == [0]
    assert run(values, as_of=as_of).later_rows == 1
    assert places(run(values, as_of=as_of, lag=Duration(0))) == [0, 1]
    assert places(run(values, as_of=as_of, lag=Duration(60))) == []
    assert run(values, as_of=as_of, lag=Duration(60)).high is None


def test_the_first_half_of_an_hour_that_comes_twice_does_not_end_a_window() -> None:
    """In Berlin 02:00 to 03:00 of this night comes twice, from 00:00 and from 01:00 UTC on."""
    low: str | None = None
    landed: list[str] = []
    there: list[str] = []
    for utc, local in (
        ("23:40", "01:40"),
        ("00:50", "02:50"),
        ("01:10", "02:10"),
        ("02:05", "03:05"),
    ):
        there.append(f"2024-10-27T{local}:00")
        day = 26 if utc == "23:40" else 27
        as_of = datetime.fromisoformat(f"2024-10-{day}T{utc}:30+00:00")
        decoded = run(quoted(*there), low=low, as_of=as_of, cursor_timezone="Europe/Berlin")
        landed += [there[place] for place in places(decoded)]
        low = decoded.high or low
    assert sorted(landed) == sorted(there)


def test_rows_of_a_day_that_is_not_over_everywhere_are_for_later() -> None:
    values = quoted("2025-01-13", "2025-01-14", "2025-01-15")
    for hour, landed in ((11, [0]), (12, [0, 1])):  # at noon the 14th is over west of all land
        as_of = datetime(2025, 1, 15, hour, tzinfo=UTC)
        decoded = run(values, kind="date", as_of=as_of)
        assert (places(decoded), decoded.later_rows) == (landed, 3 - len(landed))
        day = run(values, kind="date", as_of=as_of, window="date", cap="2025-01-15")
        assert places(day) == [0, 1, 2], "a day is read as it stands"


def test_local_timestamps_need_a_time_zone() -> None:
    values = quoted("2025-06-15T12:00:00", "2025-06-15T13:00:00")
    decoded = run(values, low="2025-06-15T10:30:00Z", cursor_timezone="Europe/Berlin")
    assert places(decoded) == [1]
    with pytest.raises(QualityError, match=r"has no timestamp .*set incremental.cursor_timezone\)"):
        run(values)


def test_a_cursor_that_is_no_cursor_is_shown() -> None:
    with pytest.raises(QualityError, match=r"has no timestamp \('1735689600' is no ISO 8601"):
        run(["1735689600"])
    rejects = run([*quoted("soon"), "null"], on_null_cursor="quarantine").rejects
    assert [reject.reason for reject in rejects] == [
        "cursor column 'c' has no timestamp ('soon' is no ISO 8601 timestamp)",
        "cursor column 'c' has no timestamp",
    ]


@pytest.mark.parametrize("extra", [[], [LONG_FRACTION]])
@pytest.mark.parametrize("clock", ["2025-03-30T02:30:00", "2025-10-26T02:30:00"])
def test_times_that_a_clock_change_skips_or_repeats_compare_one_way(
    extra: list[str], clock: str
) -> None:
    zone = "Europe/Berlin"
    low = "2025-03-30T01:30:00Z" if "-03-" in clock else "2025-10-26T00:30:00Z"
    assert cursor_key(clock, "timestamp", zone) == cursor_key(low, "timestamp")
    decoded = run([*quoted(clock), *extra], low=low, cursor_timezone=zone)
    assert places(decoded) == []


def test_an_hour_without_minutes_is_no_timestamp_in_any_company() -> None:
    with pytest.raises(QualityError, match="page 1 at record 1"):
        run(quoted("2025-01-15T10:00:00Z", "2025-01-15T10+02:00"))


def test_typed_timestamps_give_an_iso_high() -> None:
    decoded = run(STAMPS, columns={"c": "timestamp(ns, Europe/Berlin)"})
    assert decoded.high == "2025-01-15T11:00:00.000000001Z"
    naive = run(
        quoted("2025-06-15T12:00:00"),
        columns={"c": "timestamp(s)"},
        cursor_timezone="Europe/Berlin",
        low="2025-06-15T09:59:59Z",
    )
    assert naive.high == "2025-06-15T12:00:00"


def test_integers_of_any_size() -> None:
    assert places(run(["5", "7", "6"], kind="integer", low="5")) == [1, 2]
    assert run(["5", "7", "6"], kind="integer", low="5").high == "7"
    assert places(run(["5"], kind="integer", low="9" * 30)) == []
    assert places(run(["5"], kind="integer", low="-" + "9" * 30)) == [0]
    big = run(["5", "1" + "0" * 30], kind="integer", low="6")
    assert (places(big), big.high) == ([1], "1" + "0" * 30)
    assert places(run(quoted("10", "9"), kind="integer", low="9")) == [0]


def test_dates_and_texts() -> None:
    days = quoted("2025-01-15", "2025-01-16")
    assert places(run(days, kind="date", low="2025-01-15")) == [1]
    assert run(days, kind="date", columns={"c": "date"}).high == "2025-01-16"
    assert places(run(quoted("2025-01-15", "20250116"), kind="date", low="2025-01-15")) == [1]
    texts = quoted("Z", "a", "\uffff", "\U0001f600")
    assert places(run(texts, kind="text", low="Z")) == [1, 2, 3]
    assert run(texts, kind="text").high == "\U0001f600"
    assert places(run(["1", "2"], kind="text", low="1")) == [1]


@pytest.mark.parametrize("value", ["null", '"soon"', "[]"])
def test_a_record_without_a_cursor_fails_or_is_quarantined(value: str) -> None:
    values = [*STAMPS[:1], value]
    with pytest.raises(QualityError, match=r"'c'.*page 1 at record 1"):
        run(values)
    decoded = run(values, on_null_cursor="quarantine")
    assert places(decoded) == [0]
    assert [(r.offset, r.raw) for r in decoded.rejects] == [(1, f'{{"i":1,"c":{value}}}'.encode())]


def test_a_watermark_of_another_type_is_a_configuration_error() -> None:
    bounds: Any
    for bounds in ({"low": "7"}, {"cap": "soon"}, {"low": "2025-01-15T10:00:00"}):
        with pytest.raises(ConfigError, match="cursor_type"):
            run(STAMPS, **bounds)


def test_an_absent_cursor_column_names_the_columns_that_are_there() -> None:
    config = Incremental(cursor="updated_at")
    decoder = JsonDecoder(request(incremental=config))
    with pytest.raises(QualityError, match=r"'updated_at' \(known are 'id', 'name'\)"):
        decoder.decode([block([b'{"id":1,"name":"x"}'])], None)


def test_a_cursor_inside_of_an_object_is_told_how_to_be_named() -> None:
    decoder = JsonDecoder(request(incremental=Incremental(cursor="fields.at.utc")))
    lines = [b'{"fields":{"at":{"utc":"2025-01-15T10:00:00Z"}}}']
    with pytest.raises(QualityError) as caught:
        decoder.decode([block(lines)], None)
    assert 'flatten = "__" and incremental.cursor = "fields__at__utc"' in caught.value.message


def test_rejects_of_both_kinds_are_in_the_order_of_the_records() -> None:
    config = Incremental(cursor="c", cursor_type="integer", on_null_cursor="quarantine")
    decoder = JsonDecoder(request(incremental=config))
    first = block([b'{"c":null}', b"[]", b'{"c":1}'], page=3, offset=5)
    second = block([b"1", b"{}"], page=4)
    rejects = decoder.decode([first, second], None).rejects
    assert [(r.page, r.offset) for r in rejects] == [(3, 5), (3, 6), (4, 0), (4, 1)]


MOMENTS = st.integers(-(10**11), 10**11).map(
    lambda micros: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        MOMENTS,
        min_size=1,
        max_size=6,
    ),
    MOMENTS,
    st.booleans(),
)
def test_any_timestamps_are_split_as_cursor_key_splits_them(
    moments: list[datetime], low: datetime, one_by_one: bool
) -> None:
    texts = [moment.isoformat() for moment in moments]
    values = [*quoted(*texts), *([LONG_FRACTION] if one_by_one else [])]
    decoded = run(values, low=low.isoformat())
    kept = [i for i, moment in enumerate(moments) if moment > low]
    assert [i for i in places(decoded) if i < len(moments)] == kept
    newest = max((moments[i] for i in kept), default=None)
    if newest is not None and not one_by_one:
        assert decoded.high == newest.isoformat()
