"""Where pipelines stand: the newest commit, its age, the newest run, and how little is read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bronze_engine.contracts import Request
from bronze_engine.errors import BronzeError, ExtractError
from bronze_engine.model.part import ANY
from bronze_engine.model.status import PipelineStatus
from bronze_engine.state import hint
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import FaultyStore, Script
from bronze_engine.testing.stores import keys_of
from tests.unit.run.harness import config_of, opened

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

A, B = NAMES = ("t.a", "t.b")
DAY = date(2025, 1, 15)
HOUR = 3_600.0


class Lake:
    """Two pipelines, and a clock that begins at 06:00 of DAY."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(start=datetime(2025, 1, 15, 6, tzinfo=UTC))
        self.script = Script()
        self.store = FaultyStore(MemoryStore(self.clock), self.script)
        self.config = config_of(pipelines=NAMES, folder=folder)

    async def run(self, name: str, day: date = DAY, *, fails: bool = False) -> None:
        def answer(_: Request) -> Sequence[Sequence[Step]]:
            return [[ExtractError("cut off") if fails else page(1, {"id": 1}, {"id": 2})]]

        async with opened(
            self.config, ScriptedSource(answer), store=self.store, clock=self.clock
        ) as engine:
            try:
                await self.clock.drive(engine.run(name, run_date=day))
            except BronzeError:
                assert fails

    async def status(
        self, *names: str, max_age_seconds: float | None = None
    ) -> tuple[PipelineStatus, ...]:
        self.script.operations.clear()
        async with opened(self.config, None, store=self.store, clock=self.clock) as engine:
            return await engine.status(*names, max_age_seconds=max_age_seconds)

    async def of_a(self, max_age_seconds: float | None = None) -> PipelineStatus:
        (found,) = await self.status(A, max_age_seconds=max_age_seconds)
        return found


async def test_a_commit_has_its_date_age_rows_and_run(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(A)
    await lake.clock.advance(5 * HOUR)
    found = await lake.of_a()
    assert (found.run_date, found.generation, found.rows) == (DAY, 1, 2)
    assert found.age_seconds == 5 * HOUR
    assert found.committed_at == datetime(2025, 1, 15, 6, tzinfo=UTC)
    assert (found.run_status, found.code, found.is_late) == ("committed", None, None)


async def test_late_is_what_is_older_or_was_never_committed(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(A)
    await lake.clock.advance(26 * HOUR)
    assert [each.is_late for each in await lake.status(max_age_seconds=26 * HOUR)] == [False, True]
    await lake.clock.advance(1.0)
    assert [each.is_late for each in await lake.status(max_age_seconds=26 * HOUR)] == [True, True]
    assert [each.is_late for each in await lake.status()] == [None, None]
    assert [each.run_date for each in await lake.status()] == [DAY, None]


async def test_a_failed_run_since_stands_beside_the_commit(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(A)
    await lake.clock.advance(24 * HOUR)
    await lake.run(A, DAY + timedelta(days=1), fails=True)
    found = await lake.of_a()
    assert (found.run_date, found.run_status, found.code) == (DAY, "failed", "EXT001")
    assert found.error == "EXT001 cut off"
    assert found.newest_run_date == DAY + timedelta(days=1)
    await lake.run(A, DAY + timedelta(days=1))
    found = await lake.of_a()
    assert found.newest_run_date == DAY + timedelta(days=1)
    assert (found.run_date, found.run_status) == (DAY + timedelta(days=1), "committed")
    assert (found.code, found.error) == (None, None)
    # A run of an older date says nothing of where the pipeline stands.
    await lake.run(A, DAY - timedelta(days=3), fails=True)
    assert (await lake.of_a()).run_status == "committed"


@pytest.mark.parametrize("days", [1, 300])
async def test_a_failed_run_of_what_was_never_committed_is_found(tmp_path: Path, days: int) -> None:
    lake = Lake(tmp_path)
    await lake.run(A, DAY - timedelta(days=days), fails=True)
    found = await lake.of_a()
    assert (found.run_date, found.run_status, found.code) == (None, "failed", "EXT001")
    assert found.newest_run_date == DAY - timedelta(days=days)


async def test_a_commit_whose_report_was_lost_is_newer_than_the_failure(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(A, fails=True)
    before = set(await keys_of(lake.store, "_runs/t/a/"))
    await lake.clock.advance(HOUR)
    await lake.run(A)
    for key in set(await keys_of(lake.store, "_runs/t/a/")) - before:
        await lake.store.delete(key)
    found = await lake.of_a()
    assert (found.run_status, found.code) == ("committed", None)


@pytest.mark.parametrize("stale", ["behind", "gone", "nonsense", "ahead"])
async def test_a_hint_that_is_wrong_makes_nobody_late(tmp_path: Path, stale: str) -> None:
    lake = Lake(tmp_path)
    key = hint.key_of("t", "a")
    await lake.run(A, DAY - timedelta(days=40))
    old = await lake.store.get(key)
    assert old is not None
    await lake.run(A, DAY - timedelta(days=1))
    await lake.run(A)
    if stale == "behind":
        await lake.store.put(key, old.body, expect=ANY)
    elif stale == "gone":
        await lake.store.delete(key)
    elif stale == "nonsense":
        await lake.store.put(key, b"{", expect=ANY)
    else:
        for each in await keys_of(lake.store, f"t/a/dt={DAY}/"):
            await lake.store.delete(each)
    found = await lake.of_a(max_age_seconds=HOUR)
    assert found.run_date == (DAY - timedelta(days=1) if stale == "ahead" else DAY)
    assert found.is_late is False


async def test_an_old_date_that_was_landed_again_is_not_the_newest(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(A)
    await lake.run(A, DAY - timedelta(days=200))  # a full load: the newest epoch, and the hint
    assert (await lake.of_a()).run_date == DAY


async def test_a_pipeline_that_can_t_be_looked_at_is_late_and_keeps_no_other(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path)
    await lake.run(A)
    await lake.run(B)
    await lake.store.put(f"t/a/dt={DAY}/_metadata.json", b"no manifest", expect=ANY)
    one, other = await lake.status(max_age_seconds=HOUR)
    assert (one.code, one.run, one.is_late, one.is_unknown) == ("STATE001", None, True, True)
    assert (other.code, other.is_late, other.is_unknown) == (None, False, False)


async def test_secrets_of_a_failure_are_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    await lake.run(A, fails=True)
    secrets = property(lambda _: frozenset({"cut off"}))
    monkeypatch.setattr(type(lake.config), "secrets", secrets)
    assert (await lake.of_a()).error == "EXT001 ***"


async def test_years_of_partitions_and_reports_cost_no_more(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(A)
    await lake.of_a()
    young = list(lake.script.operations)
    assert [method for method, _ in young] == ["get", "get", "scan", "get"]
    assert young[2] == ("scan", "_runs/t/a/2025-01")
    for back in range(1, 400):
        day = DAY - timedelta(days=back)
        for key in (f"t/a/dt={day}/_metadata.json", f"_runs/t/a/{day}/r.json"):
            await lake.store.put(key, b"{}", expect=ANY)
    await lake.of_a()
    assert lake.script.operations == young
    # On the day after, today's partition may have come without the hint.
    await lake.clock.advance(24 * HOUR)
    await lake.of_a()
    assert lake.script.operations[2] == ("scan", "t/a/dt=2025-01")
    assert len(lake.script.operations) == 5
