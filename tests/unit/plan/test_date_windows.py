"""Windows that each date has by itself: what is asked for, what lands, what is recorded."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Request
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.block import Block
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.model.window import Window
from bronze_engine.plan.request import make_request
from bronze_engine.plan.window import final_window, planned_window
from bronze_engine.sources.http.bounds import bound_params
from tests.unit.plan.test_plan import manifest, pipeline

pytestmark = pytest.mark.unit

DAY = date(2025, 1, 15)
LOW, HIGH = "2025-01-15T00:00:00Z", "2025-01-16T00:00:00Z"


def dated(**fields: Any) -> Incremental:
    return Incremental(**{"cursor": "at", "window": "date", **fields})


def day_manifest(day: int, low: str, high: str, **more: Any) -> Manifest:
    epoch = more.pop("epoch", 1)
    found = manifest(day, None, None, epoch=epoch)
    window = Window(column="at", type="timestamp", low=low, high=high, **more)
    return _with(found, watermark=window)


def _with(found: Manifest, **fields: Any) -> Manifest:
    values = {name: getattr(found, name) for name in found.__struct_fields__}
    return Manifest(**{**values, **fields})


def plan(
    incremental: Incremental | None = None,
    *,
    run_date: date = DAY,
    timezone: str = "UTC",
    started_at: datetime = datetime(2025, 3, 1, tzinfo=UTC),
    new_epoch: int = 0,
    earlier: Manifest | None = None,
    own: Manifest | None = None,
    later: Manifest | None = None,
    last: Manifest | None = None,
) -> Request:
    base = pipeline(incremental or dated())
    values = {name: getattr(base, name) for name in base.__struct_fields__}
    return make_request(
        type(base)(**{**values, "timezone": timezone}),
        run_date=run_date,
        run="r1",
        started_at=started_at,
        neighbours=Neighbours(earlier=earlier, own=own, later=later, last=last),
        new_epoch=new_epoch,
        base=None,
    )


def test_a_date_covers_its_day_whatever_other_dates_hold() -> None:
    day_before = day_manifest(14, "2025-01-14T00:00:00Z", LOW, low_open=False, high_open=True)
    for request in (plan(), plan(earlier=day_before, last=day_before)):
        assert (request.low, request.read_from, request.cap) == (LOW, LOW, HIGH)
        assert (request.low_open, request.cap_open, request.epoch) == (False, True, 1)
        assert planned_window(request) == Window(
            column="at",
            type="timestamp",
            low=LOW,
            high=HIGH,
            read_from=LOW,
            low_open=False,
            high_open=True,
        )


def test_a_day_is_that_of_the_engines_timezone() -> None:
    request = plan(run_date=date(2025, 10, 26), timezone="Europe/Berlin")
    assert (request.low, request.cap) == ("2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z")


def test_a_lookback_reads_from_below_the_day() -> None:
    request = plan(dated(lookback=Duration(3600)))
    assert (request.low, request.read_from) == (LOW, "2025-01-14T23:00:00+00:00")


@pytest.mark.parametrize(
    ("initial", "low"),
    [("2025-01-01", LOW), ("2025-01-15T06:00:00Z", "2025-01-15T06:00:00Z"), ("2025-02-01", HIGH)],
)
def test_initial_is_the_earliest_value_that_lands(initial: str, low: str) -> None:
    text = initial if "T" in initial else f"{initial}T00:00:00Z"
    request = plan(dated(initial=text))
    assert (request.low, request.cap) == (low, HIGH)


def test_a_date_joins_the_epoch_of_the_newest() -> None:
    newest = day_manifest(
        20,
        "2025-01-20T00:00:00Z",
        "2025-01-21T00:00:00Z",
        epoch=4,
        low_open=False,
        high_open=True,
    )
    own = day_manifest(15, LOW, HIGH, low_open=False, high_open=True)
    assert plan(own=own, later=newest, last=newest).epoch == 4


def test_a_full_refresh_begins_with_the_newest_date() -> None:
    assert plan(new_epoch=7).epoch == 7
    later = day_manifest(16, HIGH, "2025-01-17T00:00:00Z", low_open=False, high_open=True)
    with pytest.raises(StateError, match="would leave 2025-01-16 behind"):
        plan(new_epoch=7, later=later, last=later)


@pytest.mark.parametrize(
    ("around", "window"),
    [
        ("earlier", ("2025-01-14T00:00:00Z", "2025-01-15T00:00:00Z", True, False)),
        ("earlier", ("2025-01-14T00:00:00Z", "2025-01-15T01:00:00Z", False, True)),
        ("later", ("2025-01-15T23:00:00Z", "2025-01-17T00:00:00Z", False, True)),
        ("later", (None, "2025-01-17T00:00:00Z", True, False)),
    ],
)
def test_windows_that_overlap_are_refused_with_both(
    around: str, window: tuple[str | None, str, bool, bool]
) -> None:
    low, high, low_open, high_open = window
    day = 14 if around == "earlier" else 16
    other = day_manifest(day, low or "", high, low_open=low_open, high_open=high_open)
    if low is None:
        other = _with(other, watermark=Window(column="at", type="timestamp", high=high))
    with pytest.raises(StateError) as raised:
        plan(
            earlier=other if around == "earlier" else None,
            later=other if around == "later" else None,
            last=other,
        )
    assert f"2025-01-{day} holds {low} to {high}" in raised.value.message
    assert f"2025-01-15 is {LOW} to {HIGH}" in raised.value.message


def test_a_full_load_in_the_way_is_refused() -> None:
    whole = _with(manifest(14, None, None), watermark=None)
    with pytest.raises(StateError, match="2025-01-14 holds everything"):
        plan(earlier=whole, last=whole)


def test_a_chain_after_a_date_window_takes_the_first_value_of_its_end() -> None:
    before = day_manifest(14, "2025-01-14T00:00:00Z", LOW, low_open=False, high_open=True)
    request = plan(Incremental(cursor="at"), earlier=before, last=before)
    assert (request.low, request.low_open, request.cap_open) == (LOW, False, False)
    own = day_manifest(15, LOW, HIGH, low_open=False)
    assert not plan(Incremental(cursor="at"), earlier=before, own=own, last=own).low_open


def test_a_chain_that_found_nothing_after_a_date_window_leaves_that_first_value() -> None:
    before = day_manifest(14, "2025-01-14T00:00:00Z", LOW, low_open=False, high_open=True)
    empty = final_window(plan(Incremental(cursor="at"), earlier=before, last=before), None)
    assert empty == Window(
        column="at", type="timestamp", low=LOW, high=LOW, read_from=LOW, low_open=False,
        high_open=True,
    )  # fmt: skip
    own = _with(day_manifest(15, LOW, LOW), watermark=empty)
    following = plan(Incremental(cursor="at"), run_date=date(2025, 1, 16), earlier=own, last=own)
    assert (following.low, following.low_open) == (LOW, False)
    request = plan(Incremental(cursor="at", lookback=Duration(60)), earlier=before, last=before)
    late = final_window(request, LOW)  # a row below low came late
    assert late is not None
    assert late.high_open
    at_low = final_window(plan(Incremental(cursor="at"), earlier=before, last=before), LOW)
    assert at_low is not None
    assert not at_low.high_open


def test_what_comes_before_a_chain_leaves_it_its_first_value() -> None:
    own = day_manifest(14, "2025-01-14T00:00:00Z", LOW, low_open=False, high_open=True)
    later = day_manifest(15, LOW, HIGH, low_open=False)
    chain = Incremental(cursor="at")
    again = plan(chain, run_date=date(2025, 1, 14), own=own, later=later, last=later)
    assert (again.cap, again.cap_open) == (LOW, True)
    window = final_window(again, None)
    assert window is not None
    assert (window.high, window.high_open) == (LOW, True)
    usual = day_manifest(15, LOW, HIGH)
    again = plan(chain, run_date=date(2025, 1, 14), own=own, later=usual, last=usual)
    assert (again.cap, again.cap_open) == (LOW, False)


def test_a_cursor_without_days_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="has no window on 9999-12-31"):
        plan(run_date=date.max)


@pytest.mark.parametrize(
    ("began", "reached", "high", "high_open"),
    [
        ("2025-01-16T00:00:00+00:00", None, HIGH, True),
        ("2025-01-15T12:00:00+00:00", None, "2025-01-15T11:59:59.999999Z", False),
        # What the source says counts more than the clock of this machine.
        ("2025-03-01T00:00:00+00:00", "2025-01-15T09:00:00Z", "2025-01-15T09:00:00Z", False),
        ("2025-01-15T12:00:00+00:00", HIGH, HIGH, True),
        # No row that landed lies above what is recorded.
        ("2025-01-15T07:00:00+00:00", None, "2025-01-15T08:00:00Z", False),
        ("2025-01-14T23:00:00+00:00", None, "2025-01-15T08:00:00Z", False),
    ],
)
def test_what_is_recorded_says_how_far_the_day_was_read(
    began: str, reached: str | None, high: str, high_open: bool
) -> None:
    request = plan(started_at=datetime.fromisoformat(began))
    window = final_window(request, "2025-01-15T08:00:00Z", reached)
    assert window is not None
    assert (window.low, window.high, window.high_open) == (LOW, high, high_open)


def test_a_day_that_has_not_begun_is_empty() -> None:
    window = final_window(plan(started_at=datetime(2025, 1, 14, 12, tzinfo=UTC)), None)
    assert window is not None
    assert (window.low, window.high, window.high_open) == (LOW, LOW, True)


@pytest.mark.parametrize(
    ("began", "high", "high_open"),
    [
        ("2025-01-15T12:00:00+00:00", "2025-01-15", False),
        ("2025-01-16T12:00:00+00:00", "2025-01-16", True),
    ],
)
def test_a_date_that_is_not_over_ends_with_itself(began: str, high: str, high_open: bool) -> None:
    request = plan(dated(cursor_type="date"), started_at=datetime.fromisoformat(began))
    window = final_window(request, None)
    assert window is not None
    assert (window.low, window.high, window.high_open) == ("2025-01-15", high, high_open)


@pytest.mark.parametrize(
    ("kind", "style", "start", "end"),
    [
        ("timestamp", None, "2025-01-14T23:59:59Z", "2025-01-16T00:00:00Z"),
        ("timestamp", "epoch", "1736899199", "1736985600"),
        ("timestamp", "epoch_ms", "1736899199999", "1736985600000"),
        ("timestamp", "%Y-%m-%dT%H:%M", "2025-01-14T23:59", "2025-01-16T00:00"),
        ("timestamp", "%Y-%m-%d", "2025-01-15", "2025-01-16"),
        ("date", None, "2025-01-15", "2025-01-16"),
        ("date", "%d.%m.%Y", "15.01.2025", "16.01.2025"),
    ],
)
def test_what_an_api_is_asked_for_holds_the_day(
    kind: Any, style: str | None, start: str, end: str
) -> None:
    config = dated(cursor_type=kind, format=style, start_param="s", end_param="e")
    request = plan(config)
    params = bound_params(config, request.low, request.cap, low_open=False, cap_open=True)
    assert params == {"s": start, "e": end}


def test_a_format_of_days_is_asked_for_both_days_that_a_zone_touches() -> None:
    config = dated(format="%Y-%m-%d", start_param="s", end_param="e")
    request = plan(config, timezone="Europe/Berlin")
    params = bound_params(config, request.low, request.cap, low_open=False, cap_open=True)
    assert params == {"s": "2025-01-14", "e": "2025-01-16"}


@settings(max_examples=200)
@given(
    seconds=st.lists(st.integers(0, 4 * 86400), max_size=30),
    start_is_open=st.booleans(),
    end_is_open=st.booleans(),
    style=st.sampled_from((None, "epoch", "epoch_ms", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ")),
    timezone=st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu")),
    lookback=st.sampled_from((None, 3600)),
)
def test_whatever_ends_an_api_takes_in_each_row_lands_on_its_date(
    seconds: list[int],
    start_is_open: bool,
    end_is_open: bool,
    style: str | None,
    timezone: str,
    lookback: int | None,
) -> None:
    first = datetime(2025, 3, 28, 12, tzinfo=UTC)
    rows = [first + timedelta(seconds=each) for each in seconds]
    rows += [first + timedelta(hours=each) for each in range(97)]
    config = dated(
        start_param="s",
        end_param="e",
        format=style,
        lookback=None if lookback is None else Duration(lookback),
    )

    def value(text: str) -> datetime:
        match style:
            case "epoch":
                return datetime.fromtimestamp(int(text), UTC)
            case "epoch_ms":
                return datetime.fromtimestamp(int(text) / 1000, UTC)
            case _:
                return datetime.fromisoformat(text)

    landed: list[tuple[int, bool]] = []
    for day in range(26, 35):
        request = plan(
            config, run_date=date(2025, 3, 1) + timedelta(days=day), timezone=timezone,
            started_at=datetime(2025, 5, 1, tzinfo=UTC),
        )  # fmt: skip
        params = bound_params(config, request.read_from, request.cap, low_open=False, cap_open=True)
        start, end = value(params["s"]), value(params["e"])
        answer = [
            {"id": number, "at": row.isoformat()}
            for number, row in enumerate(rows)
            if (row > start if start_is_open else row >= start)
            and (row < end if end_is_open else row <= end)
        ]
        if not answer:
            continue
        data = b"".join(json.dumps(row).encode() + b"\n" for row in answer)
        block = Block(data=data, records=len(answer), page=1)
        decoded = JsonDecoder(request).decode([block], None)
        low = datetime.fromisoformat(request.low or "")
        ids = [(int(row["id"]), rows[row["id"]] < low) for row in decoded.batch.to_pylist()]
        assert decoded.late_rows == sum(is_late for _, is_late in ids)
        landed += ids
    assert sorted(number for number, is_late in landed if not is_late) == list(range(len(rows)))
    assert lookback is not None or not any(is_late for _, is_late in landed)
