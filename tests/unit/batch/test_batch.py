"""Batches: what is run, in which order, and what becomes of the rest when something fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from bronze_engine.batch.batch import Batch
from bronze_engine.config.load import load_config
from bronze_engine.contracts import Request
from bronze_engine.errors import ConfigError, ExtractError, PageError
from bronze_engine.telemetry.events import (
    BatchFinished,
    BatchRunEnded,
    BatchStarted,
    RunPhase,
    RunStarted,
)
from bronze_engine.testing import Pause, ScriptedSource, Step, page
from tests.unit.batch.lake import DAY, Lake, statuses
from tests.unit.run.harness import is_idle, manifest_of, opened

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_every_run_commits_and_the_report_is_in_the_order_of_asking(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "a.y", "b.x")
    days = [DAY - timedelta(days=1), DAY]
    runs = [(name, day) for day in days for name in ("b.x", "a.y", "a.x")]
    report = await lake.batch(*runs, batch="b1", shard="2/3")
    assert [(run.pipeline, run.run_date) for run in report.runs] == runs
    assert {run.status for run in report.runs} == {"committed"}
    assert {(run.rows, run.generation, run.exit_code) for run in report.runs} == {(1, 1, 0)}
    assert (report.batch, report.shard, report.exit_code) == ("b1", "2/3", 0)
    for name, day in runs:
        found = await manifest_of(lake.store, day, name)
        assert found is not None
        run = next(r for r in report.runs if (r.pipeline, r.run_date) == (name, day))
        assert run.run == found.run
        assert run.report is not None
        assert run.report.run == found.run


async def test_two_that_are_the_same_run_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x")
    report = await lake.batch("a.x", "a.x")
    assert statuses(report) == {"a.x": "committed"}
    assert lake.opened == ["a.x"]


async def test_the_hooks_are_told_of_beginning_and_end(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "b.x")
    report = await lake.batch("a.x", "b.x")
    first, last = lake.events[0], lake.events[-1]
    assert isinstance(first, BatchStarted)
    assert first.runs == (("a.x", DAY), ("b.x", DAY))
    assert isinstance(last, BatchFinished)
    assert last.report.runs == report.runs
    assert first.batch == last.batch == report.batch


async def test_no_more_runs_than_asked_for_hold_a_place(tmp_path: Path) -> None:
    names = [f"a.x{number}" for number in range(6)]
    lake = Lake(tmp_path, *names)
    report = await lake.batch(*names, max_parallel=2)
    assert set(statuses(report).values()) == {"committed"}
    assert report.max_parallel == 2
    assert report.seconds == pytest.approx(0.3)


@pytest.mark.parametrize("count", [0, -1])
async def test_less_than_one_place_is_refused(tmp_path: Path, count: int) -> None:
    lake = Lake(tmp_path, "a.x")
    with pytest.raises(ConfigError, match=f"max_parallel is {count}"):
        await lake.batch("a.x", max_parallel=count)


async def test_an_empty_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to run"):
        await Lake(tmp_path, "a.x").batch()


async def test_a_failure_keeps_no_other_from_being_run(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "a.y", "b.x", "b.y")
    lake.faults = {"a.x": ExtractError("broken off"), "b.y": PageError("it lies")}
    report = await lake.batch("a.x", "a.y", "b.x", "b.y")
    assert statuses(report) == {
        "a.x": "failed", "a.y": "committed", "b.x": "committed", "b.y": "failed",
    }  # fmt: skip
    failed = report.runs[0]
    assert (failed.error_code, failed.error, failed.exit_code) == ("EXT001", "EXT001 broken off", 4)
    assert failed.report is not None
    assert failed.run == failed.report.run
    assert failed.report.status == "failed"
    assert report.exit_code == 1


async def test_a_fault_of_our_own_is_70_and_keeps_no_other_from_being_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = Lake(tmp_path, "a.x", "a.y")
    lake.faults = {"a.x": ZeroDivisionError("of ours")}
    report = await lake.batch("a.x", "a.y")
    assert statuses(report) == {"a.x": "failed", "a.y": "committed"}
    assert (report.runs[0].error_code, report.runs[0].exit_code) == ("BRONZE", 70)
    assert "ZeroDivisionError" in (report.runs[0].error or "")
    told = [each for each in caplog.records if each.exc_info and "a.x" in each.getMessage()]
    assert [each.levelno for each in told] == [logging.ERROR]


async def test_a_pipeline_that_is_wrong_has_failed_before_anything_is_run(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "a.y", after={"a.y": ["a.z"]})
    report = await lake.batch("a.y", "a.x", "a.none")
    assert statuses(report) == {"a.y": "failed", "a.x": "committed", "a.none": "failed"}
    assert {run.error_code for run in report.runs} == {"CFG001", None}
    assert lake.opened == ["a.x"]


async def test_what_comes_after_begins_when_that_has_committed(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "b.x", "c.x", after={"a.x": ["b.x"], "b.x": ["c.x"]})
    lake.seconds = {"c.x": 30.0}
    report = await lake.batch("a.x", "b.x", "c.x")
    assert lake.opened == ["c.x", "b.x", "a.x"]
    assert set(statuses(report).values()) == {"committed"}


async def test_what_comes_after_a_failure_is_skipped_and_says_why(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "b.x", "c.x", "d.x", after={"a.x": ["b.x"], "b.x": ["c.x"]})
    lake.faults = {"c.x": ExtractError("broken off")}
    report = await lake.batch("a.x", "b.x", "c.x", "d.x")
    assert statuses(report) == {
        "a.x": "skipped", "b.x": "skipped", "c.x": "failed", "d.x": "committed",
    }  # fmt: skip
    assert report.runs[1].error == (
        "EXT001 b.x 2025-01-15 was not run: it comes after c.x, which has failed"
    )
    assert report.runs[0].error == (
        "EXT001 a.x 2025-01-15 was not run: it comes after b.x, which was skipped"
    )
    assert {run.exit_code for run in report.runs[:3]} == {4}
    assert "a.x" not in lake.opened
    told = [each.result for each in lake.events if isinstance(each, BatchRunEnded)]
    assert sorted(told, key=lambda result: result.pipeline) == list(report.runs)


async def test_fail_fast_begins_nothing_after_the_first_failure(tmp_path: Path) -> None:
    names = [f"a.x{number}" for number in range(8)]
    lake = Lake(tmp_path, *names)
    lake.faults = {"a.x1": ExtractError("broken off")}
    lake.seconds = {"a.x2": 60.0}
    report = await lake.batch(*names, max_parallel=3, fail_fast=True)
    found = statuses(report)
    assert found["a.x1"] == "failed"
    assert found["a.x2"] == "committed"  # it was under way
    assert set(lake.opened) == {name for name in names if found[name] != "left"}
    assert [found[name] for name in names[-3:]] == ["left"] * 3
    assert report.exit_code == 1


async def test_an_api_that_hangs_keeps_the_others_from_nothing(tmp_path: Path) -> None:
    good = [f"{api}.x{number}" for number in range(10) for api in ("b", "c")]
    bad = [f"a.x{number}" for number in range(6)]
    lake = Lake(tmp_path, *good, *bad)
    alone = await lake.batch(*good, max_parallel=4)
    lake.seconds = {"a": 3600.0}
    clock = lake.clock.monotonic()
    report = await lake.batch(*bad, *good, max_parallel=4)
    assert set(statuses(report).values()) == {"committed"}
    ended = {run.pipeline: run.report for run in report.runs}
    last = max(
        (each.started_at.timestamp() + each.seconds)
        for name, each in ended.items()
        if each is not None and name in good
    )
    begun = min(each.started_at.timestamp() for each in ended.values() if each is not None)
    # Until it is known that they hang they hold places: once a second, and then no more.
    assert last - begun <= alone.seconds + 2.0
    assert lake.clock.monotonic() - clock >= 3600


async def test_cancelled_it_says_what_is_committed_and_what_is_left(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "a.y", "a.z")
    lake.seconds = {"a.y": 60.0, "a.z": 60.0}
    runs = [(name, DAY) for name in ("a.x", "a.y", "a.z")]
    async with opened(
        lake.config,
        ScriptedSource(lake.script),
        store=lake.store,
        clock=lake.clock,
        hooks=[lake.events.append],
    ) as engine:
        batch = Batch(engine, runs, max_parallel=2)
        task = asyncio.create_task(batch.run())
        await lake.clock.advance(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        report = batch.report()
        assert is_idle(engine)
    assert statuses(report) == {"a.x": "committed", "a.y": "left", "a.z": "left"}
    assert report.exit_code == 1
    assert isinstance(lake.events[-1], BatchFinished)
    assert lake.events[-1].report.runs == report.runs


@pytest.mark.parametrize("events", range(0, 40, 3))
async def test_cancelled_at_any_moment_the_report_says_what_stands(
    tmp_path: Path, events: int
) -> None:
    lake = Lake(tmp_path, "a.x", "b.x", "c.x", after={"c.x": ["a.x"]})
    lake.seconds = {"b.x": 5.0}
    runs = [(name, DAY) for name in ("a.x", "b.x", "c.x")]
    seen = 0
    tasks: list[asyncio.Task[object]] = []

    def cancel(_event: object) -> None:
        nonlocal seen
        seen += 1
        if seen == events:
            tasks[0].cancel()

    async with opened(
        lake.config, ScriptedSource(lake.script), store=lake.store, clock=lake.clock, hooks=[cancel]
    ) as engine:
        batch = Batch(engine, runs)
        tasks.append(asyncio.create_task(batch.run()))
        try:
            await lake.clock.drive(asyncio.wait_for(tasks[0], None))
        except asyncio.CancelledError:
            assert seen >= events
        assert is_idle(engine)
    for run in batch.report().runs:
        stands = await manifest_of(lake.store, DAY, run.pipeline) is not None
        assert stands is (run.status == "committed"), run


async def test_runs_asked_of_the_engine_beside_it_are_counted_by_themselves(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "a.y", "a.z")
    lake.seconds = {"a.x": 10.0, "a.y": 10.0}
    config = lake.config
    async with opened(
        config, ScriptedSource(lake.script), store=lake.store, clock=lake.clock
    ) as engine:
        batch = Batch(engine, [("a.x", DAY), ("a.y", DAY)], max_parallel=1)
        task = asyncio.create_task(batch.run())
        await lake.clock.advance(1.0)
        assert engine.statistics().running == 1
        report = await lake.clock.drive(engine.run("a.z", run_date=DAY))
        assert report.status == "committed"
        await lake.clock.drive(asyncio.wait_for(task, None))


async def test_two_batches_of_one_engine_hear_their_own_runs_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = Lake(tmp_path, "a.x", "b.x", "b.y", "c.x")
    lake.seconds["a"] = 30.0
    source = ScriptedSource(lake.script)
    async with opened(lake.config, source, store=lake.store, clock=lake.clock) as engine:
        hanging = Batch(engine, [("a.x", DAY), ("b.x", DAY), ("b.y", DAY)], max_parallel=2)
        other = Batch(engine, [("c.x", DAY)])

        async def both() -> None:
            await asyncio.gather(hanging.run(), other.run())

        await lake.clock.drive(both())
    for batch in (hanging, other):
        assert set(statuses(batch.report()).values()) == {"committed"}
    assert not caplog.records


async def test_the_dates_of_a_chain_take_up_each_others_ends(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x")
    text = lake.config.path.read_text().replace(
        "[pipelines.a.x]\n", '[pipelines.a.x]\nload = "incremental"\n'
    )
    text += '[pipelines.a.x.incremental]\ncursor = "at"\ncursor_type = "integer"\n'
    lake.config.path.write_text(text)
    asked: list[tuple[date, str | None]] = []

    def script(request: Request) -> Sequence[Sequence[Step]]:
        asked.append((request.run_date, request.low))
        at = request.run_date.day
        return [[Pause(1.0 / at), page(1, {"id": at, "at": at})]]

    days = [date(2025, 1, 3), date(2025, 1, 1), date(2025, 1, 2)]
    async with opened(
        load_config(lake.config.path, environ={}),
        ScriptedSource(script),
        store=lake.store,
        clock=lake.clock,
    ) as engine:
        report = await lake.clock.drive(Batch(engine, [("a.x", day) for day in days]).run())
    assert {run.status for run in report.runs} == {"committed"}
    assert asked == [(days[1], None), (days[2], "1"), (days[0], "2")]


async def test_while_a_run_waits_for_memory_no_other_begins(tmp_path: Path) -> None:
    names = [f"a.x{number}" for number in range(6)]
    lake = Lake(tmp_path, *names, memory="200MiB")  # for two
    report = await lake.batch(*names, max_parallel=3)
    assert set(statuses(report).values()) == {"committed"}
    waiting: set[str] = set()
    waited = 0
    for event in lake.events:
        if isinstance(event, RunPhase) and event.phase == "waiting for memory":
            waiting.add(event.run)
            waited += 1
        elif isinstance(event, RunPhase):
            waiting.discard(event.run)
        elif isinstance(event, RunStarted):
            assert not waiting
    assert waited >= 2


async def test_an_api_that_hangs_lends_its_memory_and_has_it_again(tmp_path: Path) -> None:
    good = [f"b.x{number}" for number in range(6)]
    lake = Lake(tmp_path, "a.x", *good, memory="170MiB")  # for two
    lake.seconds = {"a": 600.0}
    report = await lake.batch("a.x", *good, max_parallel=2)
    assert set(statuses(report).values()) == {"committed"}
    begun = {e.pipeline: at for at, e in enumerate(lake.events) if isinstance(e, RunStarted)}
    waits = [
        event.pipeline
        for event in lake.events[begun["b.x1"] :]
        if isinstance(event, RunPhase) and event.phase == "waiting for memory"
    ]
    assert waits == []  # what is lent is enough for a second one
