"""The preflight finds the stores on which a commit would not be safe."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.errors import OutcomeUnknown, StoreError
from bronze_engine.model.part import ABSENT, ANY, Expect, Version
from bronze_engine.publish.preflight import Preflight
from bronze_engine.store.local.store import open_local
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock
from bronze_engine.testing.faults import FaultyLockingStore, FaultyStore, Script
from bronze_engine.testing.stores import keys_of
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit


class Careless(FaultyStore):
    """A store that honours conditions of one kind only, or of none."""

    def __init__(self, store: MemoryStore, ignores: type[object]) -> None:
        super().__init__(store, Script())
        self._ignores = ignores

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        ignored = isinstance(expect, self._ignores)
        return await super().put(key, body, expect=ANY if ignored else expect)


class Forgetful(FaultyStore):
    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        raise OutcomeUnknown(f"{key} {len(body)} {expect}")


@pytest.mark.asyncio
async def test_honest_store_passes_and_nothing_is_left() -> None:
    store = MemoryStore()
    await Preflight().check(store)
    assert await keys_of(store) == []


class Refusing(FaultyStore):
    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        raise StoreError(f"{key} {len(body)} {expect}: permission denied")


@pytest.mark.asyncio
async def test_what_the_store_refuses_is_raised_as_it_is() -> None:
    with pytest.raises(StoreError, match="permission denied"):  # and no group of errors
        await Preflight().check(Refusing(MemoryStore(), Script()))


@pytest.mark.asyncio
@pytest.mark.parametrize("ignores", [type(ABSENT), str, object])
async def test_store_that_ignores_conditions_is_stg001(ignores: type[object]) -> None:
    memory = MemoryStore()
    store = Careless(memory, ignores)
    with pytest.raises(StoreError, match=r"4 conditional puts 4 won.*single_writer"):
        await Preflight().check(store)
    assert await keys_of(memory) == []
    await Preflight().check(store, single_writer=True)


@pytest.mark.asyncio
async def test_lost_answer_is_a_store_error() -> None:
    with pytest.raises(StoreError, match="lost the answer"):
        await Preflight().check(Forgetful(MemoryStore(), Script()))


@pytest.mark.asyncio
async def test_a_store_is_checked_once_and_a_failed_check_is_repeated() -> None:
    preflight = Preflight()
    store = FaultyStore(MemoryStore(), Script(at=2))
    with pytest.raises(StoreError):
        await preflight.check(store)
    await preflight.check(store)
    asked = len(store.script.operations)
    await preflight.check(store)
    assert len(store.script.operations) == asked


@pytest.mark.asyncio
async def test_two_stores_of_one_url_are_checked_both() -> None:
    """As two servers with a bucket of one name are, of which one may be careless."""
    preflight = Preflight()
    await preflight.check(MemoryStore())
    with pytest.raises(StoreError, match="ignores conditions"):
        await preflight.check(Careless(MemoryStore(), str))


@pytest.mark.asyncio
async def test_what_a_killed_preflight_left_is_removed_after_a_minute() -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    await store.put("_state/preflight-dead", b"x", expect=ANY)
    await clock.advance(timedelta(minutes=1).total_seconds())
    await Preflight().check(store)
    assert await keys_of(store) == ["_state/preflight-dead"]
    await clock.advance(1)
    await Preflight().check(store)
    assert await keys_of(store) == []


@pytest.mark.asyncio
async def test_local_store_is_checked_with_a_second_process(tmp_path: Path) -> None:
    class Pretending(FaultyLockingStore):
        async def excludes(self) -> bool:
            return False

    with Workers(2) as workers:
        config = LocalStoreConfig(path=str(tmp_path))
        async with open_local(config, workers, SYSTEM_CLOCK) as store:
            await Preflight().check(store)
            assert await keys_of(store) == []
            pretending = Pretending(store, Script(), store)
            with pytest.raises(StoreError, match="does not keep a second process out"):
                await Preflight().check(pretending)
