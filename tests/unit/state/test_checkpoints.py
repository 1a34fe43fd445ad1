"""Checkpoints: written by compare-and-set, so that a run has one owner whatever gets lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from bronze_engine.errors import StateError, StoreError
from bronze_engine.model.checkpoint import Checkpoint, Done, writer_name
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.model.slice import Slice
from bronze_engine.state import checkpoints
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import Fault, ManualClock, inject

pytestmark = pytest.mark.unit

DAY = date(2025, 1, 15)
KEY = "_state/team/orders.dt=2025-01-15.checkpoint"
NOW = datetime(2025, 1, 15, tzinfo=UTC)


def checkpoint(attempt: str = "a1", run_date: date = DAY, slices: int = 1) -> Checkpoint:
    done = [
        Done(
            head=0,
            following=Slice(index=index + 1, label="", spec=msgspec.Raw(b'{"after":["\xc3\xa9"]}')),
            landed=msgspec.Raw(b"{}"),
        )
        for index in range(slices)
    ]
    return Checkpoint(
        pipeline="team.orders",
        system="team",
        entity="orders",
        run_date=run_date,
        run="r1",
        attempt=attempt,
        started_at=NOW,
        written_at=NOW,
        plan="p",
        token="t",
        generation=1,
        slices=tuple(done),
    )


@pytest.mark.asyncio
async def test_what_was_written_is_read() -> None:
    store = MemoryStore(ManualClock())
    version, size = await checkpoints.write(store, checkpoint(), ABSENT)
    found, expect = await checkpoints.read(store, "team", "orders", DAY)
    assert found is not None
    assert (msgspec.json.encode(found), expect) == (msgspec.json.encode(checkpoint()), version)
    assert size == len(msgspec.json.encode(checkpoint()))
    await checkpoints.remove(store, "team", "orders", DAY)
    assert await checkpoints.read(store, "team", "orders", DAY) == (None, ABSENT)


@pytest.mark.asyncio
async def test_whoever_was_overtaken_learns_by_whom() -> None:
    store = MemoryStore(ManualClock())
    first, _ = await checkpoints.write(store, checkpoint(), ABSENT)
    await checkpoints.write(store, checkpoint("a2"), first)
    with pytest.raises(StateError, match="attempt a2 of run r1 has taken over what attempt a1"):
        await checkpoints.write(store, checkpoint(slices=2), first)
    await checkpoints.remove(store, "team", "orders", DAY)
    with pytest.raises(StateError, match="was removed while it was at work"):
        await checkpoints.write(store, checkpoint(slices=2), first)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["fail_after", "lost"])
async def test_a_lost_answer_is_looked_up(fault: Fault) -> None:
    inner = MemoryStore(ManualClock())
    first, _ = await checkpoints.write(inner, checkpoint(), ABSENT)
    store = inject(inner, 1, fault)
    version, _ = await checkpoints.write(store, checkpoint(slices=2), first)
    found, expect = await checkpoints.read(inner, "team", "orders", DAY)
    assert found is not None
    assert (len(found.slices), expect) == (2, version)


@pytest.mark.asyncio
async def test_a_store_that_fails_has_changed_nothing() -> None:
    inner = MemoryStore(ManualClock())
    first, _ = await checkpoints.write(inner, checkpoint(), ABSENT)
    with pytest.raises(StoreError):
        await checkpoints.write(inject(inner, 1, "fail_before"), checkpoint(slices=2), first)
    assert (await checkpoints.read(inner, "team", "orders", DAY))[1] == first


@pytest.mark.asyncio
async def test_one_that_nobody_can_read_is_none_and_one_of_tomorrow_is_refused() -> None:
    store = MemoryStore(ManualClock())
    version = await store.put(KEY, b'{"format_version": 1, "run": 5}', expect=ANY)
    assert await checkpoints.read(store, "team", "orders", DAY) == (None, version)
    await checkpoints.write(store, checkpoint(), version)
    await store.put(KEY, b'{"format_version": 2, "anything": "else"}', expect=ANY)
    with pytest.raises(StateError, match=r"newer bronze-engine \(format 2\); upgrade"):
        await checkpoints.read(store, "team", "orders", DAY)


@pytest.mark.asyncio
async def test_those_of_an_entity_are_found_and_nothing_else() -> None:
    store = MemoryStore(ManualClock())
    days = [DAY, DAY + timedelta(days=1)]
    for day in days:
        await checkpoints.write(store, checkpoint(run_date=day), ABSENT)
    for name in ("orders.dt=2025-01-15.lease", "orders.json", "orders.dt=2025-02-30.checkpoint",
                 "orders_new.dt=2025-01-15.checkpoint"):  # fmt: skip
        await store.put(f"_state/team/{name}", b"{}", expect=ANY)
    found = [each async for each in checkpoints.find(store, "team", "orders")]
    assert [(day, one.run_date) for day, one in found] == [(day, day) for day in days]


def test_the_files_of_a_runs_processes_are_told_apart_and_known_as_its_own() -> None:
    names = [writer_name("r1", resumed) for resumed in range(3)]
    assert names == ["r1", "r1_1", "r1_2"]
