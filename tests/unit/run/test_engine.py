"""What runs of one engine share: turns, memory, hooks, stores, and the partition itself."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.batch.backfill import Backfill
from bronze_engine.batch.batch import Batch
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Request, Resources, Source
from bronze_engine.errors import BronzeError, ConfigError, StateError, StoreError
from bronze_engine.model.part import Expect, Version
from bronze_engine.model.report import RunReport
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import (
    Event,
    FileStaged,
    RowsWritten,
    RunFinished,
    RunPhase,
    RunStarted,
    StageFinished,
)
from bronze_engine.testing import Pause, ScriptedSource, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import FaultyStore, Script, inject
from tests.unit.run.harness import (
    DAY,
    NAME,
    Bench,
    config_of,
    cut_groups,
    is_idle,
    left_in,
    manifest_of,
    opened,
    reports_of,
    unowned,
)

pytestmark = pytest.mark.unit

PIPELINES = ("team.a", "team.b", "team.c")
INCREMENTAL = (
    "load=incremental",
    "incremental.cursor=id",
    "incremental.cursor_type=integer",
)


def slow(seconds: float = 60) -> ScriptedSource:
    return ScriptedSource([[page(1, {"id": 1}), Pause(seconds), page(2, {"id": 2})]])


def by_run(events: Sequence[Event], kind: type[Event]) -> list[str]:
    return [event.pipeline for event in events if isinstance(event, kind)]  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_max_pipelines_run_at_once_and_the_others_wait_their_turn(tmp_path: Path) -> None:
    clock, events = ManualClock(), list[Event]()
    config = config_of("engine.max_pipelines=1", pipelines=PIPELINES, folder=tmp_path)
    async with opened(
        config, slow(), store=MemoryStore(clock), clock=clock, hooks=[events.append]
    ) as engine:
        runs = [asyncio.create_task(engine.run(name, run_date=DAY)) for name in PIPELINES]
        await until(lambda: is_reading(events))
        statistics = engine.statistics()
        assert (statistics.running, statistics.waiting) == (1, 2)
        await clock.drive(all_of(runs))
        assert by_run(events, RunStarted) == by_run(events, RunFinished) == [*PIPELINES]
        assert is_idle(engine)


async def until(condition: Callable[[], bool]) -> None:
    """Let real time pass, and none on a manual clock."""
    while not condition():
        await SYSTEM_CLOCK.sleep(0.001)


async def all_of(tasks: Sequence[asyncio.Task[RunReport]]) -> list[RunReport | BaseException]:
    return await asyncio.gather(*tasks, return_exceptions=True)


def is_reading(events: Sequence[Event]) -> bool:
    return any(isinstance(event, RunPhase) and event.phase == "reading" for event in events)


@pytest.mark.asyncio
async def test_runs_wait_for_memory_first_come_first_served(tmp_path: Path) -> None:
    clock, events = ManualClock(), list[Event]()
    config = config_of("engine.memory_limit=100MiB", pipelines=PIPELINES, folder=tmp_path)
    async with opened(
        config, slow(), store=MemoryStore(clock), clock=clock, hooks=[events.append]
    ) as engine:
        runs = [asyncio.create_task(engine.run(name, run_date=DAY)) for name in PIPELINES]
        await until(lambda: is_reading(events))
        seen = engine.statistics()
        await clock.drive(all_of(runs))
        waited = [
            event.pipeline
            for event in events
            if isinstance(event, RunPhase) and event.phase == "waiting for memory"
        ]
        assert waited == ["team.b", "team.c"]
        assert by_run(events, RunFinished) == [*PIPELINES]
        assert 50 * 1024**2 < seen.reserved_bytes <= seen.memory_limit_bytes
        assert (seen.running, seen.waiting) == (3, 0)
        assert is_idle(engine)


@pytest.mark.asyncio
async def test_a_run_cancelled_while_it_waits_for_memory_lets_the_next_one_through(
    tmp_path: Path,
) -> None:
    clock, events = ManualClock(), list[Event]()
    config = config_of("engine.memory_limit=100MiB", pipelines=PIPELINES, folder=tmp_path)
    async with opened(
        config, slow(), store=MemoryStore(clock), clock=clock, hooks=[events.append]
    ) as engine:
        runs = [asyncio.create_task(engine.run(name, run_date=DAY)) for name in PIPELINES]
        await until(lambda: is_reading(events))
        runs[1].cancel()
        ended = await clock.drive(all_of(runs))
        assert [type(one) for one in ended] == [RunReport, asyncio.CancelledError, RunReport]
        assert is_idle(engine)


@pytest.mark.asyncio
async def test_a_memory_limit_below_the_minimum_of_a_run_is_a_configuration_error(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, "engine.memory_limit=20MiB", "output.row_group_bytes=8MiB")
    with pytest.raises(ConfigError) as caught:
        await bench.run(slow())
    # Two row groups, five parts of 8 MiB, 6 MiB to decode; 1 MiB for the source.
    need = (2 * 8 + 5 * 8 + 6 + 1) * 1024**2
    for number in (need, need - 1024**2, 8 * 1024**2, 20 * 1024**2):
        assert f"{number:,}" in str(caught.value)
    assert [type(event) for event in bench.events] == [RunStarted, RunFinished]
    assert await bench.left() == []
    enough = Bench(tmp_path, f"engine.memory_limit={need}", "output.row_group_bytes=8MiB")
    await enough.run(slow())


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [2, 8])
async def test_runs_of_one_partition_at_once_end_as_one_commit_and_state001(
    tmp_path: Path, count: int
) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    config = config_of("engine.memory_limit=2GiB", folder=tmp_path)
    for generation in (1, 2, 3):
        async with opened(config, slow(), store=store, clock=clock) as engine:
            runs = [asyncio.create_task(engine.run(NAME, run_date=DAY)) for _ in range(count)]
            ended = await clock.drive(all_of(runs))
            assert is_idle(engine)
        assert Counter(map(type, ended)) == {RunReport: 1, StateError: count - 1}
        assert {one.exit_code for one in ended if isinstance(one, BronzeError)} == {7}
        manifest = await manifest_of(store)
        assert manifest is not None
        assert manifest.generation == generation
        assert unowned(await left_in(store), manifest) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("overrides", "expected"),
    [((), {RunReport: 2}), (INCREMENTAL, {RunReport: 1, StateError: 1})],
    ids=["full load", "chain"],
)
async def test_dates_run_side_by_side_unless_they_are_chained(
    tmp_path: Path, overrides: tuple[str, ...], expected: dict[type, int]
) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    config = config_of(*overrides, folder=tmp_path)
    async with opened(config, slow(), store=store, clock=clock) as engine:
        days = [DAY, DAY + timedelta(days=1)]
        runs = [asyncio.create_task(engine.run(NAME, run_date=day)) for day in days]
        ended = await clock.drive(all_of(runs))
    assert Counter(map(type, ended)) == expected


@pytest.mark.asyncio
@pytest.mark.parametrize("given", [datetime(2025, 1, 15, 5, tzinfo=UTC), "2025-01-15"])
async def test_a_run_date_that_is_no_date_is_refused_before_anything_is_written(
    tmp_path: Path, given: Any
) -> None:
    store = MemoryStore(ManualClock())
    async with opened(config_of(folder=tmp_path), slow(), store=store) as engine:
        for ask in (engine.run, engine.run_now, engine.replay, engine.plan, engine.verify):
            with pytest.raises(TypeError, match=r"such as date\(2025, 1, 15\), and not .*2025"):
                await ask(NAME, run_date=given)
    assert await left_in(store) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("given", [datetime(2025, 1, 15, 5, tzinfo=UTC), "2025-01-15"])
async def test_dates_to_look_for_or_to_run_are_dates_too(tmp_path: Path, given: Any) -> None:
    refused = pytest.raises(TypeError, match=r"such as date\(2025, 1, 15\), and not .*2025")
    store = MemoryStore(ManualClock())
    async with opened(config_of(folder=tmp_path), slow(), store=store) as engine:
        with refused:
            await engine.history(NAME, run_date=given)
        with refused:
            await engine.manifests(NAME, run_dates=[given])
        with refused:
            await engine.silver(NAME, run_dates=[given])
        with refused:
            await engine.plan_silver(NAME, run_dates=[given])
        with refused:
            Backfill(engine, NAME, first=given, last=given)
        with refused:
            Batch(engine, [(NAME, given)])


@pytest.mark.asyncio
async def test_waiting_outlasts_the_other_run(tmp_path: Path) -> None:
    clock = ManualClock()
    config = config_of(folder=tmp_path)
    async with opened(config, slow(), store=MemoryStore(clock), clock=clock) as engine:
        runs = [
            asyncio.create_task(engine.run(NAME, run_date=DAY, wait_seconds=wait))
            for wait in (120, 120)
        ]
        ended = await clock.drive(all_of(runs))
    assert [one.generation for one in ended if isinstance(one, RunReport)] == [1, 2]


@pytest.mark.asyncio
async def test_every_event_is_told_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_groups(monkeypatch, 1)
    bench = Bench(tmp_path, "output.max_rows_per_file=2", "output.row_group_rows=1")
    manifest = await bench.run(ScriptedSource([[page(n, {"id": n}) for n in range(3)]]))
    names = [file.name for file in manifest.files]
    told = [
        event.phase
        if isinstance(event, RunPhase)
        else event.rows
        if isinstance(event, RowsWritten)
        else event.name
        if isinstance(event, FileStaged)
        else event.stage
        if isinstance(event, StageFinished)
        else type(event).__name__
        for event in bench.events
    ]
    assert told == [
        "RunStarted", "preparing", "reading", 1, 2, names[0], 3, names[1], "publishing",
        "decode", "encode", "hash", "upload", "commit", "RunFinished",
    ]  # fmt: skip
    assert {event.run for event in bench.events} == {manifest.run}  # type: ignore[union-attr]
    last = bench.events[-1]
    assert isinstance(last, RunFinished)
    assert (last.status, last.rows, last.error_code) == ("committed", 3, None)


@pytest.mark.asyncio
async def test_rows_written_counts_the_whole_run_over_its_slices(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(ScriptedSource([[page(1, {"id": 1})], [page(1, {"id": 2}, {"id": 3})]]))
    told = [event.rows for event in bench.events if isinstance(event, RowsWritten)]
    assert told == [1, 3]


@pytest.mark.asyncio
async def test_a_hook_that_raises_is_logged_once_and_told_nothing_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Event] = []
    broken: list[Event] = []

    def breaks(event: Event) -> None:
        broken.append(event)
        raise ValueError("a hook's own fault")

    store = MemoryStore(ManualClock())
    config = config_of(folder=tmp_path)
    with caplog.at_level(logging.WARNING):
        async with opened(config, slow(0), store=store, hooks=[breaks, told.append]) as engine:
            report = await engine.run(NAME, run_date=DAY)
    assert report.status == "committed"
    assert len(broken) == 1
    assert [type(told[0]), type(told[-1])] == [RunStarted, RunFinished]
    assert len([record for record in caplog.records if "hook" in record.message]) == 1


@pytest.mark.asyncio
async def test_a_failed_run_tells_its_code_and_keeps_a_report(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(StateError) as caught:
        await bench.run(ScriptedSource([[StateError("told to")]]))
    assert caught.value.context["pipeline"] == NAME
    last = bench.events[-1]
    assert isinstance(last, RunFinished)
    assert (last.status, last.error_code) == ("failed", "STATE001")
    (report,) = await reports_of(bench.store)
    assert (report["status"], report["error"]) == ("failed", "STATE001 told to")


class Slow(FaultyStore):
    """Takes an hour to store a run report."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(MemoryStore(clock), Script())
        self._clock = clock

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        if key.startswith("_runs/"):
            await self._clock.sleep(3600)
        return await super().put(key, body, expect=expect)


