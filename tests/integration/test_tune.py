"""`bronze tune` against real servers, each with a bottleneck of its own; and what it leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from benchmarks.servers.paced_api import PacedApi
from benchmarks.studies.tune import NAME, PIPELINES

from bronze_engine import load_config, open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.limits.trial import Purse
from bronze_engine.model.part import DataFile, Part, Staged
from bronze_engine.run.trial import TrialBounds
from bronze_engine.store.memory import MemoryStore
from bronze_engine.tune import Tune, TuneBounds, TuneReport
from tests.integration.postgres import database, postgres, postgres_dsn
from tests.measuring import measured

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

__all__ = ["database", "postgres", "postgres_dsn"]

DAY = date(2025, 1, 15)
TABLE = """
[engine]
target = "./bronze"
log_dir = ""
[connections.db]
type = "postgres"
dsn = "{dsn}"
[pipelines.bench.wide.source]
type = "postgres"
connection = "db"
table = "wide"
"""
SHORT = TuneBounds(seconds=0.2, rounds=2, requests=4000)


@asynccontextmanager
async def engine_of(
    folder: Path,
    url: str,
    *overrides: str,
    concurrency: int | str = 2,
    page_size: int = 50,
    **lent: Any,
) -> AsyncIterator[Engine]:
    path = folder / "pipelines.toml"
    text = PIPELINES.format(url=url, concurrency=concurrency, page_size=page_size)
    path.write_text(text, encoding="utf-8")
    async with open_engine(load_config(path, environ={}, overrides=overrides), **lent) as engine:
        yield engine


def proposed(report: TuneReport) -> dict[str, Any]:
    return {each.key[-1]: each.value for each in report.proposals}


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.parts[-1:] != ("flock",)]


@pytest.mark.slow
@measured
async def test_latency_is_answered_with_larger_pages_and_more_at_once(tmp_path: Path) -> None:
    with PacedApi.start(latency_ms=50, at_once=16, max_size=100) as api:
        async with engine_of(tmp_path, api.url) as engine:
            report = await Tune(engine, NAME, run_date=DAY, bounds=SHORT).run()
    assert report.bound == "latency"
    assert proposed(report)["page_size"] == 100  # the most that the server gives
    assert proposed(report)["concurrency"] in (8, 16, 32)  # the server answers sixteen at once
    assert report.gain > 5
    assert report.is_faster
    assert "the server gives 100 records a page" in " ".join(report.notes)
    assert not files_in(tmp_path / "bronze")


@pytest.mark.slow
@measured
async def test_a_limit_that_nobody_told_of_is_found_and_larger_pages_go_round_it(
    tmp_path: Path,
) -> None:
    bounds = TuneBounds(seconds=0.7, rounds=1, requests=10_000)
    # Of so many pages a trial that one more or less is no gain.
    with PacedApi.start(per_second=100, max_size=400, latency_ms=5) as api:
        async with engine_of(tmp_path, api.url, concurrency=8, page_size=100) as engine:
            report = await Tune(engine, NAME, run_date=DAY, bounds=bounds).run()
    assert report.bound == "rate limit"
    assert 75 <= proposed(report)["rps"] <= 110
    assert proposed(report)["page_size"] == 400
    assert proposed(report)["concurrency"] <= 4
    assert report.tuned.refused <= 1


async def test_a_configured_rate_is_never_passed(tmp_path: Path) -> None:
    override = "apis.bench.rate_limit.rps=30"
    with PacedApi.start(max_size=50) as api:
        began = SYSTEM_CLOCK.monotonic()
        async with engine_of(tmp_path, api.url, override) as engine:
            report = await Tune(engine, NAME, run_date=DAY, bounds=SHORT).run()
        seconds = SYSTEM_CLOCK.monotonic() - began
        told = api.told()
    # Not one more than it knows of; what a trial's end cancels may never have been sent.
    assert report.requests - 20 <= told["good"] <= report.requests
    assert told["good"] <= 30 * seconds + 3
    assert report.bound == "rate limit"
    assert "rps" not in proposed(report)


@pytest.mark.slow
@measured
async def test_computing_bounds_what_a_server_gives_at_once(tmp_path: Path) -> None:
    bounds = TrialBounds(seconds=1.5, requests=100_000, concurrency=4)
    with PacedApi.start(max_size=1000, columns=60) as api:
        async with engine_of(tmp_path, api.url, page_size=1000) as engine:
            pipeline = engine.config.pipeline(NAME)
            trial = await engine.trial(pipeline, run_date=DAY, bounds=bounds, purse=Purse(100_000))
    verdict = trial.profile.verdict
    assert verdict is not None
    assert verdict.bound in ("decode", "encode")


class _Slow:
    """A store that takes its time for each part."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Any]:
        async with self._store.stage(key) as upload:
            yield _SlowUpload(upload)


