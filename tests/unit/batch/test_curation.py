"""Curated tables of a batch: which are due when, and what becomes of them and of the others."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from bronze_engine.batch.curation import Curation
from bronze_engine.batch.retry import find_remaining
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.part import ANY
from bronze_engine.telemetry.events import BatchFinished, BatchRunEnded, RunPhase
from tests.unit.batch.lake import DAY, Lake
from tests.unit.run.harness import opened

pytestmark = pytest.mark.unit

NEXT = date(2025, 1, 16)


def tables(report: BatchReport) -> dict[str, str]:
    return {each.pipeline: each.status for each in report.tables}


def test_a_table_is_due_after_the_last_date_of_its_pipeline() -> None:
    curation = Curation([("a.x", DAY), ("a.x", NEXT), ("a.y", DAY)], ["a.x", "a.z"], NEXT)
    assert curation.begin() == ("a.z",)
    assert not curation.end("a.x", committed=True)
    assert not curation.end("a.y", committed=True)
    assert curation.end("a.x", committed=False)
    left = [(each.pipeline, each.status, each.run_date) for each in curation.results]
    assert left == [("a.x", "left", NEXT), ("a.z", "left", NEXT)]


def test_a_table_of_which_nothing_landed_is_skipped() -> None:
    curation = Curation([("a.x", DAY)], ["a.x"], NEXT)
    assert not curation.end("a.x", committed=False)
    (result,) = curation.results
    assert (result.layer, result.status, result.exit_code) == ("silver", "skipped", 0)
    assert "none of its dates was committed" in result.message


@pytest.mark.asyncio
async def test_each_table_is_made_once_and_told_of(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "a.y", silver=["a.x"])
    report = await lake.batch(("a.x", DAY), ("a.x", NEXT), ("a.y", DAY))
    assert tables(report) == {"a.x": "committed"}
    (table,) = report.tables
    assert table.report is not None
    assert table.report.silver is not None
    assert table.generation == 1
    assert [each.run_date for each in table.report.silver.inputs] == [DAY, NEXT]
    ended = [event.result.layer for event in lake.events if isinstance(event, BatchRunEnded)]
    assert ended.count("silver") == 1
    (finished,) = (event for event in lake.events if isinstance(event, BatchFinished))
    assert tables(finished.report) == {"a.x": "committed"}
    assert report.exit_code == 0


@pytest.mark.asyncio
async def test_no_table_waits_for_the_memory_of_another_before_the_runs_of_bronze(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path, "a.x", "b.y", silver=["a.x", "b.y"])
    report = await lake.batch("a.x", "b.y")
    assert tables(report) == {"a.x": "committed", "b.y": "committed"}
    phases = [event.phase for event in lake.events if isinstance(event, RunPhase)]
    assert phases.count("merging") == 2
    assert "waiting for memory" not in phases


@pytest.mark.asyncio
async def test_a_table_that_fails_is_no_failure_of_others(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", "a.y", silver=["a.x", "a.y"])
    await lake.store.put("silver/a/x/_metadata.json", b"{", expect=ANY)
    report = await lake.batch("a.x", "a.y")
    assert {run.status for run in report.runs} == {"committed"}
    assert tables(report) == {"a.x": "failed", "a.y": "committed"}
    (failed, _) = report.tables
    assert (failed.error_code, failed.exit_code) == ("STATE001", 7)
    assert report.exit_code == 1
    async with opened(lake.config, None, store=lake.store, clock=lake.clock) as engine:
        todo = await find_remaining(engine, report)
    assert (todo.runs, todo.tables) == ((), ("a.x",))


@pytest.mark.asyncio
async def test_what_is_run_again_takes_its_table_along(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "a.x", silver=["a.x"])
    report = await lake.batch(("a.x", DAY))
    again = BatchReport(
        batch="b",
        started_at=report.started_at,
        seconds=1,
        max_parallel=1,
        runs=(*report.runs, BatchRun(pipeline="a.x", run_date=NEXT, status="failed")),
        tables=report.tables,
    )
    async with opened(lake.config, None, store=lake.store, clock=lake.clock) as engine:
        todo = await find_remaining(engine, again)
    assert (todo.runs, todo.tables) == ((("a.x", NEXT),), ("a.x",))
