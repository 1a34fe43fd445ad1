"""The lease: who holds it, for how long, and what a second run is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import anyio
import msgspec
import pytest

from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Store
from bronze_engine.errors import OutcomeUnknown, StateError, StoreError
from bronze_engine.model.part import ANY, Expect, Version
from bronze_engine.model.process import pid_space
from bronze_engine.publish.lease import (
    LEASE_SECONDS,
    RENEW_SECONDS,
    Holder,
    hold_lease,
    lease_key,
    this_process,
)
from bronze_engine.store.local.store import open_local
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock
from bronze_engine.testing.faults import Fault, FaultyStore, Script, inject
from bronze_engine.testing.stores import keys_of
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

KEY = lease_key("shop", "orders", date(2025, 1, 15))


def holder(
    name: str, clock: ManualClock, *, host: str = "elsewhere", pid: int = 7, space: str = ""
) -> Holder:
    return Holder(
        run=name, attempt=f"{name}-attempt", host=host, pid=pid, space=space, since=clock.now()
    )


async def refused(store: Store, by: Holder, clock: ManualClock, *, wait: float = 0.0) -> StateError:
    with pytest.raises(StateError) as caught:
        async with hold_lease(store, KEY, by, clock, wait_seconds=wait):
            pass
    return caught.value


def test_keys_lie_in_state() -> None:
    assert KEY == "_state/shop/orders.dt=2025-01-15.lease"
    assert lease_key("shop", "orders", None) == "_state/shop/orders.lease"


@pytest.mark.asyncio
async def test_second_run_is_told_who_where_and_for_how_long() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    async with hold_lease(store, KEY, holder("r1", clock), clock):
        await clock.advance(12)
        error = await refused(store, holder("r2", clock), clock)
    assert error.code == "STATE001"
    assert "run r1 works on shop/orders.dt=2025-01-15" in error.message
    assert "host elsewhere, pid 7, for 12 s" in error.message
    assert error.context["run"] == "r1"
    assert await keys_of(store) == []
    async with hold_lease(store, KEY, holder("r2", clock), clock):
        pass


@pytest.mark.asyncio
async def test_unrenewed_lease_is_taken_over_when_it_has_run_out() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    async with hold_lease(store, KEY, holder("r1", clock), clock):
        await clock.advance(LEASE_SECONDS - 0.001)
        await refused(store, holder("r2", clock), clock)
        await clock.advance(0.001)
        async with hold_lease(store, KEY, holder("r2", clock), clock):
            pass
        assert await keys_of(store) == []


@pytest.mark.asyncio
async def test_releasing_leaves_a_lease_that_another_has_taken_over() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    async with anyio.create_task_group() as tasks:
        over = anyio.Event()

        async def second() -> None:
            async with hold_lease(store, KEY, holder("r2", clock), clock):
                over.set()
                await anyio.sleep_forever()

        async with hold_lease(store, KEY, holder("r1", clock), clock):
            await clock.advance(LEASE_SECONDS)
            tasks.start_soon(second)
            await over.wait()
        assert await keys_of(store) == [KEY]
        await refused(store, holder("r3", clock), clock)
        tasks.cancel_scope.cancel()
    assert await keys_of(store) == []


@pytest.mark.asyncio
async def test_kept_lease_never_runs_out() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    async with (
        hold_lease(store, KEY, holder("r1", clock), clock) as lease,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lease.keep)
        for _ in range(10):
            await clock.advance(RENEW_SECONDS)
            await refused(store, holder("r2", clock), clock)
        assert not lease.is_lost
        tasks.cancel_scope.cancel()


@pytest.mark.asyncio
async def test_lost_lease_is_noticed_and_ends_nothing() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    async with (
        hold_lease(store, KEY, holder("r1", clock), clock) as lease,
        anyio.create_task_group() as tasks,
    ):
        thief = holder("r2", clock)
        body = {"format_version": 1, "holder": thief, "renewed_at": clock.now()}
        await store.put(KEY, msgspec.json.encode(body), expect=ANY)
        tasks.start_soon(lease.keep)
        await clock.advance(RENEW_SECONDS)
        assert lease.is_lost
    assert await keys_of(store) == [KEY]


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["fail_before", "fail_after", "lost"])
async def test_one_renewal_that_fails_loses_nothing(fault: Fault) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    held = inject(store)
    async with (
        hold_lease(held, KEY, holder("r1", clock), clock) as lease,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lease.keep)
        await clock.settle()
        held.script.at = len(held.script.operations) + 2  # the clock is asked, then the put
        held.script.fault = fault
        await clock.advance(RENEW_SECONDS)
        assert held.script.fired
        for _ in range(5):
            await clock.advance(RENEW_SECONDS)
        assert not lease.is_lost
        await refused(store, holder("r2", clock), clock)
        tasks.cancel_scope.cancel()
    assert await keys_of(store) == []


def pid_of_a_dead_process() -> int:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.mark.asyncio
async def test_dead_process_on_this_host_is_taken_over_at_once() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    me = this_process("r1", "a1", clock)
    gone = msgspec.structs.replace(me, pid=pid_of_a_dead_process())
    assert gone.is_dead()
    body = {"format_version": 1, "holder": gone, "renewed_at": clock.now()}
    await store.put(KEY, msgspec.json.encode(body), expect=ANY)
    async with hold_lease(store, KEY, this_process("r2", "a2", clock), clock):
        pass


def test_only_a_missing_process_of_this_host_counts_as_dead() -> None:
    me = this_process("r", "a", ManualClock())
    gone = msgspec.structs.replace(me, pid=pid_of_a_dead_process())
    assert gone.is_dead()
    for changed in (
        {"pid": me.pid},
        {"pid": 1},
        {"pid": 0},
        {"host": "elsewhere"},
        {"space": ""},
        {"space": "another boot, or another container of this host"},
    ):
        assert not msgspec.structs.replace(gone, **changed).is_dead(), changed


def test_where_ids_are_not_known_to_be_ours_nobody_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without /proc can't tell itself from another of its name."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    pid_space.cache_clear()
    try:
        me = this_process("r", "a", ManualClock())
        assert me.space == ""
        assert not msgspec.structs.replace(me, pid=pid_of_a_dead_process()).is_dead()
    finally:
        pid_space.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_a_container_with_its_hosts_name_has_another_space() -> None:
    code = "from bronze_engine.model.process import pid_space; print(pid_space())"
    here = ["unshare", "--user", "--map-root-user", "--pid", "--fork", sys.executable, "-c", code]
    done = subprocess.run(here, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no namespace can be made here: {done.stderr}")
    assert done.stdout.strip() not in ("", pid_space())


@pytest.mark.asyncio
async def test_waiting_outlasts_a_dead_holder() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    body = {"format_version": 1, "holder": holder("r1", clock), "renewed_at": clock.now()}
    await store.put(KEY, msgspec.json.encode(body), expect=ANY)

    async def second(wait: float) -> float:
        async with hold_lease(store, KEY, holder("r2", clock), clock, wait_seconds=wait):
            return clock.monotonic()

    with pytest.raises(StateError):
        await clock.drive(second(10.0))
    assert clock.monotonic() == 10.0
    assert await clock.drive(second(60.0)) == LEASE_SECONDS


@pytest.mark.asyncio
async def test_unreadable_lease_is_taken_and_a_newer_one_is_not() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await store.put(KEY, b"{", expect=ANY)
    async with hold_lease(store, KEY, holder("r1", clock), clock):
        pass
    newer = {"format_version": 2, "holder": holder("r1", clock), "renewed_at": clock.now()}
    await store.put(KEY, msgspec.json.encode(newer), expect=ANY)
    error = await refused(store, holder("r2", clock), clock)
    assert "newer bronze-engine" in error.message


@pytest.mark.asyncio
async def test_store_with_locks_is_locked_and_tells_the_same(tmp_path: Path) -> None:
    clock = ManualClock()
    with Workers(2) as workers:
        config = LocalStoreConfig(path=str(tmp_path))
        async with open_local(config, workers, clock) as store:
            async with hold_lease(store, KEY, holder("r1", clock), clock) as lease:
                await clock.advance(3600)
                error = await refused(store, holder("r2", clock), clock)
                assert "run r1" in error.message
                assert "for 3600 s" in error.message
                assert not lease.is_lost
            async with hold_lease(store, KEY, holder("r2", clock), clock):
                pass
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


@pytest.mark.asyncio
async def test_lock_of_a_stopped_process_is_taken_over_and_its_holder_notices(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    config = LocalStoreConfig(path=str(tmp_path))
    with Workers(2) as workers:
        async with (
            open_local(config, workers, clock) as store,
            open_local(config, workers, clock) as other,
            hold_lease(store, KEY, holder("r1", clock), clock) as stopped,
        ):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stopped.keep)
                silent(tmp_path, LEASE_SECONDS - 5)
                await refused(other, holder("r2", clock), clock)
                silent(tmp_path, LEASE_SECONDS + 5)
                await clock.advance(RENEW_SECONDS)  # it was not stopped after all
                await refused(other, holder("r2", clock), clock)
                tasks.cancel_scope.cancel()
            silent(tmp_path, LEASE_SECONDS + 5)
            async with hold_lease(other, KEY, holder("r2", clock), clock):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(stopped.keep)  # ends when it finds the lock gone
                    await clock.advance(RENEW_SECONDS)
                assert stopped.is_lost
                await refused(store, holder("r3", clock), clock)
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


def silent(root: Path, seconds: float) -> None:
    """Let the holder of the lock have been heard of last so many seconds ago."""
    [lock] = [path for path in root.rglob("*.lease") if path.is_file()]
    os.utime(lock, times=(time.time() - seconds,) * 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["fail_after", "lost"])
async def test_a_lease_whose_answer_was_lost_is_taken_all_the_same(fault: Fault) -> None:
    """Applied or not: it is no other run's, and nobody is told so."""
    clock = ManualClock()
    store = inject(MemoryStore(clock))
    plain = inject(MemoryStore(clock))
    async with hold_lease(plain, KEY, holder("r1", clock), clock):
        at = plain.script.operations.index(("put", KEY)) + 1
    store.script.at, store.script.fault = at, fault

    async def take() -> None:
        async with hold_lease(store, KEY, holder("r1", clock), clock):
            await refused(store, holder("r2", clock), clock)

    await clock.drive(take())
    assert store.script.fired
    assert await keys_of(store) == []


@pytest.mark.asyncio
async def test_a_store_that_never_answers_is_no_other_run() -> None:
    class Mute(FaultyStore):
        async def put(self, key: str, _body: bytes, /, *, expect: Expect) -> Version:
            raise OutcomeUnknown(f"{key}: 503, {expect} was expected")

    clock = ManualClock()

    async def take() -> None:
        store = Mute(MemoryStore(clock), Script())
        async with hold_lease(store, KEY, holder("r1", clock), clock):
            pass

    with pytest.raises(StoreError, match="5 puts in a row were neither applied nor refused"):
        await clock.drive(take())
