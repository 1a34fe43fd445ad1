"""Garbage collection of a partition: it removes what is dead, behind a fence, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import final

import anyio
import msgspec
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, CommitUnknown, StateError
from bronze_engine.model.manifest import CHECKSUMS_NAME, Checksums
from bronze_engine.model.manifest_json import encode_manifest
from bronze_engine.model.part import ANY, Expect, ObjectInfo, Staged, StoredObject, Version
from bronze_engine.publish.base import read_base
from bronze_engine.publish.checksums import checksums_of
from bronze_engine.publish.commit import publish
from bronze_engine.publish.gc import Collected, collect_partition, find_partitions
from bronze_engine.publish.names import data_name
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock
from bronze_engine.testing.faults import Fault, FaultyStore, Script, inject
from bronze_engine.testing.stores import keys_of, stage_bytes, staged_keys

from .dead import DeadRun, collect, garbage_in, leave, manifest_in
from .runs import (
    ENTITY,
    GC,
    MANIFEST_KEY,
    PARTITION,
    PIPELINE,
    RUN_DATE,
    SYSTEM,
    assert_clean,
    publish_run,
    read_partition,
    void_manifest,
    whole_run,
)

pytestmark = pytest.mark.unit

COMPLETED = (0, 1, 3)
"""How many of its three files a run has made visible when it dies."""


@pytest.mark.asyncio
@pytest.mark.parametrize("completed", COMPLETED)
@pytest.mark.parametrize("again", [False, True], ids=["nothing committed", "committed"])
async def test_a_dead_run_is_fenced_off_and_removed(again: bool, completed: int) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await leave(store, clock, completed, again=again)
    before = await manifest_in(store)
    done = await collect(store, clock)
    assert len(done.contents.undecided) == len(done.reaped.entries) == 3
    assert await garbage_in(store) == []
    assert await read_partition(store) == ("r0" if again else None)
    after = await manifest_in(store)
    assert after is not None
    assert (after.run, after.attempt, after.generation) == (GC, "gc-1-attempt", 1 + again)
    assert after.lineage[0].attempt == "gc-1-attempt"
    if before is None:
        assert after.status == "void"
    else:
        same = msgspec.structs.replace(
            after,
            run=before.run,
            attempt=before.attempt,
            generation=before.generation,
            lineage=before.lineage,
            engine_version=before.engine_version,
        )
        assert same == before
        assert after.lineage[1:] == before.lineage
    stored = await store.get(f"{PARTITION}/{CHECKSUMS_NAME}")
    assert stored is not None
    assert msgspec.json.decode(stored.body, type=Checksums) == checksums_of(
        after, encode_manifest(after)
    )
    keys = await keys_of(store)
    assert await collect(store, clock, "another") == Collected(
        contents=msgspec.structs.replace(
            done.contents, base=await read_base(store, PARTITION, pipeline=PIPELINE), undecided=()
        )
    )
    assert await keys_of(store) == keys
    await whole_run(store, "r2", clock)
    await assert_clean(store, "r2")


@pytest.mark.asyncio
async def test_what_the_manifest_has_outlived_needs_no_fence() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await publish_run(store, "r1", clock)
    await publish_run(store, "r2", clock)  # died before it reaped
    before = await manifest_in(store)
    done = await collect(store, clock)
    assert done.fenced is None
    assert len(done.reaped.entries) == 3
    assert await manifest_in(store) == before
    assert await garbage_in(store) == []


@pytest.mark.asyncio
async def test_names_that_are_not_ours_are_told_and_never_touched() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await leave(store, clock, 1, again=True)
    foreign = ["notes.txt", "part-0.parquet", "_quarantine/readme", "backup/part-x.parquet"]
    for name in foreign:
        await store.put(f"{PARTITION}/{name}", b"x", expect=ANY)
    await stage_bytes(store, f"{PARTITION}/upload.bin", b"x")
    done = await collect(store, clock)
    assert sorted(done.contents.unknown) == sorted([*foreign, "upload.bin"])
    assert set(await keys_of(store)) >= {f"{PARTITION}/{name}" for name in foreign}
    assert await staged_keys(store) == [f"{PARTITION}/upload.bin"]


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["manifest lost", "older one restored"])
async def test_files_that_no_run_of_this_manifest_wrote_keep_gc_out(again: bool) -> None:
    """They may be the data: a manifest that was removed, or an old one that was restored."""
    clock = ManualClock()
    store = MemoryStore(clock)
    await leave(store, clock, 3, again=again)
    name = data_name(generation=5, run="r5", slice=0, number=0)
    await store.put(f"{PARTITION}/{name}", b"x", expect=ANY)
    before = await keys_of(store)
    done = await collect(store, clock)
    assert [entry.name for entry in done.contents.beyond] == [name]
    assert (done.fenced, done.reaped.entries) == (None, ())
    assert await keys_of(store) == before


@pytest.mark.asyncio
async def test_a_partition_that_is_not_this_pipelines_is_left_alone() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await leave(store, clock, 3, again=True)
    before = await keys_of(store)
    void = msgspec.structs.replace(void_manifest(), pipeline="team.other")
    with pytest.raises(StateError, match=r"belongs to pipeline 'team\.orders'"):
        await collect_partition(store, void, clock, grace_seconds=lambda: 10.0)
    assert await keys_of(store) == before


@pytest.mark.asyncio
async def test_every_folder_of_an_entity_is_told_apart() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await leave(store, clock, 1, again=True)
    name = data_name(generation=1, run="r9", slice=0, number=0)
    prefix = f"{SYSTEM}/{ENTITY}"
    for key in (f"dt=2025-02-30/{name}", "A", "README", f"dt=2025-01-16.bak/{name}", "zone"):
        await store.put(f"{prefix}/{key}", b"x", expect=ANY)
    await stage_bytes(store, f"{prefix}/dt=2025-01-17/{name}", b"x")
    await store.put(f"{prefix}/dt=2025-01-18/_metadata.json", b"{}", expect=ANY)
    await store.put(f"{SYSTEM}/{ENTITY}_eu/dt=2025-01-15/{name}", b"x", expect=ANY)
    found = [
        (str(each.run_date), each)
        async for each in find_partitions(store, SYSTEM, ENTITY, pipeline=PIPELINE)
    ]
    days = {day: each for day, each in found if each.run_date is not None}
    assert sorted(days) == ["2025-01-15", "2025-01-17", "2025-01-18"]
    of_dead = days["2025-01-15"].contents
    assert of_dead is not None
    assert len(of_dead.undecided) == 3
    staged = days["2025-01-17"].contents
    assert staged is not None
    assert [entry.name for entry in staged.undecided] == [name]
    assert isinstance(days["2025-01-18"].fault, StateError)
    assert sorted(key for _, each in found for key in each.unknown) == [
        f"{prefix}/A",
        f"{prefix}/README",
        f"{prefix}/dt=2025-01-16.bak/{name}",
        f"{prefix}/dt=2025-02-30/{name}",
        f"{prefix}/zone",
    ]


@pytest.mark.asyncio
async def test_an_entity_of_many_dates_is_looked_at_whole() -> None:
    store = MemoryStore()
    days = [RUN_DATE + timedelta(days=number) for number in range(40)]
    for day in days:
        name = data_name(generation=1, run="r9", slice=0, number=0)
        await store.put(f"{SYSTEM}/{ENTITY}/dt={day}/{name}", b"x", expect=ANY)
    found = [each async for each in find_partitions(store, SYSTEM, ENTITY, pipeline=PIPELINE)]
    assert [each.run_date for each in found] == days


FAULTS: tuple[Fault, ...] = (
    "fail_before", "fail_after", "lost", "cancel_before", "cancel_after",
)  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["nothing committed", "committed"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_gc_that_breaks_anywhere_leaves_what_the_next_one_finishes(
    fault: Fault, again: bool
) -> None:
    """By another gc and by a run; and a dead run that wakes in between changes nothing."""
    clean = MemoryStore(ManualClock())
    await leave(clean, ManualClock(), 1, again=again)
    recorded = inject(clean)
    await collect(recorded, ManualClock())
    before = "r0" if again else None
    assert len(recorded.script.operations) >= 10
    for at, (method, key) in enumerate(recorded.script.operations, start=1):
        where = f"{fault} at {at} ({method} {key})"
        for finish_with in ("gc", "run", "the dead run"):
            clock = ManualClock()
            store = MemoryStore(clock)
            dead = await leave(store, clock, 1, again=again)
            await break_gc(store, clock, at, fault)
            assert await read_partition(store) == before, where
            if finish_with == "the dead run":
                await let_it_try(store, clock, dead, before, where)
            elif finish_with == "run":
                await clock.advance(31)
                await clock.drive(whole_run(store, "r2", clock))
                await assert_clean(store, "r2")
                continue
            await collect(store, clock, "second")
            assert await garbage_in(store) == [], where


async def break_gc(store: MemoryStore, clock: ManualClock, at: int, fault: Fault) -> None:
    if fault.startswith("cancel"):
        with anyio.CancelScope() as scope:
            faulty = inject(store, at, fault, cancel=scope.cancel)
            await clock.drive(collect(faulty, clock))
    else:
        faulty = inject(store, at, fault)
        try:
            await clock.drive(collect(faulty, clock))
        except BronzeError as exc:
            # One lost answer is made good by reading back.
            assert not isinstance(exc, CommitUnknown)  # noqa: PT017
    assert faulty.script.fired


async def let_it_try(
    store: MemoryStore, clock: ManualClock, dead: DeadRun, before: str | None, where: str
) -> None:
    """Before the fence it may still commit, as whole as ever; behind it nothing changes."""
    manifest = await manifest_in(store)
    is_fenced = manifest is not None and manifest.run == GC
    try:
        await clock.drive(dead.wake())
    except StateError:
        assert is_fenced, where
        assert await manifest_in(store) == manifest, where
        assert await read_partition(store) == before, where
    else:
        assert not is_fenced, where
        assert await read_partition(store) == "dead", where


@final
class Halting(FaultyStore):
    """A store in which a run is stopped before its n-th operation, while something happens."""

    def __init__(self, store: Store, at: int, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(store, Script())
        self.halted = False
        self._at = at
        self._count = 0
        self._meanwhile = meanwhile

    async def _halt(self) -> None:
        self._count += 1
        if self._count == self._at:
            self.halted = True
            await self._meanwhile()

    async def get(self, key: str, /) -> StoredObject | None:
        await self._halt()
        return await super().get(key)

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        await self._halt()
        return await super().put(key, body, expect=expect)

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        await self._halt()
        return await super().complete(staged)


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["nothing committed", "committed"])
async def test_run_that_was_only_stopped_ends_as_state001_with_nothing_changed(again: bool) -> None:
    """It sleeps anywhere in its publication while gc takes it for dead."""
    outcomes: list[str] = []
    for at in range(1, 100):
        clock = ManualClock()
        store = MemoryStore(clock)
        run = await leave(store, clock, 0, again=again)

        async def meanwhile(store: MemoryStore = store, clock: ManualClock = clock) -> None:
            await collect(store, clock)

        halting = Halting(store, at, meanwhile)
        task = asyncio.create_task(run.wake(halting))
        await clock.drive(asyncio.wait([task]))
        if not halting.halted:
            assert not task.exception()
            break
        manifest = await manifest_in(store)
        assert manifest is not None
        if isinstance(task.exception(), StateError):
            outcomes.append("STATE001")
            assert manifest.run == GC
            assert await read_partition(store) == ("r0" if again else None)
            assert await garbage_in(store) == []
        else:
            assert not task.exception()
            outcomes.append("committed")
            assert await read_partition(store) == "dead"
    # Up to the put of the manifest it is fenced off; after it gc finds it committed.
    assert outcomes == sorted(outcomes, key=["STATE001", "committed"].index)
    assert outcomes.count("STATE001") == 4
    assert "committed" in outcomes


@pytest.mark.asyncio
async def test_commit_whose_answer_is_read_back_behind_a_fence_is_still_its_own() -> None:
    """The fence keeps the lineage: without it the run would take its commit for another's and
    remove the files that the fence names."""
    clock = ManualClock()
    store = MemoryStore(clock)
    run = await leave(store, clock, 0, again=True)

    @final
    class Lost(FaultyStore):
        async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
            try:
                return await super().put(key, body, expect=expect)
            finally:
                if key == MANIFEST_KEY:
                    extra = data_name(generation=3, run="other", slice=0, number=0)
                    await store.put(f"{PARTITION}/{extra}", b"x", expect=ANY)
                    await collect(store, clock)

    published = await clock.drive(run.wake(Lost(store, Script(4, "fail_after"))))
    assert published.superseded_by == GC
    assert await read_partition(store) == "dead"
    assert await garbage_in(store) == []


@pytest.mark.asyncio
async def test_a_commit_without_files_names_what_its_base_names_or_nothing() -> None:
    store = MemoryStore()
    published = await publish_run(store, "r1")
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    one_less = msgspec.structs.replace(published.manifest, generation=2, attempt="fence", files=())
    with pytest.raises(ValueError, match="exactly the staged files"):
        await publish(store, base, one_less, (), SYSTEM_CLOCK)
    assert await read_partition(store) == "r1"