@pytest.mark.asyncio
async def test_nobody_waits_longer_than_ten_seconds_for_a_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    bench = Bench(tmp_path, store=Slow(clock))
    async with bench.engine(ScriptedSource([[page(1, {"id": 1})]]), clock=clock) as engine:
        report = await clock.drive(engine.run(NAME, run_date=DAY))
    assert report.status == "committed"
    assert clock.monotonic() == 10.0
    assert "its report was not written in 10 s" in caplog.text


@pytest.mark.asyncio
async def test_a_store_that_is_down_from_the_start_is_not_asked_to_keep_a_report(
    tmp_path: Path,
) -> None:
    store = inject(MemoryStore(ManualClock()), 1, "fail_before")
    bench = Bench(tmp_path, store=store)
    with pytest.raises(StoreError, match="injected"):
        await bench.run(ScriptedSource([[page(1, {"id": 1})]]))
    assert [key for _, key in store.script.operations if key.startswith("_runs/")] == []
    last = bench.events[-1]
    assert isinstance(last, RunFinished)
    assert last.error_code == "STG001"


class Asking:
    """A source that makes ten calls under its limits before it has anything."""

    def __init__(self) -> None:
        self.instants: list[float] = []
        self._source = ScriptedSource([[page(1, {"id": 1})]])

    def floor_bytes(self, _config: object, /) -> int:
        return 1

    def slices_at_once(self, _config: object, /) -> int:
        return 1

    @asynccontextmanager
    async def open(
        self, config: object, request: Request, resources: Resources, /
    ) -> AsyncIterator[Source]:
        async def ask() -> None:
            self.instants.append(resources.clock.monotonic())

        for _ in range(10):
            await resources.limits.call(ask, describe="a request")
        async with self._source.open(config, request, resources) as source:
            yield source


@pytest.mark.asyncio
async def test_pipelines_of_one_api_share_its_rate(tmp_path: Path) -> None:
    clock, source = ManualClock(), Asking()
    config = config_of(
        "apis.shop.rate_limit.rps=2", "apis.shop.rate_limit.burst=3",
        pipelines=PIPELINES[:2], folder=tmp_path,
    )  # fmt: skip
    async with opened(config, source, store=MemoryStore(clock), clock=clock) as engine:
        runs = [asyncio.create_task(engine.run(name, run_date=DAY)) for name in PIPELINES[:2]]
        ended = await clock.drive(all_of(runs))
        assert {type(one) for one in ended} == {RunReport}
        (group,) = engine.statistics().limit_groups
        assert group.group == "shop"
    instants = sorted(source.instants)
    assert len(instants) == 20
    for first, last in combinations(range(20), 2):
        assert last - first + 1 <= 3 + 2 * (instants[last] - instants[first]) + 1e-6
