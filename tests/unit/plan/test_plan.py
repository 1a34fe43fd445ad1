"""What a run reads, from what stands committed around its date: SEMANTICS 1 as a table."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from bronze_engine.config.api import Api
from bronze_engine.config.http.export import CreateJob, Export, PollJob
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import HttpSourceConfig, Parent
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Request
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.manifest import FORMAT_VERSION, Manifest, SourceInfo
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.model.window import CursorType, Window
from bronze_engine.plan.asked import date_warning
from bronze_engine.plan.request import follows_full_load, make_request
from bronze_engine.plan.window import (
    begins_epoch,
    final_window,
    highest,
    is_above,
    planned_window,
)

pytestmark = pytest.mark.unit

DAY = date(2025, 1, 15)
BIG = str(10**30)


def incremental(**fields: Any) -> Incremental:
    return Incremental(**{"cursor": "seq", "cursor_type": "integer", **fields})


def pipeline(cursor: Incremental | None, **source: Any) -> Pipeline:
    return Pipeline(
        name="team.orders",
        system="team",
        entity="orders",
        target=LocalStoreConfig(path="/nowhere"),
        load="full" if cursor is None else "incremental",
        source=HttpSourceConfig(api=Api(base_url="http://localhost"), **source),
        incremental=cursor,
    )


def manifest(
    day: int,
    low: str | None,
    high: str | None,
    *,
    epoch: int = 1,
    column: str = "seq",
    kind: CursorType = "integer",
) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        pipeline="team.orders",
        system="team",
        entity="orders",
        run_date=date(2025, 1, day),
        run=f"r{day}",
        attempt=f"a{day}",
        generation=1,
        epoch=epoch,
        written_at=datetime(2025, 1, day, tzinfo=UTC),
        load="incremental",
        source=SourceInfo(type="http", location="http://localhost"),
        row_count=0,
        watermark=Window(column=column, type=kind, low=low, high=high),
    )


def plan(
    earlier: Manifest | None = None,
    own: Manifest | None = None,
    later: Manifest | None = None,
    *,
    cursor: Incremental | None = None,
    new_epoch: int = 0,
) -> Request:
    return make_request(
        pipeline(cursor or incremental()),
        run_date=DAY,
        run="r1",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        neighbours=Neighbours(earlier=earlier, own=own, later=later),
        new_epoch=new_epoch,
        base=None,
    )


def bounds(request: Request) -> tuple[str | None, str | None, int]:
    assert request.read_from == request.low
    return request.low, request.cap, request.epoch


def test_a_first_run_reads_from_the_beginning() -> None:
    assert bounds(plan()) == (None, None, 1)


def test_a_first_run_reads_from_initial_itself_and_the_next_one_goes_on_behind_its_end() -> None:
    first = plan(cursor=incremental(initial="5"))
    assert bounds(first) == ("5", None, 1)
    assert not first.low_open
    assert plan(manifest(14, "5", "9"), cursor=incremental(initial="5")).low_open


def test_a_date_before_the_first_one_leaves_it_the_rows_at_initial() -> None:
    later = msgspec.structs.replace(
        manifest(16, "5", "9"),
        watermark=Window(column="seq", type="integer", low="5", high="9", low_open=False),
    )
    request = plan(later=later, cursor=incremental(initial="5"))
    assert (request.low, request.cap, request.cap_open) == ("5", "5", True)


def test_a_first_run_that_found_nothing_leaves_the_rows_at_initial_to_the_next() -> None:
    first = plan(cursor=incremental(initial="5"))
    window = final_window(first, None)
    assert window is not None
    assert (window.low, window.high, window.high_open) == ("5", "5", True)
    earlier = msgspec.structs.replace(manifest(14, "5", "5"), watermark=window)
    assert not plan(earlier, cursor=incremental(initial="5")).low_open


@pytest.mark.parametrize(("found", "high"), [(None, "9"), ("7", "9"), ("9", "9"), ("12", "12")])
def test_a_window_never_ends_before_it_begins(found: str | None, high: str) -> None:
    """The row at its low may be gone, and a lookback find nothing but rows below."""
    looking = plan(manifest(14, "5", "9"), cursor=incremental(lookback=6))
    assert (looking.low, looking.read_from) == ("9", "3")
    window = final_window(looking, found)
    assert window is not None
    assert (window.low, window.high) == ("9", high)


def test_a_chain_begins_where_the_newest_earlier_date_ended() -> None:
    assert bounds(plan(manifest(14, "5", "9", epoch=3))) == ("9", None, 3)


def test_initial_is_for_the_very_first_run_only() -> None:
    assert bounds(plan(manifest(14, "5", "9"), cursor=incremental(initial="100"))) == ("9", None, 1)


def test_a_re_run_keeps_its_low_although_the_earlier_date_ended_elsewhere() -> None:
    assert bounds(plan(manifest(14, "1", "7"), manifest(15, "9", "20", epoch=1))) == ("9", None, 1)


def test_a_re_run_of_the_very_first_date_keeps_its_missing_low() -> None:
    again = plan(None, manifest(15, None, "9"), cursor=incremental(initial="5"))
    assert bounds(again) == (None, None, 1)


def test_a_re_run_ends_where_the_next_committed_date_begins() -> None:
    again = plan(manifest(14, "1", "5"), manifest(15, "5", "9"), manifest(16, "9", "20"))
    assert bounds(again) == ("5", "9", 1)


def test_a_date_put_between_two_others_has_an_empty_window() -> None:
    between = plan(manifest(14, "1", "9"), None, manifest(17, "9", "20"))
    assert bounds(between) == ("9", "9", 1)
    assert final_window(between, None) == Window(
        column="seq", type="integer", low="9", high="9", read_from="9"
    )


def test_a_date_before_the_first_ends_where_that_begins() -> None:
    assert bounds(plan(later=manifest(16, "5", "9"), cursor=incremental(initial="2"))) == (
        "2",
        "5",
        1,
    )


def test_a_date_before_one_that_was_read_from_the_beginning_has_nothing_to_read() -> None:
    with pytest.raises(StateError, match=r"2025-01-16 .* was read from the beginning"):
        plan(later=manifest(16, None, "9"))


def test_a_later_date_of_another_epoch_is_no_end() -> None:
    again = plan(manifest(14, "1", "5"), manifest(15, "5", "9"), manifest(16, None, "99", epoch=2))
    assert bounds(again) == ("5", None, 1)


@pytest.mark.parametrize(
    ("earlier", "own", "later", "said"),
    [
        (manifest(14, "1", "10"), manifest(15, "9", "20"), None, "2025-01-14 ends at 10"),
        (manifest(14, "1", "10"), manifest(15, None, "20"), None, "begins at the beginning"),
        (manifest(14, "1", "10"), None, manifest(16, "9", "20"), "2025-01-16 begins at 9"),
        (None, manifest(15, "10", "20"), manifest(16, "9", "20"), "2025-01-16 begins at 9"),
        (manifest(14, "1", BIG + "1"), manifest(15, BIG, BIG), None, "overlap"),
    ],
)
def test_windows_that_overlap_are_refused(
    earlier: Manifest | None, own: Manifest | None, later: Manifest | None, said: str
) -> None:
    with pytest.raises(StateError, match=said):
        plan(earlier, own, later)


def test_windows_are_compared_as_their_type_and_not_as_text() -> None:
    assert bounds(plan(manifest(14, "1", "9"), manifest(15, "10", "20")))[0] == "10"


@pytest.mark.parametrize("side", ["earlier", "own", "later"])
@pytest.mark.parametrize(
    ("column", "kind"), [("updated_at", "integer"), ("seq", "timestamp"), ("seq", "text")]
)
def test_another_cursor_than_the_recorded_one_is_refused(
    side: str, column: str, kind: CursorType
) -> None:
    around = {side: manifest(15, "1", "2", column=column, kind=kind)}
    with pytest.raises(StateError, match="was landed by the cursor"):
        plan(**around)  # type: ignore[arg-type]  # one of the three neighbours


def test_a_full_refresh_begins_an_epoch_from_initial() -> None:
    again = plan(
        manifest(14, "1", "5"),
        manifest(15, "5", "9"),
        cursor=incremental(initial="3"),
        new_epoch=4,
    )
    assert bounds(again) == ("3", None, 4)


def test_a_full_refresh_does_not_mind_another_cursor() -> None:
    again = plan(manifest(14, "1", "5", column="updated_at"), new_epoch=2)
    assert bounds(again) == (None, None, 2)


def test_a_full_refresh_refuses_to_leave_later_dates_behind() -> None:
    with pytest.raises(StateError, match="would leave 2025-01-16 behind"):
        plan(later=manifest(16, "1", "5"), new_epoch=2)


def test_full_loads_and_refreshes_begin_an_epoch() -> None:
    assert begins_epoch(pipeline(None), full_refresh=False)
    assert begins_epoch(pipeline(incremental()), full_refresh=True)
    assert not begins_epoch(pipeline(incremental()), full_refresh=False)


def test_a_full_load_has_no_window() -> None:
    request = make_request(
        pipeline(None),
        run_date=DAY,
        run="r1",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        neighbours=Neighbours(later=manifest(16, "1", "5")),
        new_epoch=7,
        base=None,
    )
    assert bounds(request) == (None, None, 7)
    assert planned_window(request) is None
    assert final_window(request, None) is None


@pytest.mark.parametrize(
    ("earlier", "later", "landed", "high"),
    [
        (manifest(14, "1", "5"), None, "8", "8"),
        (manifest(14, "1", "5"), None, None, "5"),  # nothing new
        (manifest(14, "1", "5"), manifest(16, "9", "20"), "8", "9"),  # asked for up to there
        (None, None, None, None),
    ],
)
def test_the_recorded_window_ends_at_the_cap_or_the_highest_or_where_it_began(
    earlier: Manifest | None, later: Manifest | None, landed: str | None, high: str | None
) -> None:
    window = final_window(plan(earlier, None, later), landed)
    assert window is not None
    assert window.high == high


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("integer", "9", "10"),
        ("integer", "-10", "-9"),
        ("integer", BIG, BIG + "0"),
        ("date", "2025-01-09", "2025-01-10"),
        ("text", "B", "a"),
        ("text", "10", "9"),
        ("timestamp", "2025-01-15T12:00:00+02:00", "2025-01-15T10:00:01Z"),
        ("timestamp", "2025-01-15T10:00:00.999999999Z", "2025-01-15T10:00:01Z"),
        ("timestamp", "2025-01-15T10:00:00.1234567890Z", "2025-01-15T10:00:00.12345678901Z"),
    ],
)
def test_values_are_compared_as_their_type(kind: CursorType, low: str, high: str) -> None:
    cursor = incremental(cursor_type=kind)
    assert is_above(high, low, cursor)
    assert not is_above(low, high, cursor)
    assert not is_above(low, low, cursor)


def test_one_instant_in_two_zones_is_no_difference() -> None:
    cursor = incremental(cursor_type="timestamp")
    assert not is_above("2025-01-15T12:00:00+02:00", "2025-01-15T10:00:00Z", cursor)
    assert not is_above("2025-01-15T10:00:00Z", "2025-01-15T12:00:00+02:00", cursor)


def test_naive_timestamps_are_of_the_configured_zone() -> None:
    cursor = incremental(cursor_type="timestamp", cursor_timezone="Europe/Berlin")
    assert is_above("2025-01-15T12:00:01", "2025-01-15T11:00:00Z", cursor)
    assert not is_above("2025-01-15T12:00:00", "2025-01-15T11:00:00Z", cursor)


@pytest.mark.parametrize(
    ("kind", "value"), [("integer", "ten"), ("date", "today"), ("timestamp", "2025-01-15T10:00:00")]
)
def test_a_value_that_is_none_of_its_type_is_a_configuration_error(
    kind: CursorType, value: str
) -> None:
    with pytest.raises(ConfigError, match=r"incremental\.cursor 'seq'"):
        is_above(value, value, incremental(cursor_type=kind))


def test_highest_takes_nothing_as_below_everything() -> None:
    request = plan()
    assert highest(None, None, request) is None
    assert highest("5", None, request) == "5"
    assert highest(None, "5", request) == "5"
    assert highest("10", "9", request) == "10"
    assert highest("9", "10", request) == "10"


def test_a_manifest_without_a_window_is_as_good_as_none() -> None:
    before = msgspec.structs.replace(manifest(14, "1", "5"), watermark=None)
    assert bounds(plan(before, cursor=incremental(initial="3"))) == ("3", None, 1)


@pytest.mark.parametrize(
    "source",
    [
        {"path": "/orders/{run_date}"},
        {"params": {"day": "{run_date:%Y%m%d}"}},
        {"method": "POST", "json": {"day": ["{run_date}"]}},
    ],
)
def test_an_old_date_that_the_request_names_is_no_warning(source: dict[str, Any]) -> None:
    assert date_warning(pipeline(None, **source), DAY, date(2025, 2, 1)) is None


def test_an_old_date_that_the_request_does_not_name_is_a_warning() -> None:
    warning = date_warning(pipeline(None, path="/orders"), DAY, date(2025, 1, 16))
    assert warning is not None
    assert "today's data under an old date" in warning


def test_an_old_date_that_a_parents_or_an_exports_request_names_is_no_warning() -> None:
    above = pipeline(None, path="/orders/{run_date}").source
    assert isinstance(above, HttpSourceConfig)
    export = Export(
        create=CreateJob(path="/jobs", json={"day": "{run_date}"}),
        poll=PollJob(path="/jobs/{job.id}", done=["done"]),
    )
    for source in ({"parent": Parent(name="team.above", source=above)}, {"export": export}):
        assert date_warning(pipeline(None, **source), DAY, date(2025, 1, 16)) is None


def test_a_chain_that_ends_in_the_future_is_a_warning() -> None:
    """A slip in a year ended it without a word: each run after it committed no row."""
    chain = pipeline(Incremental(cursor="id", cursor_type="integer", window="chain"), path="/x")
    slip = date(2052, 1, 15)
    warning = date_warning(chain, slip, DAY)
    assert warning is not None
    assert warning.startswith("2052-01-15 is in the future: ")
    day_after = date_warning(chain, date(2025, 1, 16), date(2025, 1, 16), later=slip)
    assert day_after is not None
    assert day_after.startswith("2052-01-15 is in the future, and committed: ")
    tomorrow = date(2025, 1, 16)
    assert date_warning(chain, tomorrow, DAY) is None
    assert date_warning(chain, DAY, DAY, later=tomorrow) is None
    assert date_warning(pipeline(None, path="/x"), slip, DAY) is None


def test_today_is_no_old_date() -> None:
    assert date_warning(pipeline(None, path="/orders"), DAY, DAY) is None


def test_a_lookback_reads_again_from_below_what_has_landed() -> None:
    request = plan(manifest(14, None, "100"), cursor=incremental(lookback=Duration(30)))
    assert (request.low, request.read_from) == ("100", "70")


def test_a_first_run_has_nothing_to_look_back_at() -> None:
    cursor = incremental(initial="5", lookback=Duration(30))
    assert bounds(plan(cursor=cursor)) == ("5", None, 1)
    assert bounds(plan(cursor=incremental(lookback=Duration(30)))) == (None, None, 1)


def test_a_chain_after_a_full_load_begins_an_epoch() -> None:
    chain, whole = pipeline(incremental()), pipeline(None)
    full = msgspec.structs.replace(manifest(14, None, None), watermark=None)
    assert follows_full_load(chain, Neighbours(earlier=full))
    assert follows_full_load(chain, Neighbours(earlier=full, own=full))
    # What goes on with recorded windows begins none, nor does a pipeline that is loaded whole.
    assert not follows_full_load(chain, Neighbours(earlier=full, own=manifest(15, "5", "9")))
    assert not follows_full_load(chain, Neighbours(earlier=manifest(14, "5", "9"), own=full))
    assert not follows_full_load(chain, Neighbours(own=full))
    assert not follows_full_load(whole, Neighbours(earlier=full))
