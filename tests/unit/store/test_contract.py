"""Every store keeps the contract: one behaviour suite over all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Locking, Store
from bronze_engine.store.local.store import open_local
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, name_of
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_local_store(check: StoreCheck, tmp_path: Path) -> None:
    with Workers(4) as workers:
        config = LocalStoreConfig(path=str(tmp_path / "lake"))
        await check(lambda: open_local(config, workers, SYSTEM_CLOCK))


@pytest.mark.asyncio
@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_memory_store(check: StoreCheck) -> None:
    store = MemoryStore()

    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        yield store

    await check(open_store)


@pytest.mark.asyncio
async def test_only_the_local_store_has_locks(tmp_path: Path) -> None:
    with Workers(1) as workers:
        config = LocalStoreConfig(path=str(tmp_path))
        async with open_local(config, workers, SYSTEM_CLOCK) as store:
            assert isinstance(store, Locking)
    assert not isinstance(MemoryStore(), Locking)