class _SlowUpload:
    def __init__(self, upload: Any) -> None:
        self._upload = upload

    async def part(self, part: Part, /) -> None:
        await SYSTEM_CLOCK.sleep(0.2)
        await self._upload.part(part)

    async def settle(self) -> None:
        await self._upload.settle()

    async def seal(self, file: DataFile, /) -> Staged:
        await SYSTEM_CLOCK.sleep(0.2)
        staged: Staged = await self._upload.seal(file)
        return staged


@measured
async def test_a_store_that_is_slow_is_named(tmp_path: Path) -> None:
    store = MemoryStore(SYSTEM_CLOCK)

    @asynccontextmanager
    async def lend(_config: object, _resources: StoreResources) -> AsyncIterator[Store]:
        slow: Any = _Slow(store)
        yield slow

    overrides = ["output.max_rows_per_file=500", "output.row_group_rows=500"]
    bounds = TrialBounds(seconds=1.0, requests=2000, concurrency=4)
    with PacedApi.start(max_size=500) as api:
        async with engine_of(
            tmp_path, api.url, *overrides, page_size=500, stores={"local": lend}
        ) as engine:
            pipeline = engine.config.pipeline(NAME)
            trial = await engine.trial(pipeline, run_date=DAY, bounds=bounds, purse=Purse(2000))
    verdict = trial.profile.verdict
    assert verdict is not None
    assert verdict.bound == "upload"


async def test_no_more_requests_are_sent_than_allowed(tmp_path: Path) -> None:
    bounds = TuneBounds(seconds=0.2, rounds=1, requests=60)
    with PacedApi.start(max_size=50) as api:
        async with engine_of(tmp_path, api.url) as engine:
            report = await Tune(engine, NAME, run_date=DAY, bounds=bounds).run()
            sent = api.told()["good"]
            assert report.requests == sent <= 60
            few = TuneBounds(seconds=0.2, rounds=1, requests=2)
            with pytest.raises(ExtractError, match="--max-requests") as caught:
                await Tune(engine, NAME, run_date=DAY, bounds=few).run()
            assert api.told()["good"] == sent + 2
    assert caught.value.code == "EXT001"


async def test_bounds_that_can_not_be_are_told_at_once(tmp_path: Path) -> None:
    async with engine_of(tmp_path, "http://127.0.0.1:9") as engine:
        with pytest.raises(ConfigError):
            Tune(engine, NAME, run_date=DAY, bounds=TuneBounds(rounds=0))


@pytest.mark.slow
async def test_a_table_is_read_in_slices_and_its_stages_are_told(
    tmp_path: Path, postgres_dsn: str
) -> None:
    path = tmp_path / "pipelines.toml"
    path.write_text(TABLE.format(dsn=postgres_dsn), encoding="utf-8")
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute(
            "create table wide as select n as id, md5(n::text) as name, n * 1.5 as amount"
            " from generate_series(1, 400000) as n"
        )
    finally:
        await connection.close()
    async with open_engine(load_config(path, environ={})) as engine:
        bounds = TuneBounds(seconds=0.3, rounds=1)
        report = await Tune(engine, "bench.wide", run_date=DAY, bounds=bounds).run()
        run = await engine.run("bench.wide", run_date=DAY)
    assert report.curves[0].name == "slices"
    assert {point.label for point in report.curves[0].points} == {"configured", "2", "4", "8"}
    assert run.profile is not None
    stages = {each.stage: each for each in run.profile.stages}
    assert stages["fetch"].jobs > 10
    assert stages["decode"].cpu_seconds
    assert {"encode", "hash", "upload", "commit"} <= stages.keys()
