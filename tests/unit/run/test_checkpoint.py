"""What a checkpoint costs, and which runs have one."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.errors import ExtractError
from bronze_engine.run import checkpoint
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, ScriptedSource, inject, page
from bronze_engine.testing.sources import Step
from bronze_engine.testing.stores import staged_keys
from tests.unit.run.broken import CHECKPOINT, LIMITS, Broken, kept_in, source
from tests.unit.run.harness import unowned

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
@pytest.mark.parametrize("token", [None, "as it is"])
@pytest.mark.parametrize("slices", [1, 3])
async def test_only_runs_of_several_slices_that_can_resume_have_a_checkpoint(
    tmp_path: Path, token: str | None, slices: int
) -> None:
    store = inject(MemoryStore(ManualClock()))
    bench = Broken(tmp_path, *LIMITS, store=store)
    await bench.run(source(token=token, slices=slices))
    puts = [key for method, key in store.script.operations if method == "put"]
    assert puts.count(CHECKPOINT) == (3 if token is not None and slices == 3 else 0)


@pytest.mark.asyncio
async def test_many_tiny_slices_do_not_cost_more_in_it_than_in_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "ALWAYS_BYTES", 4096)
    store = inject(MemoryStore(ManualClock()))
    bench = Broken(tmp_path, store=store)
    slices = 100
    script: list[list[Step]] = [[page(1, {"id": index})] for index in range(slices)]
    broken: list[list[Step]] = [*script[:-1], [ExtractError("cut off")]]
    await bench.fails(ScriptedSource(broken, chained=True, token="t"))
    puts = [key for method, key in store.script.operations if method == "put"]
    assert 8 < puts.count(CHECKPOINT) < 60
    kept = await kept_in(bench)
    again = ScriptedSource(script, chained=True, token="t")
    manifest = await bench.run(again)
    assert len(kept.slices) == slices - 1, "what was held back is written before it leaves"
    assert again.read == [slices - 1]
    assert manifest.row_count == slices
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_a_checkpoint_that_is_full_takes_no_more_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 3000)
    bench = Broken(tmp_path)
    script: list[list[Step]] = [[page(1, {"id": index})] for index in range(20)]
    broken: list[list[Step]] = [*script[:-1], [ExtractError("cut off")]]
    await bench.fails(ScriptedSource(broken, chained=True, token="t"))
    assert caplog.text.count("is full: what comes behind its last slice would be read again") == 1
    kept = len((await kept_in(bench)).slices)
    assert 2 < kept < 10
    assert len(await staged_keys(bench.store)) == kept
    again = ScriptedSource(script, chained=True, token="t")
    manifest = await bench.run(again)
    assert again.read == list(range(kept, 20))
    assert manifest.row_count == 20
    assert unowned(await bench.left(), manifest) == []
