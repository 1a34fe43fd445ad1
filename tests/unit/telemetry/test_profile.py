from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from bronze_engine.model.profile import RunProfile, Stage, StageProfile
from bronze_engine.telemetry.profile import (
    Laps,
    Profile,
    Stopwatch,
    applied,
    applying,
    fetching,
    sending,
    worked,
    working,
)
from bronze_engine.telemetry.verdict import judged, profile_of
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit


class Hands:
    """A clock whose hands are moved."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hands() -> Hands:
    return Hands()


def stage_of(profile: Profile, name: str) -> StageProfile:
    return next(each for each in profile.stages() if each.stage == name)


def test_what_runs_side_by_side_is_one_wall_time(hands: Hands) -> None:
    watch = Stopwatch(hands)
    for at, act in ((1, watch.begin), (2, watch.begin), (4, watch.end), (7, watch.end)):
        hands.at = at
        act()
    hands.at = 9
    assert watch.seconds == 6
    watch.begin()
    hands.at = 10
    assert watch.seconds == 7  # what is under way counts


def test_waits_of_attempts_are_told_apart_and_shared_time_is_counted_once(hands: Hands) -> None:
    profile = Profile(hands)
    with applied(profile):
        first, second = Laps(), Laps()
        hands.at = 1
        first.lap("slot")
        second.lap("slot")
        hands.at = 3
        first.lap("rate")
        hands.at = 4
        second.lap("rate")
    assert profile.limit_seconds == {"pause": 0, "breaker": 0, "slot": 2, "rate": 5}
    assert profile.held_back_seconds == 3


def test_laps_of_a_store_count_for_no_source(hands: Hands) -> None:
    profile = Profile(hands)
    with applied(profile):
        laps = Laps(is_counted=False)
        hands.at = 5
        laps.lap("rate")
    assert profile.held_back_seconds == 0


def test_a_piece_of_work_is_counted_for_the_run_that_it_belongs_to(hands: Hands) -> None:
    one, other = Profile(hands), Profile(hands)
    with applied(one):
        with working("fetch"):
            hands.at = 2
        with applied(other), working("fetch"):
            hands.at = 5
        worked("hash", 0.25)
        with sending():
            hands.at = 6
    with working("fetch"):  # outside of a run nothing is counted
        hands.at = 100
    assert applying() is None
    assert stage_of(one, "fetch").work_seconds == 2
    assert stage_of(one, "fetch").busy_seconds == 2
    assert stage_of(other, "fetch").work_seconds == 3
    assert stage_of(one, "hash").work_seconds == 0.25
    assert stage_of(one, "upload").wait_seconds == 1
    assert one.sending.seconds == 1


def test_stages_come_in_the_order_of_the_data() -> None:
    profile = Profile()
    names: tuple[Stage, ...] = ("upload", "decode", "fetch")
    for name in names:
        profile.stage(name).worked(1.0)
    assert [each.stage for each in profile.stages()] == ["fetch", "decode", "upload"]


def test_how_full_a_queue_is_is_an_average() -> None:
    profile = Profile()
    for share in (0.0, 0.5, 1.0):
        profile.stage("encode").filled(share)
    assert stage_of(profile, "encode").queue_fill == 0.5


@pytest.mark.asyncio
async def test_a_job_tells_its_work_its_wait_and_its_cpu() -> None:
    def work() -> int:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return 7

    profile = Profile()
    with Workers(1) as workers, applied(profile):
        assert await workers.run(work, stage="decode") == 7
        assert await workers.run(len, "abc") == 3  # of no stage
        with pytest.raises(ZeroDivisionError):
            await workers.run(divmod, 1, 0, stage="decode")
    found = stage_of(profile, "decode")
    assert found.jobs == 2
    assert found.cpu_seconds is not None
    assert 0.02 <= found.cpu_seconds <= found.work_seconds + 0.01
    assert found.busy_seconds >= found.work_seconds
    assert 0 <= profile.lag_seconds <= profile.lag_max_seconds


@pytest.mark.asyncio
async def test_waiting_for_the_next_chunk_is_fetching(hands: Hands) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            hands.at += 1
            yield b"x"

    profile = Profile(hands)
    with applied(profile):
        async for _ in fetching(chunks()):
            hands.at += 10  # what is done with it is no fetch
    assert stage_of(profile, "fetch").work_seconds == 3


def told(**changes: object) -> RunProfile:
    """A profile of ten seconds of reading, on two cores; a stage is {name: (jobs, work, busy)}."""
    stages = changes.pop("stages", {"fetch": (100, 10.0, 9.5)})
    assert isinstance(stages, dict)
    figures: dict[str, object] = {
        "seconds": 12.0,
        "reading_seconds": 10.0,
        "cores": 2,
        "cpu_seconds": 1.0,
        "loop_cpu_seconds": 0.5,
        "reading_cpu_seconds": 1.0,
        "reading_loop_cpu_seconds": 0.5,
        "loop_lag_seconds": 0.0,
        "loop_lag_max_seconds": 0.0,
        "limit_seconds": {"pause": 0.0, "breaker": 0.0, "slot": 0.0, "rate": 0.0},
        "held_back_seconds": 0.0,
        "starved_seconds": 9.0,
        "blocked_seconds": 0.0,
        "sending_seconds": 0.0,
    }
    return RunProfile(
        **(figures | changes),  # type: ignore[arg-type]  # of a table of a test
        stages=tuple(
            StageProfile(
                stage=name,
                jobs=jobs,
                work_seconds=work,
                cpu_seconds=None,
                wait_seconds=0.0,
                busy_seconds=busy,
            )
            for name, (jobs, work, busy) in stages.items()
        ),
    )


def test_a_run_that_waits_for_answers_is_bounded_by_latency() -> None:
    verdict = judged(told(stages={"fetch": (100, 76.0, 9.5)}))
    assert verdict.bound == "latency"
    assert verdict.reason == "8 in flight x 760 ms, 10.0 a second"


def test_requests_that_wait_for_a_slot_want_more_at_once() -> None:
    limits = {"pause": 0.0, "breaker": 0.0, "slot": 80.0, "rate": 0.0}
    verdict = judged(told(stages={"fetch": (100, 76.0, 9.5)}, limit_seconds=limits))
    assert verdict.advice == "raise concurrency, or page_size"
    assert "side by side" in judged(told()).advice  # one at a time, and none waits


def test_a_rate_that_always_holds_a_request_back_bounds_the_run() -> None:
    limits = {"pause": 0.0, "breaker": 0.0, "slot": 0.0, "rate": 30.0}
    verdict = judged(told(held_back_seconds=8.0, limit_seconds=limits))
    assert verdict.bound == "rate limit"
    assert "raise rate_limit" in verdict.advice


def test_pauses_of_the_server_are_a_bound_of_their_own() -> None:
    limits = {"pause": 30.0, "breaker": 0.0, "slot": 0.0, "rate": 1.0}
    verdict = judged(told(held_back_seconds=8.0, limit_seconds=limits))
    assert verdict.bound == "pauses"
    assert "429 or 503" in verdict.reason
    assert verdict.advice.startswith("set rate_limit.rps a little below 10,")


def test_pauses_longer_than_requests_are_under_way_bound_the_run() -> None:
    limits = {"pause": 37.0, "breaker": 0.0, "slot": 18.0, "rate": 0.0}
    profile = told(stages={"fetch": (209, 12.0, 2.2)}, held_back_seconds=4.3, limit_seconds=limits)
    assert judged(profile).bound == "pauses"
    assert judged(msgspec.structs.replace(profile, held_back_seconds=2.0)).bound == "latency"


def test_workers_that_others_leave_no_core_do_not_bound_what_waits_for_pauses() -> None:
    """As seen on a busy machine: answers that come at once after a pause queue for workers."""
    stages = {"fetch": (52, 12.0, 2.0), "split": (52, 3.0, 2.0), "decode": (6, 8.0, 6.0)}
    limits = {"pause": 41.0, "breaker": 0.0, "slot": 9.0, "rate": 0.0}
    profile = told(stages=stages, held_back_seconds=6.0, limit_seconds=limits, starved_seconds=7.0)
    busy = tuple(
        msgspec.structs.replace(each, cpu_seconds=0.8, wait_seconds=8.0) for each in profile.stages
    )
    assert judged(msgspec.structs.replace(profile, stages=busy)).bound == "pauses"


def test_decoding_that_is_waited_for_is_named_with_the_cores_that_it_had() -> None:
    profile = told(
        stages={"fetch": (300, 14.0, 3.0), "decode": (300, 17.0, 9.0)},
        starved_seconds=0.5,
        blocked_seconds=9.0,
    )
    stages = tuple(
        msgspec.structs.replace(each, cpu_seconds=5.4, wait_seconds=85.0) for each in profile.stages
    )
    verdict = judged(msgspec.structs.replace(profile, stages=stages))
    assert verdict.bound == "decode"
    assert verdict.reason.endswith("they computed only 27% and waited for a core")


def test_what_is_split_queues_for_workers_that_decode_though_decoding_starves_meanwhile() -> None:
    """As seen with a server on the same two cores."""
    profile = told(
        stages={"fetch": (60, 13.0, 8.0), "split": (60, 1.5, 9.0), "decode": (60, 11.0, 8.0)},
        starved_seconds=5.1,
        blocked_seconds=4.2,
    )
    assert judged(profile).bound == "decode"
    queued = tuple(
        msgspec.structs.replace(each, cpu_seconds=2.0, wait_seconds=80.0) for each in profile.stages
    )
    assert judged(msgspec.structs.replace(profile, stages=queued)).bound == "decode"


def test_what_was_computed_before_the_reading_is_no_part_of_it() -> None:
    assert judged(told(cpu_seconds=19.0, loop_cpu_seconds=9.0)).bound == "latency"


def test_busy_workers_bound_the_run_and_their_largest_stage_names_it() -> None:
    decode = {"fetch": (100, 10.0, 9.0), "decode": (50, 11.0, 9.0), "encode": (9, 4.0, 3.5)}
    assert judged(told(stages=decode, starved_seconds=1.0)).bound == "decode"
    encode = {"decode": (50, 4.0, 4.0), "encode": (9, 9.0, 9.0)}
    assert judged(told(stages=encode, starved_seconds=1.0)).bound == "encode"


def test_jobs_that_queue_for_workers_show_that_they_are_busy() -> None:
    profile = told(stages={"fetch": (100, 10.0, 9.0), "decode": (50, 8.0, 6.0)})
    queued = tuple(msgspec.structs.replace(each, wait_seconds=11.0) for each in profile.stages)
    assert judged(profile).bound == "latency"
    assert judged(msgspec.structs.replace(profile, stages=queued)).bound == "latency"
    waited = msgspec.structs.replace(profile, stages=queued, starved_seconds=1.0)
    assert judged(waited).bound == "decode"
    sliced = msgspec.structs.replace(profile, stages=queued, blocked_seconds=8.0)
    assert judged(sliced).bound == "decode"  # of many slices some always starve


def test_one_file_that_is_always_encoded_bounds_the_run_though_a_core_is_idle() -> None:
    stages = {"decode": (50, 1.0, 1.0), "encode": (9, 8.0, 8.5)}
    assert judged(told(stages=stages, starved_seconds=1.0)).bound == "encode"


def test_a_store_that_encoding_waits_for_bounds_the_run() -> None:
    stages = {"encode": (9, 2.0, 2.0), "upload": (40, 30.0, 9.0)}
    verdict = judged(told(stages=stages, sending_seconds=7.0))
    assert verdict.bound == "upload"
    assert "750 ms each" in verdict.reason


def test_a_busy_loop_wants_fewer_requests() -> None:
    verdict = judged(told(reading_loop_cpu_seconds=9.0, stages={"fetch": (20_000, 20.0, 9.5)}))
    assert verdict.bound == "event loop"
    assert "page_size" in verdict.advice


def test_a_moment_tells_nothing() -> None:
    verdict = judged(told(reading_seconds=0.9))
    assert verdict.bound == "nothing"
    assert verdict.reason == "it read for 900 ms: too short to tell"
    assert judged(told(reading_seconds=0.9), 0.05).bound == "latency"  # of a trial


def test_the_commit_is_no_part_of_what_is_judged() -> None:
    stages = {"fetch": (100, 9.0, 4.5), "commit": (1, 5.0, 5.0)}
    verdict = judged(told(held_back_seconds=4.0, stages=stages))
    assert verdict.bound == "rate limit"


def test_what_a_run_prepares_is_no_part_of_its_reading(hands: Hands) -> None:
    profile = Profile(hands)
    hands.at = 5
    with applied(profile), working("fetch"):
        hands.at = 7
    assert (profile.seconds, profile.reading_seconds) == (7, 2)


def test_a_profile_is_judged_as_it_is_told() -> None:
    profile = profile_of(Profile())
    assert profile.verdict is not None
    assert profile.cores >= 1
