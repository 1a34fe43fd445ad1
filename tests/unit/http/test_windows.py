"""Windows cut into steps: whatever an API does at its bounds, each row comes once."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Request
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.errors import ConfigError
from bronze_engine.model.block import Block
from bronze_engine.model.window import Bounds, cursor_key
from bronze_engine.sources.http.bounds import bound_params
from bronze_engine.sources.http.chains.seams import Seams
from bronze_engine.sources.http.outlet import Dated, Outlet
from tests.integration.http_server import request

pytestmark = pytest.mark.unit

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2024, 10, 29, 12, 0, 0, 250_000, tzinfo=UTC)
FORMATS = [None, "epoch", "epoch_ms", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]


def window(incremental: Incremental, low: str, cap: str | None = None) -> Request:
    return request(
        incremental=incremental, low=low, read_from=low, cap=cap, started_at=NOW, load="incremental"
    )


@pytest.mark.parametrize("lag", [None, 0.0, 0.5])
def test_no_more_is_recorded_as_read_than_the_steps_have_asked_for(lag: float | None) -> None:
    incremental = Incremental(
        cursor="at",
        window="date",
        step=Duration(3600),
        lag=None if lag is None else Duration(lag),
    )
    asked = window(incremental, "2024-10-29T00:00:00Z", "2024-10-30T00:00:00Z")
    nothing: Any = None
    dated = Dated(asked, nothing)
    dated.know(NOW + timedelta(seconds=2))  # a server whose clock is ahead
    reached = Outlet(asked, nothing, dated, nothing)._reached
    end = Seams(incremental, asked).end
    assert reached is not None
    assert end is not None
    assert datetime.fromisoformat(reached) <= datetime.fromisoformat(end)


def landed(
    incremental: Incremental, asked: Request, serve: Any, cuts: list[int] | None = None
) -> list[int]:
    """The ids that land: each step asked for, and decoded in groups of so many blocks."""
    blocks = []
    for number, bounds in enumerate(Seams(incremental, asked).bounds()):
        rows = serve(bound_params(incremental, bounds.low, bounds.high))
        if rows:
            data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
            # As `Windows` gives them: what is below the first step the run judges itself.
            own = Bounds(None, bounds.high) if number == 0 else bounds
            blocks.append(Block(data=data, records=len(rows), page=number + 1, bounds=own))
    decoder = JsonDecoder(asked)
    ids: list[Any] = []
    layout = None
    cuts = cuts or [3]
    while blocks:
        size = cuts[len(ids) % len(cuts)]
        group, blocks = blocks[:size], blocks[size:]
        decoded = decoder.decode(group, layout)
        layout = decoded.layout
        ids += decoded.batch.column("id").to_pylist()
        assert not decoded.rejects
    return ids


def text_of(moment: datetime, *, is_naive: bool, digits: int) -> str:
    spec = "seconds" if digits == 0 else "milliseconds"
    local = moment.astimezone(BERLIN).replace(tzinfo=None) if is_naive else moment
    return local.isoformat(timespec=spec)


def parsed(text: str, style: str | None, *, is_naive: bool) -> datetime:
    """What an API makes of a bound: a wall clock, where that is what it knows."""
    zone = BERLIN if is_naive else UTC
    if style == "epoch":
        moment = datetime.fromtimestamp(int(text), zone)
    elif style == "epoch_ms":
        moment = datetime.fromtimestamp(int(text) / 1000, zone)
    elif style is None:
        moment = datetime.fromisoformat(text)
    else:
        moment = datetime.strptime(text, style).replace(tzinfo=zone)
    return moment.replace(tzinfo=None) if is_naive else moment


moments = st.datetimes(datetime(2024, 10, 25), datetime(2024, 10, 29, 13)).map(  # noqa: DTZ001
    lambda moment: moment.replace(
        second=moment.second // 20 * 20, microsecond=moment.microsecond // 500_000 * 500_000
    )
)


@settings(deadline=None)
@given(
    naive=st.booleans(),
    style=st.sampled_from(FORMATS),
    step=st.sampled_from([1800, 3600, 7000, 21_600, 86_400, 100_000]),
    rows=st.lists(moments, max_size=30),
    on_seams=st.lists(st.integers(0, 200), max_size=5),
    low=moments,
    capped=st.booleans(),
    takes=st.tuples(st.booleans(), st.booleans()),
    cuts=st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
def test_the_steps_of_timestamps_are_the_window_row_for_row(
    naive: bool,
    style: str | None,
    step: int,
    rows: list[datetime],
    on_seams: list[int],
    low: datetime,
    capped: bool,
    takes: tuple[bool, bool],
    cuts: list[int],
) -> None:
    if style is not None and style.startswith("epoch") and naive:
        style = None  # of naive values the API would have to know the zone
    incremental = Incremental(
        cursor="at",
        cursor_timezone="Europe/Berlin" if naive else None,
        step=Duration(step),
        start_param="since",
        end_param="until",
        format=style,
    )
    begin = low.replace(tzinfo=UTC)
    low_text = text_of(begin, is_naive=naive, digits=3)
    cap = text_of(NOW - timedelta(days=1), is_naive=naive, digits=0) if capped else None
    asked = window(incremental, low_text, cap)
    instants = [row.replace(tzinfo=UTC) for row in rows]
    instants += [begin.replace(microsecond=0) + timedelta(seconds=step * n) for n in on_seams]
    values = [text_of(moment, is_naive=naive, digits=3) for moment in instants]

    def serve(params: dict[str, str]) -> list[dict[str, Any]]:
        since = parsed(params["since"], style, is_naive=naive)
        until = parsed(params["until"], style, is_naive=naive)
        found = []
        for number, value in enumerate(values):
            at = datetime.fromisoformat(value)
            above = at >= since if takes[0] else at > since
            if above and (at <= until if takes[1] else at < until):
                found.append({"id": number, "at": value})
        return found

    def key(value: str) -> Any:
        return cursor_key(value, "timestamp", incremental.cursor_timezone)

    ends = [bounds.high for bounds in Seams(incremental, asked).bounds()]
    end = key(ends[-1]) if ends and ends[-1] is not None else key(low_text)
    expected = [number for number, value in enumerate(values) if key(low_text) < key(value) <= end]
    assert sorted(landed(incremental, asked, serve, cuts)) == expected
    # No more than a second, and than the hour of a clock change, is left for the next run.
    due = Fraction(int(NOW.timestamp()) - 1) if cap is None else key(cap)
    assert end == key(low_text) or due - end <= (3600 if naive else 0) + 1


@settings(deadline=None)
@given(
    step=st.sampled_from([1, 7]),
    rows=st.lists(st.integers(0, 40), max_size=40),
    takes=st.tuples(st.booleans(), st.booleans()),
    capped=st.booleans(),
)
def test_the_steps_of_dates_are_the_window_row_for_row(
    step: int, rows: list[int], takes: tuple[bool, bool], capped: bool
) -> None:
    first = date(2024, 9, 25)
    incremental = Incremental(
        cursor="at",
        cursor_type="date",
        step=Duration(step * 86400),
        start_param="since",
        end_param="until",
    )
    cap = "2024-10-20" if capped else None
    values = [str(first + timedelta(days=row)) for row in rows]

    def serve(params: dict[str, str]) -> list[dict[str, Any]]:
        since, until = params["since"], params["until"]
        return [
            {"id": number, "at": at}
            for number, at in enumerate(values)
            if (at >= since if takes[0] else at > since)
            and (at <= until if takes[1] else at < until)
        ]

    asked = window(incremental, str(first), cap)
    expected = [n for n, at in enumerate(values) if str(first) < at <= (cap or "2024-10-30")]
    assert sorted(landed(incremental, asked, serve)) == expected


@settings(deadline=None)
@given(
    low=st.integers(-(10**30), 10**30),
    step=st.integers(1, 10),
    span=st.integers(0, 60),
    rows=st.lists(st.integers(-10, 70), max_size=40),
    takes=st.tuples(st.booleans(), st.booleans()),
)
def test_the_steps_of_integers_of_any_size_are_the_window_row_for_row(
    low: int, step: int, span: int, rows: list[int], takes: tuple[bool, bool]
) -> None:
    incremental = Incremental(
        cursor="at",
        cursor_type="integer",
        step=Duration(step),
        start_param="since",
        end_param="until",
    )
    values = [low + row for row in rows]

    def serve(params: dict[str, str]) -> list[dict[str, Any]]:
        since, until = int(params["since"]), int(params["until"])
        return [
            {"id": number, "at": at}
            for number, at in enumerate(values)
            if (at >= since if takes[0] else at > since)
            and (at <= until if takes[1] else at < until)
        ]

    asked = window(incremental, str(low), str(low + span))
    expected = [n for n, at in enumerate(values) if low < at <= low + span]
    assert sorted(landed(incremental, asked, serve)) == expected


def test_the_steps_follow_one_another_and_end_at_the_cap() -> None:
    incremental = Incremental(cursor="at", step=Duration(86400), start_param="s", end_param="e")
    low, cap = "2024-10-26T10:00:00.5+02:00", "2024-10-28T20:00:00Z"
    assert list(Seams(incremental, window(incremental, low, cap)).bounds()) == [
        Bounds(low, "2024-10-27T08:00:00Z"),
        Bounds("2024-10-27T08:00:00Z", "2024-10-28T08:00:00Z"),
        Bounds("2024-10-28T08:00:00Z", cap),
    ]


def test_the_steps_of_integers_without_an_end_have_none() -> None:
    incremental = Incremental(cursor="at", cursor_type="integer", step=Duration(10))
    found = list(islice(Seams(incremental, window(incremental, "7")).bounds(), 3))
    assert found == [Bounds("7", "17"), Bounds("17", "27"), Bounds("27", "37")]


def test_a_window_in_which_nothing_can_be_new_has_no_steps() -> None:
    incremental = Incremental(cursor="at", step=Duration(86400), start_param="s", end_param="e")
    assert list(Seams(incremental, window(incremental, "2024-10-29T12:00:00Z")).bounds()) == []


def test_without_a_watermark_it_says_where_to_begin() -> None:
    incremental = Incremental(cursor="at", step=Duration(86400))
    with pytest.raises(ConfigError, match=r"set incremental\.initial"):
        Seams(incremental, request(incremental=incremental))


@pytest.mark.parametrize(
    ("kind", "low", "message"),
    [
        ("text", "5", 'can\'t cut a window of cursor_type = "text"'),
        ("timestamp", "soon", "'soon' is no timestamp"),
    ],
)
def test_a_window_that_can_not_be_cut_is_refused(kind: Any, low: str, message: str) -> None:
    incremental = Incremental(cursor="at", cursor_type=kind, step=Duration(10))
    with pytest.raises(ConfigError, match=message):
        Seams(incremental, window(incremental, low))


def test_rows_are_told_apart_by_their_steps_where_some_are_rejected() -> None:
    incremental = Incremental(cursor="at", cursor_type="integer", step=Duration(10))
    blocks = [
        Block(data=b'{"id":1,"at":5}\n{bad\n{"id":2,"at":11}\n', records=3, page=1,
              bounds=Bounds(None, "10")),
        Block(data=b'nonsense\n{"id":3,"at":10}\n{"id":4,"at":11}\n', records=3, page=2,
              bounds=Bounds("10", "20")),
    ]  # fmt: skip
    decoded = JsonDecoder(window(incremental, "0", "20")).decode(blocks, None)
    assert decoded.batch.column("id").to_pylist() == [1, 4]
    assert len(decoded.rejects) == 2


def test_a_row_without_a_cursor_is_judged_by_the_run_and_not_by_its_step() -> None:
    incremental = Incremental(
        cursor="at", cursor_type="integer", step=Duration(10), on_null_cursor="quarantine"
    )
    big = 10**30
    blocks = [
        Block(data=b'{"id":1,"at":5}\n{"id":2}\n', records=2, page=1, bounds=Bounds("0", str(big)))
    ]
    decoded = JsonDecoder(window(incremental, "0", str(big))).decode(blocks, None)
    assert decoded.batch.column("id").to_pylist() == [1]
    assert [reject.offset for reject in decoded.rejects] == [1]
