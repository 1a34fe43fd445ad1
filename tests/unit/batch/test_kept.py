"""Reports of batches in the store: from the beginning to the end, and what is run again by them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from bronze_engine.batch import kept
from bronze_engine.batch.kept import KeptBatch
from bronze_engine.batch.retry import Remaining, find_remaining
from bronze_engine.contracts import Request, Store
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, ExtractError, StateError
from bronze_engine.model.batch import BatchReport
from bronze_engine.model.part import ANY
from bronze_engine.state.batches import key_of, new_id
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import Pause, ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import FaultyStore, Script
from bronze_engine.testing.stores import keys_of, read_all
from tests.unit.run.harness import config_of, load_text, manifest_of, opened

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

DAY = date(2025, 1, 15)
NAMES = ("t.a", "t.b", "t.c")


class Shop:
    """Three pipelines, which fail as they are told to."""

    def __init__(self, folder: Path, *overrides: str, store: Store | None = None) -> None:
        self.clock = ManualClock()
        self.store: Store = store or MemoryStore(self.clock)
        self.config = config_of(*overrides, pipelines=NAMES, folder=folder)
        self.faults: dict[str, Exception] = {}
        self.pauses: dict[str, float] = {}
        self.asked: list[str] = []

    def answer(self, request: Request) -> Sequence[Sequence[Step]]:
        self.asked.append(request.pipeline)
        fault = self.faults.get(request.pipeline)
        steps: list[Step] = [Pause(self.pauses.get(request.pipeline, 0.0))]
        return [[*steps, page(1, {"id": 1}) if fault is None else fault]]

    def engine(self) -> Any:
        return opened(self.config, ScriptedSource(self.answer), store=self.store, clock=self.clock)

    async def run(self, engine: Engine, *names: str, **options: Any) -> BatchReport:
        runs = [(name, DAY) for name in names or NAMES]
        return await self.clock.drive(KeptBatch(engine, runs, **options).run())

    async def stored(self) -> list[BatchReport]:
        keys = await keys_of(self.store, "_runs/_batches/")
        return [
            msgspec.json.decode(await read_all(self.store, key), type=BatchReport) for key in keys
        ]


async def test_what_failed_is_run_again_and_nothing_else(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.faults["t.b"] = ExtractError("cut off")
    async with shop.engine() as engine:
        report = await shop.run(engine, max_parallel=2)
        (stored,) = await shop.stored()
        assert stored == report.without_reports()
        assert stored.is_finished
        assert [run.status for run in stored.runs] == ["committed", "failed", "committed"]
        assert await engine.kept_batch() == stored
        assert await engine.kept_batch(report.batch) == stored

        shop.faults.clear()
        shop.asked.clear()
        await shop.clock.advance(60.0)
        todo = await find_remaining(engine, stored)
        assert todo == Remaining(runs=(("t.b", DAY),))
        again = await shop.run(engine, "t.b", retry_of=stored.batch)
        assert (again.retry_of, again.exit_code) == (report.batch, 0)
        assert shop.asked == ["t.b"]
        # It was committed since, by whichever batch.
        assert await find_remaining(engine, stored) == Remaining(runs=())


async def test_a_batch_that_was_killed_has_left_what_no_manifest_has(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    shop.pauses = {"t.a": 1.0, "t.b": 3_000.0, "t.c": 4.0}
    async with shop.engine() as engine:
        batch = KeptBatch(engine, [(name, DAY) for name in NAMES])
        reports: list[BatchReport] = []

        async def kill() -> None:
            await shop.clock.sleep(7.0)
            reports.extend(await shop.stored())
            raise RuntimeError("killed")

        async def both() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(kill)
                await batch.run()

        with pytest.raises(ExceptionGroup):
            await shop.clock.drive(both())
        (killed,) = reports
        # What stood there when it died was written when it began.
        assert {run.status for run in killed.runs} == {"left"}
        assert not killed.is_finished
        assert await find_remaining(engine, killed) == Remaining(runs=(("t.b", DAY),))


async def test_the_report_is_renewed_while_runs_end_and_not_while_none_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path)
    shop.pauses = {"t.a": 1.0, "t.b": 15.0, "t.c": 95.0}
    written: list[tuple[float, int]] = []

    async def counted(_: Engine, report: BatchReport) -> tuple[str, ...]:
        written.append((shop.clock.monotonic(), len(report.with_status("left"))))
        return ()

    monkeypatch.setattr(Engine, "keep_batch", counted)
    async with shop.engine() as engine:
        await shop.run(engine)
    assert written == [
        (0.0, 3),
        (kept.RENEW_SECONDS, 2),
        (2 * kept.RENEW_SECONDS, 1),
        (95.0, 0),
    ]


async def test_cancelled_it_tells_what_is_left(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.pauses = {"t.b": 3_000.0}
    async with shop.engine() as engine:
        batch = KeptBatch(engine, [(name, DAY) for name in NAMES], max_parallel=3)
        with anyio.CancelScope() as scope:

            async def stop() -> None:
                await shop.clock.sleep(30.0)
                scope.cancel()

            async def both() -> None:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(stop)
                    await batch.run()

            await shop.clock.drive(both())
        (stored,) = await shop.stored()
        assert stored.is_finished
        assert {run.pipeline: run.status for run in stored.runs} == {
            "t.a": "committed",
            "t.b": "left",
            "t.c": "committed",
        }
        assert batch.report().exit_code == 1
        assert await find_remaining(engine, stored) == Remaining(runs=(("t.b", DAY),))


async def test_a_store_that_takes_no_report_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(tmp_path)

    def is_report(method: str, key: str) -> bool:
        return method == "put" and "_batches" in key

    shop.store = FaultyStore(shop.store, Script(when=is_report))
    async with shop.engine() as engine:
        batch = KeptBatch(engine, [(name, DAY) for name in NAMES])
        report = await shop.clock.drive(batch.run())
        assert batch.is_kept  # at its end
    assert report.exit_code == 0
    (warning,) = report.warnings
    assert "json was not written: STG001 injected" in warning
    assert caplog.text.count("was not written") == 1


async def test_what_no_store_has_taken_is_not_kept(tmp_path: Path) -> None:
    """Else `next` names a report that is not there, when the store is what has failed."""
    shop = Shop(tmp_path)
    shop.store = FaultyStore(shop.store, Script(at=1, fault="die_before"))
    async with shop.engine() as engine:
        batch = KeptBatch(engine, [("t.a", DAY)])
        report = await shop.clock.drive(batch.run())
    assert report.warnings
    assert not batch.is_kept


async def test_no_secret_is_in_the_stored_report_or_in_what_is_told_of_a_store(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    shop.config.hide("t.a", ["injected"])
    shop.faults["t.a"] = ExtractError("the server repeats: injected")

    def is_report(method: str, key: str) -> bool:
        return method == "put" and "_batches" in key

    shop.store = FaultyStore(shop.store, Script(when=is_report))  # says that it was injected
    async with shop.engine() as engine:
        report = await shop.run(engine)
        (stored,) = await shop.stored()
    assert stored.runs[0].error == "EXT001 the server repeats: ***"
    (warning,) = report.warnings
    assert "json was not written: STG001 ***" in warning


async def test_nothing_to_run_is_no_fault_and_stores_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.engine() as engine:
        report = await KeptBatch(engine, [], shard="3/4").run()
    assert (report.runs, report.shard, report.exit_code) == ((), "3/4", 0)
    assert await shop.stored() == []


async def test_the_last_batch_is_that_of_the_shard(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.engine() as engine:
        with pytest.raises(ConfigError, match="has no report of a batch: none was run yet"):
            await engine.kept_batch()
        whole = await shop.run(engine, "t.a")
        await shop.clock.advance(60.0)
        one = await shop.run(engine, "t.b", shard="1/2")
        assert (await engine.kept_batch()).batch == whole.batch
        assert (await engine.kept_batch(shard="1/2")).batch == one.batch
        assert (await engine.kept_batch(one.batch)).shard == "1/2"
        with pytest.raises(ConfigError, match="of shard 0/2"):
            await engine.kept_batch(shard="0/2")
        with pytest.raises(ConfigError, match=f'the last one is "{whole.batch}"'):
            await engine.kept_batch("20250101T000000000Z-abcdef")
        await shop.clock.advance(300 * 86_400.0)
        assert (await engine.kept_batch()).batch == whole.batch


async def test_what_is_no_report_is_told(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    batch = new_id(datetime(2025, 1, 15, 6, 15, tzinfo=UTC))
    key = key_of(batch)
    assert key == f"_runs/_batches/2025-01-15/{batch}.json"
    async with shop.engine() as engine:
        await shop.store.put(key, b"{}", expect=ANY)
        with pytest.raises(StateError, match="is no report of a batch"):
            await engine.kept_batch(batch)
        newer = msgspec.json.encode(
            BatchReport(
                format_version=2,
                batch=batch,
                started_at=shop.clock.now(),
                seconds=0.0,
                max_parallel=1,
                runs=(),
            )
        )
        await shop.store.put(key, newer, expect=ANY)
        with pytest.raises(StateError, match="newer bronze-engine"):
            await engine.kept_batch(batch)


async def test_reports_lie_where_the_state_does(tmp_path: Path) -> None:
    for overrides in (
        ["engine.state=state"],
        ["target=over"],
        ["engine.target=mine"],
    ):
        config = config_of(*overrides, pipelines=NAMES, folder=tmp_path)
        assert config.home.location == str(tmp_path / overrides[0].partition("=")[2])


async def test_a_pipeline_that_is_gone_or_can_t_be_read_is_run_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.faults = {"t.a": ExtractError("x"), "t.b": ExtractError("x")}
    async with shop.engine() as engine:
        report = await shop.run(engine)
        await shop.store.put(f"t/b/dt={DAY}/_metadata.json", b"no manifest", expect=ANY)
    shop.config = config_of(pipelines=("t.b", "t.c"), folder=tmp_path)
    async with shop.engine() as engine:
        todo = await find_remaining(engine, report)
        assert todo.runs == (("t.a", DAY), ("t.b", DAY))


DATED = """
[engine]
log_dir = ""
[apis.shop]
base_url = "http://127.0.0.1:9"
[pipelines.t.a]
load = "incremental"
source = { type = "http", api = "shop", path = "/x" }
incremental = { cursor = "at", window = "date", start_param = "from", end_param = "to" }
"""


async def test_what_is_left_of_a_full_refresh_joins_its_epoch(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.config = load_text(DATED, folder=tmp_path)
    days = [DAY - timedelta(days=back) for back in (3, 2, 1)]
    runs = [("t.a", day) for day in days]
    broken: list[date] = []

    def answer(request: Request) -> Sequence[Sequence[Step]]:
        day = request.run_date
        return [[ExtractError("x") if day in broken else page(1, {"at": f"{day}T12:00:00Z"})]]

    async with opened(
        shop.config, ScriptedSource(answer), store=shop.store, clock=shop.clock
    ) as engine:

        async def run(todo: Remaining, *fail: date) -> BatchReport:
            broken[:] = fail
            await shop.clock.advance(60.0)
            batch = KeptBatch(engine, todo.runs, full_refresh=todo.full_refresh)
            return await shop.clock.drive(batch.run())

        whole = Remaining(runs=tuple(runs), full_refresh=frozenset({"t.a"}))
        assert (await run(Remaining(runs=whole.runs))).exit_code == 0
        # The newest begins the epoch; of the others one fails.
        partly = await run(whole, days[0])
        assert [run.status for run in partly.runs] == ["failed", "committed", "committed"]
        todo = await find_remaining(engine, partly)
        assert todo == Remaining(runs=(("t.a", days[0]),))
        assert (await run(todo)).exit_code == 0
        found = [await manifest_of(shop.store, day, "t.a") for day in days]
        assert [each.epoch for each in found if each is not None] == [2, 2, 2]
        # Where the first of an epoch fails, it is begun again.
        none = await run(whole, days[2])
        assert [run.status for run in none.runs] == ["skipped", "skipped", "failed"]
        assert await find_remaining(engine, none) == whole
