"""A run that is broken off goes on from its last complete slice, or starts afresh and says why."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pyarrow as pa
import pytest

from bronze_engine.errors import (
    AuthError,
    BronzeError,
    ConfigError,
    ExtractError,
    PageError,
    QualityError,
    RetryError,
    SnapshotLost,
    StateError,
    StoreError,
)
from bronze_engine.model.checkpoint import Checkpoint
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import ANY, StoredObject
from bronze_engine.run import checkpoint
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import RunFinished, RunRenamed, RunStarted
from bronze_engine.testing import Fault, ManualClock, Pause, ScriptedSource, inject, page
from bronze_engine.testing.faults import FaultyStore, Script
from bronze_engine.testing.sources import Step
from bronze_engine.testing.stores import staged_keys
from tests.unit.run.harness import DAY, NAME, Bench, opened, reports_of, unowned

pytestmark = pytest.mark.unit

CHECKPOINT = "_state/team/orders.dt=2025-01-15.checkpoint"
SLICES = 5
PREFLIGHT = 11
"""Operations of a run before it takes its lease."""
LIMITS = ("output.row_group_rows=2", "output.max_rows_per_file=2", "quality.max_bad_rows=10")
BAD = b'{"id": 1, "id": '


def rows(index: int, *, version: int = 0) -> list[Step]:
    """Three rows of a slice; from slice 2 on they have a column more, and slice 1 has a reject."""
    more = {"note": f"n{index}"} if index > 1 else {}
    records = [{"id": 10 * index + at, "version": version, **more} for at in range(3)]
    steps: list[Step] = [page(1, *records)]
    return [*steps, page(2, BAD)] if index == 1 else steps


def source(
    fault: BaseException | None = None,
    *,
    at: int = 3,
    chained: bool = True,
    token: str | None = "as it is",  # noqa: S107
    version: int = 0,
    slices: int = SLICES,
    slices_at_once: int = 1,
) -> ScriptedSource:
    """Slices of which one ends in a fault, after its rows."""
    script: list[Sequence[Any]] = []
    for index in range(slices):
        broken = [fault] if index == at and fault is not None else []
        script.append([*rows(index, version=version), *broken])
    return ScriptedSource(script, chained=chained, token=token, slices_at_once=slices_at_once)


class Broken(Bench):
    """A bench on which runs are broken off."""

    async def fails(self, source: ScriptedSource, **options: Any) -> BaseException:
        with pytest.raises((BronzeError, RuntimeError)) as caught:
            await self.run(source, **options)
        return caught.value

    async def checkpoint(self) -> Checkpoint | None:
        found = await self.store.get(CHECKPOINT)
        return None if found is None else msgspec.json.decode(found.body, type=Checkpoint)

    async def report(self, run: str) -> dict[str, Any]:
        return next(each for each in await reports_of(self.store) if each["run"] == run)


async def uninterrupted(folder: Path, **options: Any) -> Manifest:
    return await Broken(folder / "whole", *LIMITS).run(source(**options))


def hashes(manifest: Manifest) -> list[str]:
    return [file.sha256 for file in manifest.files]


@pytest.mark.asyncio
@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("at", range(1, SLICES))
async def test_slices_that_were_landed_are_not_read_again(
    tmp_path: Path, at: int, chained: bool
) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off"), at=at, chained=chained))
    kept = await bench.checkpoint()
    assert kept is not None
    assert len(kept.slices) == at
    assert await bench.manifest() is None

    again = source(chained=chained)
    manifest = await bench.run(again)
    assert again.read == list(range(at, SLICES))
    whole = await uninterrupted(tmp_path)
    assert hashes(manifest) == hashes(whole)
    assert (manifest.run, manifest.row_count) == (kept.run, whole.row_count)
    assert (manifest.rejected_count, manifest.arrow_schema) == (1, whole.arrow_schema)
    assert manifest.source == whole.source, "each page is counted once"
    report = await bench.report(kept.run)
    assert (report["status"], report["resumed_slices"]) == ("committed", at)
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_slices_side_by_side_resume_whichever_of_them_were_landed(tmp_path: Path) -> None:
    script = [[page(1, {"id": index}), Pause(10.0 - index)] for index in range(SLICES)]
    broken = [*script[:1], [page(1, {"id": 1}), Pause(8.5), ExtractError("cut off")], *script[2:]]

    def of(steps: Any) -> ScriptedSource:
        return ScriptedSource(steps, token="t", slices_at_once=4)

    bench = Broken(tmp_path)
    await bench.fails(of(broken))
    kept = await bench.checkpoint()
    assert kept is not None
    assert sorted(done.head for done in kept.slices) == [2, 3]
    again = of(script)
    manifest = await bench.run(again)
    assert sorted(again.read) == [0, 1, 4]
    assert hashes(manifest) == hashes(await Broken(tmp_path / "whole").run(of(script)))
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("is_broken", [False, True])
@pytest.mark.parametrize("chained", [True, False])
async def test_a_column_has_one_type_in_the_files_of_all_slices(
    tmp_path: Path, chained: bool, is_broken: bool
) -> None:
    """Only nulls in the first slice, numbers in the second; none of them fills a row group."""
    steps: list[list[Step]] = [
        [page(1, {"id": 1, "a": None, "b": {}})],
        [page(1, {"id": 2, "a": 5, "b": {"c": [1.5]}})],
        [page(1, {"id": 3, "a": "x"})],
    ]
    bench = Broken(tmp_path)
    if is_broken:
        broken = [steps[0], [*steps[1], ExtractError("cut off")], steps[2]]
        await bench.fails(ScriptedSource(broken, chained=chained, token="t"))
    manifest = await bench.run(ScriptedSource(steps, chained=chained, token="t"))
    table = await bench.table()
    assert len(manifest.files) == 3
    assert table.schema.field("a").type == pa.string()
    assert table.select(["id", "a", "a__variant"]).to_pylist() == [
        {"id": 1, "a": None, "a__variant": None},
        {"id": 2, "a": None, "a__variant": "5"},
        {"id": 3, "a": "x", "a__variant": None},
    ]


@pytest.mark.asyncio
async def test_it_is_resumed_as_often_as_it_is_broken_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Broken(tmp_path, *LIMITS)
    for at in (1, 2, 4):
        await bench.fails(source(ExtractError("cut off"), at=at))
    with caplog.at_level(logging.INFO):
        manifest = await bench.run(source())
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))
    writers = [file.name.split("-")[2] for file in manifest.files]
    assert sorted(set(writers)) == [manifest.run + end for end in ("", "_1", "_2", "_3")]
    assert f"run {manifest.run} is resumed from slice 4 (slice 4); 12 rows kept" in caplog.text
    assert unowned(await bench.left(), manifest) == []


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


async def afresh(bench: Broken, again: ScriptedSource, **options: Any) -> Manifest:
    """Run, from the beginning and under another name; nothing of the broken run is left."""
    kept = await bench.checkpoint()
    manifest = await bench.run(again, **options)
    assert again.read[-SLICES:] == list(range(SLICES))
    assert kept is None or manifest.run != kept.run
    assert (await bench.report(manifest.run))["resumed_slices"] == 0
    assert unowned(await bench.left(), manifest) == []
    return manifest


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
@pytest.mark.parametrize("is_stale", [False, True])
async def test_hooks_are_told_under_which_name_it_goes_on(tmp_path: Path, is_stale: bool) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off")))
    kept = await bench.checkpoint()
    assert kept is not None
    bench.events.clear()
    manifest = await bench.run(source(token="another" if is_stale else "as it is"))
    (began,) = (each for each in bench.events if isinstance(each, RunStarted))
    names = [began.run]
    for event in bench.events:
        if isinstance(event, RunRenamed):
            assert (event.pipeline, event.run_date) == (NAME, str(DAY))
            assert event.before == names[-1]
            names.append(event.run)
    (ended,) = (each for each in bench.events if isinstance(each, RunFinished))
    assert names[-1] == ended.run == manifest.run
    assert names[1] == kept.run
    assert len(set(names)) == len(names) == (3 if is_stale else 2)


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


@pytest.mark.asyncio
async def test_rejected_records_of_all_attempts_count(tmp_path: Path) -> None:
    bench = Broken(tmp_path, "output.row_group_rows=2", "quality.max_bad_rows=1")
    await bench.fails(source(ExtractError("cut off")))
    bad = ScriptedSource(
        [*[rows(index) for index in range(4)], [page(1, BAD)]], chained=True, token="as it is"
    )
    error = await bench.fails(bad)
    assert isinstance(error, QualityError)
    assert "2 records were rejected" in error.message
    assert await bench.checkpoint() is None
    assert await staged_keys(bench.store) == []


@pytest.mark.asyncio
async def test_rules_judge_what_all_attempts_have_landed(tmp_path: Path) -> None:
    rules = 'quality.rules=[{rule = "unique", columns = ["id"]}, {rule = "row_count", min = 5}]'
    bench = Broken(tmp_path, rules)
    pages: list[list[Step]] = [[page(1, {"id": index})] for index in range(SLICES)]
    broken: list[list[Step]] = [*pages[:3], [*pages[3], ExtractError("cut off")], *pages[4:]]
    await bench.fails(ScriptedSource(broken, chained=True, token="t"))
    twice: list[list[Step]] = [*pages[:-1], [page(1, {"id": 0})]]  # a key of the first slice
    error = await bench.fails(ScriptedSource(twice, chained=True, token="t"))
    assert isinstance(error, QualityError)
    assert "unique" in error.message
    await bench.fails(ScriptedSource(broken, chained=True, token="t"))
    manifest = await bench.run(ScriptedSource(pages, chained=True, token="t"))
    assert manifest.row_count == SLICES
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_cancelled_it_leaves_nothing_but_what_it_resumes_from(tmp_path: Path) -> None:
    bench = Broken(tmp_path, *LIMITS)
    clock = ManualClock()
    script = [rows(index) for index in range(SLICES)]
    waiting = [*script[:3], [*rows(3), Pause(3600.0)], *script[4:]]
    async with bench.engine(
        ScriptedSource(waiting, chained=True, token="as it is"), clock=clock
    ) as engine:
        run = asyncio.create_task(engine.run(NAME, run_date=DAY))
        while await bench.checkpoint() is None or len((await kept_in(bench)).slices) < 3:
            await anyio.lowlevel.checkpoint()
        for _ in range(50):
            await anyio.lowlevel.checkpoint()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    left = await bench.left()
    kept = await kept_in(bench)
    named = [
        f"[{staged['key']}]"
        for done in kept.slices
        for staged in msgspec.json.decode(done.landed)["files"]
    ]
    rejected = [key for key in left if "quarantine" in key or "rejected" in key]
    reports = [key for key in left if key.startswith("_runs/") and key.endswith(".json")]
    assert sorted(left) == sorted([CHECKPOINT, *named, *rejected, *reports])
    again = source()
    manifest = await bench.run(again)
    assert again.read == [3, 4]
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))
    assert unowned(await bench.left(), manifest) == []


async def kept_in(bench: Broken) -> Checkpoint:
    found = await bench.checkpoint()
    assert found is not None
    return found


class Bystander:
    """A process that sleeps in its slice while the world goes on, and wakes up late."""

    def __init__(self, bench: Broken, sleeps_in: int) -> None:
        script = [rows(index) for index in range(SLICES)]
        script[sleeps_in] = [Pause(3600.0), *script[sleeps_in]]
        self.clock = ManualClock()
        self._bench = bench
        self._source = ScriptedSource(script, chained=True, token="as it is")

    async def run(self, *, meanwhile: Callable[[], Any], landed: int) -> BaseException | Manifest:
        config, store = self._bench.config, self._bench.store
        async with opened(config, self._source, store=store, clock=self.clock) as engine:
            run = asyncio.create_task(engine.run(NAME, run_date=DAY))
            while not await self._has(landed):
                await anyio.lowlevel.checkpoint()
            await meanwhile()
            try:
                await self.clock.drive(_awaited(run))
            except BronzeError as exc:
                return exc
        found = await self._bench.manifest()
        assert found is not None
        return found

    async def _has(self, landed: int) -> bool:
        found = await self._bench.checkpoint()
        return found is not None and len(found.slices) >= landed


async def _awaited(task: asyncio.Task[Any]) -> Any:
    return await task


@pytest.mark.asyncio
@pytest.mark.parametrize("is_committed", [True, False])
async def test_a_zombie_that_wakes_up_publishes_and_removes_nothing(
    tmp_path: Path, is_committed: bool
) -> None:
    """Its lease has run out, and another process has taken over what it had landed."""
    clock = ManualClock()
    bench = Broken(tmp_path, *LIMITS, store=MemoryStore(clock))
    before: list[str] = []

    async def meanwhile() -> None:
        await clock.advance(31.0)
        if is_committed:
            manifest = await bench.run(source())
            assert unowned(await bench.left(), manifest) == []
        else:
            await bench.fails(source(ExtractError("cut off"), at=4))
        before.extend(await bench.left())

    woken = await Bystander(bench, 3).run(meanwhile=meanwhile, landed=3)
    assert isinstance(woken, StateError)
    left = await bench.left()
    assert [key for key in before if key not in left and not key.endswith(".lease")] == []
    manifest = await bench.manifest() if is_committed else await bench.run(source())
    assert manifest is not None
    (report,) = await reports_of(bench.store)
    assert report["status"] == "committed", "not what the zombie has to tell"
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))
    assert (await bench.table()).num_rows == manifest.row_count
    assert unowned(await bench.left(), manifest) == []


class Stale(FaultyStore):
    """A store whose checkpoint was read a while ago."""

    def __init__(self, store: MemoryStore, stale: StoredObject) -> None:
        super().__init__(store, Script())
        self._stale: StoredObject | None = stale

    async def get(self, key: str, /) -> StoredObject | None:
        if key == CHECKPOINT and self._stale is not None:
            stale, self._stale = self._stale, None
            return stale
        return await super().get(key)


@pytest.mark.asyncio
async def test_of_two_that_resume_at_once_one_is_state001(tmp_path: Path) -> None:
    """Without a lease: the second has read the checkpoint before the first took it over."""
    store = MemoryStore(ManualClock())
    bench = Broken(tmp_path, *LIMITS, store=store)
    await bench.fails(source(ExtractError("cut off")))
    stale = await store.get(CHECKPOINT)
    assert stale is not None
    second = Broken(tmp_path, *LIMITS, store=Stale(store, stale))
    first = Broken(tmp_path, *LIMITS, store=store)
    await first.fails(source(ExtractError("cut off"), at=4))
    error = await second.fails(source())
    assert isinstance(error, StateError)
    assert "has taken over" in error.message
    manifest = await first.run(source())
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["fail_before", "fail_after", "lost", "cancel_before", "cancel_after", "die_after"]
)
async def test_whatever_breaks_it_off_the_result_is_that_of_an_uninterrupted_run(
    tmp_path: Path, fault: Fault
) -> None:
    whole = await uninterrupted(tmp_path, slices=3)
    ends = 0
    for at in range(PREFLIGHT + 1, 1000, 2):
        inner = MemoryStore(ManualClock())
        bench = Broken(tmp_path, *LIMITS, store=inner)
        clock = ManualClock()
        holder: list[asyncio.Task[Any]] = []
        store = inject(inner, at, fault, cancel=partial(cancel_first, holder))
        async with opened(bench.config, source(slices=3), store=store, clock=clock) as engine:
            holder.append(asyncio.create_task(engine.run(NAME, run_date=DAY)))
            try:
                await clock.drive(_awaited(holder[0]))
            except (BronzeError, asyncio.CancelledError):
                ends += 1
        if at > len(store.script.operations):
            break
        manifest = await bench.manifest()
        committed = manifest.generation if manifest is not None else 0
        for key in await leases_of(inner):
            await inner.delete(key)
        manifest = await bench.run(source(slices=3))
        assert manifest.generation == committed + 1
        assert hashes(manifest) == hashes(whole), (at, store.script.operations[-1])
        assert (await bench.table()).num_rows == whole.row_count
        assert unowned(await bench.left(), manifest) == [], (at, store.script.operations[-1])
    assert ends > 10


def cancel_first(tasks: Sequence[asyncio.Task[Any]]) -> None:
    tasks[0].cancel()


async def leases_of(store: MemoryStore) -> list[str]:
    """Leases of processes that are gone: this one is alive, so they would be respected."""
    return [info.key async for info in store.scan("_state/") if info.key.endswith(".lease")]
