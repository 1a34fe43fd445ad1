"""`Engine.gc`: what it lists, what it removes, and whom it leaves alone."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from bronze_engine.contracts import Store
from bronze_engine.errors import StateError
from bronze_engine.model.garbage import GcReport
from bronze_engine.model.part import ANY
from bronze_engine.publish.lease import Holder, hold_lease, lease_key, table_lease_key
from bronze_engine.publish.names import data_name, quarantine_name
from bronze_engine.publish.traces import PREFLIGHT_PREFIX, PROBE_PREFIX
from bronze_engine.state import hint, reports
from bronze_engine.state.partitions import max_epoch, read_neighbours
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import inject
from bronze_engine.testing.stores import read_all, stage_bytes, staged_keys
from tests.unit.run.harness import (
    DAY,
    NAME,
    config_of,
    left_in,
    load_text,
    manifest_of,
    opened,
    partition_of,
)

pytestmark = pytest.mark.unit

NEXT = DAY + timedelta(days=1)
TABLE_LEASE = table_lease_key("silver/team/orders")
SOURCE = ScriptedSource([[page(1, {"id": 1, "updated_at": "2025-01-14T00:00:00Z"})]])
HOLDER = Holder(run="r7", attempt="a7", host="elsewhere", pid=7, since=ManualClock().now())


def old(run: str, generation: int) -> str:
    return data_name(generation=generation, run=run, slice=0, number=0)


def lease(*, renewed_seconds_ago: float, clock: ManualClock) -> bytes:
    renewed_at = clock.now() - timedelta(seconds=renewed_seconds_ago)
    record = {"format_version": 1, "holder": HOLDER, "renewed_at": renewed_at}
    return msgspec.json.encode(record)


async def gc(
    folder: Path,
    store: Store,
    clock: ManualClock,
    *overrides: str,
    names: tuple[str, ...] = (NAME,),
    delete: bool = False,
) -> GcReport:
    config = config_of(*overrides, pipelines=names, folder=folder)
    async with opened(config, None, store=store, clock=clock) as engine:
        report: GcReport = await clock.drive(engine.gc(*names, delete=delete))
        return report


async def land(folder: Path, store: Store, clock: ManualClock, day: date, *overrides: str) -> None:
    async with opened(
        config_of(*overrides, folder=folder), SOURCE, store=store, clock=clock
    ) as engine:
        await clock.drive(engine.run(NAME, run_date=day))


async def litter(store: Store, clock: ManualClock) -> set[str]:
    """One of each kind of garbage, and what looks like some; returns the garbage's keys."""
    partition = partition_of()
    visible = {
        f"{partition}/{old('r1', 1)}",
        f"{partition}/{old('r2', 2)}",
        f"{partition}/{quarantine_name(generation=2, run='r2', slice=0)}",
        f"{PREFLIGHT_PREFIX}0011223344556677",
        f"{PROBE_PREFIX}00112233/mark",
    }
    staged = {
        f"{partition}/{old('r3', 2)}",
        f"{partition_of(NEXT)}/{old('r4', 1)}",
        f"{PROBE_PREFIX}00112233/file",
        reports.rejected_key("team", "orders", DAY, "r5"),
    }
    for key in visible:
        await store.put(key, b"12345", expect=ANY)
    for key in staged:
        await stage_bytes(store, key, b"12345")
    await clock.advance(3600)
    stale = lease_key("team", "orders", date(2024, 12, 31))
    await store.put(stale, lease(renewed_seconds_ago=31, clock=clock), expect=ANY)
    for key in (
        f"{partition}/notes.txt",
        f"{PREFLIGHT_PREFIX}of-another-process",
        f"{PROBE_PREFIX}live/mark",
        "_state/team/orders.lease.bak",
        "_state/team/orders_eu.lease",
    ):
        await store.put(key, b"{}", expect=ANY)
    await stage_bytes(store, f"{PROBE_PREFIX}live/file", b"x")
    await stage_bytes(store, f"_runs/team/orders/{DAY}/notes.txt", b"x")
    return visible | staged | {stale}


async def bodies_in(store: Store) -> dict[str, bytes]:
    return {info.key: await read_all(store, info.key) async for info in store.scan("")}


@pytest.mark.asyncio
@pytest.mark.parametrize("delete", [False, True])
async def test_a_lease_of_a_table_that_ran_out_is_garbage(tmp_path: Path, delete: bool) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    overrides = ('primary_key=["id"]', "silver.kind=state")
    await store.put(TABLE_LEASE, lease(renewed_seconds_ago=5, clock=clock), expect=ANY)
    live = await gc(tmp_path, store, clock, *overrides, delete=delete)
    assert live.garbage == ()
    await clock.advance(30)
    report = await gc(tmp_path, store, clock, *overrides, delete=delete)
    (found,) = report.garbage
    assert (found.kind, found.key, found.removed) == ("lease", TABLE_LEASE, delete)
    assert (TABLE_LEASE in await bodies_in(store)) is not delete


