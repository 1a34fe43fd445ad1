"""A run that was broken off starts afresh where it can't go on, and says why."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bronze_engine.errors import (
    AuthError,
    ConfigError,
    ExtractError,
    PageError,
    QualityError,
    RetryError,
    SnapshotLost,
    StateError,
    StoreError,
)
from bronze_engine.model.part import ANY
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, ScriptedSource, inject
from bronze_engine.testing.stores import staged_keys
from tests.unit.run.broken import (
    CHECKPOINT,
    LIMITS,
    SLICES,
    Broken,
    afresh,
    hashes,
    rows,
    source,
    uninterrupted,
)
from tests.unit.run.harness import unowned

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["schema.columns.id=string"], "the configuration"),
        (["output.compression=gzip"], "the configuration"),
        (["quality.max_bad_ratio=0.5"], "the configuration"),
    ],
)
async def test_another_configuration_starts_afresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, overrides: list[str], why: str
) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off")))
    other = Broken(tmp_path, *LIMITS, *overrides, store=bench.store)
    with caplog.at_level(logging.INFO):
        await afresh(other, source())
    assert why in caplog.text


@pytest.mark.asyncio
async def test_a_source_that_is_another_starts_afresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off")))
    with caplog.at_level(logging.INFO):
        await afresh(bench, source(token="another", version=1))
    assert "starts afresh: the source is not what it was" in caplog.text
    assert set((await bench.table()).column("version").to_pylist()) == {1}


@pytest.mark.asyncio
async def test_a_source_that_lists_nothing_any_more_starts_afresh(tmp_path: Path) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off")))
    manifest = await bench.run(source(slices=0))
    assert manifest.row_count == 0
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_it_can_be_told_to_start_afresh(tmp_path: Path) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off")))
    await afresh(bench, source(), resume=False)


@pytest.mark.asyncio
@pytest.mark.parametrize(("hours", "is_resumed"), [(5, True), (7, False)])
async def test_what_is_too_old_is_not_resumed(tmp_path: Path, hours: int, is_resumed: bool) -> None:
    clock = ManualClock()
    bench = Broken(tmp_path, *LIMITS, store=MemoryStore(clock))
    await bench.fails(source(ExtractError("cut off")))
    await clock.advance(hours * 3600.0)
    again = source()
    await bench.run(again)
    assert again.read == list(range(3 if is_resumed else 0, SLICES))


@pytest.mark.asyncio
async def test_resuming_can_be_switched_off(tmp_path: Path) -> None:
    store = inject(MemoryStore(ManualClock()))
    bench = Broken(tmp_path, *LIMITS, "engine.resume_max_age=0s", store=store)
    await bench.fails(source(ExtractError("cut off")))
    assert await bench.checkpoint() is None
    assert await staged_keys(store) == []
    await afresh(bench, source())


@pytest.mark.asyncio
async def test_a_commit_in_between_ends_what_was_broken_off(tmp_path: Path) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off")))
    checkpoint = await bench.store.get(CHECKPOINT)
    assert checkpoint is not None
    await bench.run(source(), resume=False)
    await bench.store.put(CHECKPOINT, checkpoint.body, expect=ANY)
    await afresh(bench, source())


@pytest.mark.asyncio
async def test_where_a_landed_file_is_gone_the_run_starts_afresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off")))
    staged = [one async for one in bench.store.scan_staged("team/")]
    await bench.store.discard(staged[1])
    with caplog.at_level(logging.INFO):
        await afresh(bench, source())
    assert f"{staged[1].key} was landed, and is gone" in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (ExtractError("x"), True),
        (RetryError("x"), True),
        (AuthError("x"), True),
        (StoreError("x"), True),
        (RuntimeError("a fault of ours"), True),
        (QualityError("x"), False),
        (PageError("x"), False),
        (StateError("x"), False),
        (ConfigError("x"), False),
    ],
)
async def test_errors_that_a_later_run_may_get_past_keep_what_was_landed(
    tmp_path: Path, error: Exception, is_kept: bool
) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(error))
    left = await staged_keys(bench.store)
    assert (await bench.checkpoint() is not None) is is_kept
    assert bool(left) is is_kept
    again = source()
    manifest = await bench.run(again)
    assert again.read == list(range(3 if is_kept else 0, SLICES))
    kept_records = [key for key in await bench.left() if "rejected" in key]
    assert bool(kept_records) is isinstance(error, QualityError)
    assert [key for key in unowned(await bench.left(), manifest) if "rejected" not in key] == []


@pytest.mark.asyncio
async def test_a_snapshot_that_is_lost_takes_the_checkpoint_with_it(tmp_path: Path) -> None:
    bench = Broken(tmp_path, *LIMITS)
    whole = [rows(index) for index in range(SLICES)]
    broken = [*whole[:3], [*rows(3), SnapshotLost("gone")], *whole[4:]]
    lost = ScriptedSource(broken, reopens=[whole], chained=True, token="t")
    manifest = await bench.run(lost)
    assert lost.read == [0, 1, 2, 3, *range(SLICES)]
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))
    assert unowned(await bench.left(), manifest) == []
