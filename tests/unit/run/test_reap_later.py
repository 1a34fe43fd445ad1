"""`reap = "next_run"`: the files of the generation before stay for who reads it, and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.publish.verify import verify
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.workers import Workers
from tests.unit.run.harness import NAME, Bench, partition_of

pytestmark = pytest.mark.unit


def source_of(version: int) -> ScriptedSource:
    return ScriptedSource([[page(1, {"id": 1, "version": version})]])


def data_files(left: list[str]) -> list[str]:
    return [name for name in left if name.endswith(".parquet") and "dt=" in name]


@pytest.mark.asyncio
async def test_the_generation_before_stays_until_the_run_after(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.reap=next_run")
    names: list[str] = []
    for version in (1, 2, 3):
        manifest = await bench.run(source_of(version))
        names += [f"{partition_of()}/{file.name}" for file in manifest.files]
        assert data_files(await bench.left()) == sorted(names[-2:])
        kept = [f"{partition_of()}/{name}" for name in manifest.superseded]
        assert kept == names[-2:-1]


@pytest.mark.asyncio
async def test_now_keeps_none_and_takes_away_what_an_earlier_run_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.reap=next_run")
    await bench.run(source_of(1))
    await bench.run(source_of(2))
    at_once = Bench(tmp_path, "output.reap=now", store=bench.store)
    manifest = await at_once.run(source_of(3))
    assert manifest.superseded == ()
    assert len(data_files(await bench.left())) == 1
    assert "superseded" not in str(await bench.store.get(f"{partition_of()}/_metadata.json"))


@pytest.mark.asyncio
async def test_gc_spares_it_and_verify_knows_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "output.reap=next_run")
    await bench.run(source_of(1))
    await bench.run(source_of(2))
    before = await bench.left()
    async with bench.engine(source_of(3)) as engine:
        report = await engine.gc(NAME, delete=True)
    assert report.garbage == ()
    assert await bench.left() == before
    with Workers(1) as workers:
        verified = await verify(bench.store, partition_of(), workers)
    assert (verified.faults, verified.unlisted) == ((), ())