@pytest.mark.asyncio
async def test_without_delete_everything_is_listed_and_nothing_changes(tmp_path: Path) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await land(tmp_path, store, clock, DAY)
    garbage = await litter(store, clock)
    before = await bodies_in(store), await staged_keys(store)
    report = await gc(tmp_path, store, clock)
    assert {each.key for each in report.garbage} == garbage
    assert len(report.garbage) == len(garbage)
    assert not any(each.removed for each in report.garbage)
    assert Counter(each.kind for each in report.garbage) == {
        "data": 2, "quarantine": 1, "staged": 2, "rejected": 1, "trial": 3, "lease": 1,
    }  # fmt: skip
    sizes = {each.kind: each.size_bytes for each in report.garbage}
    assert sizes["data"] == sizes["quarantine"] == 5
    assert sizes["staged"] is None
    assert all(each.why and each.store == "memory:" for each in report.garbage)
    assert report.unknown == (f"{partition_of()}/notes.txt",)
    assert (report.deleted, report.partitions) == (False, 2)
    assert (report.fenced, report.skipped, report.faults) == ((), (), ())
    assert (await bodies_in(store), await staged_keys(store)) == before


@pytest.mark.asyncio
async def test_with_delete_exactly_that_is_removed(tmp_path: Path) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await land(tmp_path, store, clock, DAY)
    committed = await manifest_of(store)
    assert committed is not None
    garbage = await litter(store, clock)
    before = {*await left_in(store)}
    report = await gc(tmp_path, store, clock, delete=True)
    assert {each.key for each in report.garbage} == garbage
    assert all(each.removed for each in report.garbage)
    assert [(each.partition, each.generation) for each in report.fenced] == [
        (partition_of(), 2),
        (partition_of(NEXT), 1),
    ]
    gone = garbage | {f"[{key}]" for key in garbage}
    derived = {f"{partition_of(NEXT)}/{name}" for name in ("_metadata.json", "_checksums.json")}
    assert {*await left_in(store)} == before - gone | derived
    fenced = await manifest_of(store)
    assert fenced is not None
    assert fenced.names == committed.names
    assert fenced.run == report.fenced[0].run
    assert fenced.run.startswith("gc-")
    hinted = await hint.read(store, "team", "orders")
    assert hinted is not None
    assert (hinted.generation, hinted.run) == (2, fenced.run)
    again = await gc(tmp_path, store, clock, delete=True)
    assert (again.garbage, again.fenced, again.faults) == ((), (), ())


@pytest.mark.asyncio
@pytest.mark.parametrize("delete", [False, True])
async def test_a_run_at_work_is_left_alone(tmp_path: Path, delete: bool) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await stage_bytes(store, f"{partition_of()}/{old('r7', 1)}", b"x")
    await stage_bytes(store, f"{partition_of(NEXT)}/{old('r8', 1)}", b"x")
    async with hold_lease(store, lease_key("team", "orders", DAY), HOLDER, clock):
        report = await gc(tmp_path, store, clock, delete=delete)
    [skipped] = report.skipped
    assert skipped.place == f"team/orders.dt={DAY}"
    assert skipped.reason == "run r7 works on it (host elsewhere)"
    assert [each.key for each in report.garbage] == [f"{partition_of(NEXT)}/{old('r8', 1)}"]
    assert f"{partition_of()}/{old('r7', 1)}" in await staged_keys(store)
    assert await manifest_of(store) is None


@pytest.mark.asyncio
@pytest.mark.parametrize("delete", [False, True])
async def test_a_chain_is_held_as_a_whole(tmp_path: Path, delete: bool) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    chained = ("load=incremental", "incremental.cursor=updated_at")
    for day in (DAY, NEXT):
        await stage_bytes(store, f"{partition_of(day)}/{old('r7', 1)}", b"x")
    async with hold_lease(store, lease_key("team", "orders", None), HOLDER, clock):
        report = await gc(tmp_path, store, clock, *chained, delete=delete)
    assert (report.garbage, len(await staged_keys(store))) == ((), 2)
    assert [each.place for each in report.skipped] == ["team/orders"]
    report = await gc(tmp_path, store, clock, *chained, delete=delete)
    assert len(report.garbage) == 2
    assert len(await staged_keys(store)) == (0 if delete else 2)


@pytest.mark.asyncio
async def test_a_void_manifest_is_absent_to_whoever_reads(tmp_path: Path) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await stage_bytes(store, f"{partition_of()}/{old('r7', 1)}", b"x")
    await gc(tmp_path, store, clock, delete=True)
    void = await manifest_of(store)
    assert void is not None
    assert void.status == "void"
    around = await read_neighbours(store, "team", "orders", NEXT)
    assert (around.earlier, around.own, around.later) == (None, None, None)
    assert await max_epoch(store, "team", "orders") == 0
    assert await hint.read(store, "team", "orders") is None
    async with opened(config_of(folder=tmp_path), SOURCE, store=store) as engine:
        with pytest.raises(StateError, match="void: nothing is committed there"):
            await engine.verify(NAME, run_date=DAY)
        plan = await engine.plan(NAME, run_date=DAY)
        assert (plan.generation, plan.committed) == (2, None)
    # Nobody owns it: another pipeline may land there without --adopt.
    renamed = load_text(
        (tmp_path / "pipelines.toml")
        .read_text()
        .replace(
            "[pipelines.team.orders.source]",
            '[pipelines.new.name]\nsystem = "team"\nentity = "orders"\n[pipelines.new.name.source]',
        ),
        folder=tmp_path / "renamed",
    )
    async with opened(renamed, SOURCE, store=store, clock=clock) as engine:
        await clock.drive(engine.run("new.name", run_date=DAY))
    landed = await manifest_of(store)
    assert landed is not None
    assert (landed.status, landed.generation, landed.epoch) == ("committed", 2, 1)
    assert [each.run for each in landed.lineage] == [landed.run, void.run]


@pytest.mark.asyncio
@pytest.mark.parametrize("delete", [False, True])
async def test_one_pipelines_fault_does_not_keep_the_others_from_their_turn(
    tmp_path: Path, delete: bool
) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    names = ("team.orders", "team.other")
    for name in names:
        await store.put(f"{partition_of(DAY, name)}/{old('r1', 1)}", b"x", expect=ANY)
    await store.put(f"{partition_of(DAY)}/_metadata.json", b"no manifest", expect=ANY)
    report = await gc(tmp_path, store, clock, names=names, delete=delete)
    [fault] = report.faults
    assert (fault.place, fault.exit_code) == (partition_of(DAY), 7)
    assert "is no manifest" in fault.fault
    [garbage] = report.garbage
    assert (garbage.key, garbage.removed) == (
        f"{partition_of(DAY, 'team.other')}/{old('r1', 1)}",
        delete,
    )
    async with opened(config_of(folder=tmp_path), None, store=store) as engine:
        report = await engine.gc("team.nothing", NAME)
    assert [each.exit_code for each in report.faults] == [2, 7]


@pytest.mark.asyncio
async def test_dates_from_before_a_renaming_are_skipped_and_no_fault(tmp_path: Path) -> None:
    """Else no gc of the pipeline ever ended well again."""
    clock = ManualClock()
    store = MemoryStore(clock)
    await land(tmp_path, store, clock, DAY)
    text = (tmp_path / "pipelines.toml").read_text()
    table = '[pipelines.new.name]\nsystem = "team"\nentity = "orders"\n[pipelines.new.name.source]'
    renamed = load_text(
        text.replace("[pipelines.team.orders.source]", table), folder=tmp_path / "renamed"
    )
    async with opened(renamed, SOURCE, store=store, clock=clock) as engine:
        await clock.drive(engine.run("new.name", run_date=NEXT))
        report = await engine.gc("new.name")
    assert report.faults == ()
    [skipped] = report.skipped
    assert skipped.place == partition_of(DAY)
    assert skipped.reason.startswith("belongs to pipeline 'team.orders' (run ")
    assert skipped.reason.endswith(f"`bronze run new.name --date {DAY} --adopt`")


@pytest.mark.asyncio
async def test_what_a_store_refuses_to_remove_is_told(tmp_path: Path) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await land(tmp_path, store, clock, DAY)
    key = f"{partition_of()}/{old('r1', 1)}"
    await store.put(key, b"x", expect=ANY)
    recorded = inject(store)
    await gc(tmp_path, recorded, clock, delete=True)
    at = 1 + recorded.script.operations.index(("delete", key))
    await store.put(key, b"x", expect=ANY)
    report = await gc(tmp_path, inject(store, at, "fail_before"), clock, delete=True)
    [garbage] = report.garbage
    assert (garbage.key, garbage.removed) == (key, False)
    [fault] = report.faults
    assert (fault.place, fault.exit_code) == (partition_of(), 6)
    assert "was not removed" in fault.fault


@pytest.mark.asyncio
async def test_lost_manifests_are_told_and_their_files_are_kept(tmp_path: Path) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    key = f"{partition_of()}/{old('r3', 3)}"
    await store.put(key, b"x", expect=ANY)
    for delete in (False, True):
        report = await gc(tmp_path, store, clock, delete=delete)
        assert report.garbage == ()
        [skipped] = report.skipped
        assert skipped.place == partition_of()
        assert "files of generation 3 and its manifest is gone" in skipped.reason
    assert await left_in(store) == [key]
