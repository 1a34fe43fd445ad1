"""The in-memory store as a test bench: its latency, and cancellation within it."""

from __future__ import annotations

import anyio
import pytest

from bronze_engine.errors import StoreError
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock
from bronze_engine.testing.stores import data_file, keys_of, parts_of, stage_bytes, staged_keys

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
async def test_each_operation_takes_its_latency() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, latency_seconds=0.5)
    await clock.drive(store.put("a", b"x", expect=ABSENT))
    assert clock.monotonic() == 0.5
    await clock.drive(store.get("a"))
    assert clock.monotonic() == 1.0


@pytest.mark.asyncio
async def test_cancelled_within_its_latency_a_put_has_done_nothing() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, latency_seconds=0.5)
    async with anyio.create_task_group() as tasks:

        async def put() -> None:
            await store.put("a", b"x", expect=ANY)

        tasks.start_soon(put)
        await clock.settle()
        tasks.cancel_scope.cancel()
    assert await clock.drive(keys_of(store)) == []


@pytest.mark.asyncio
async def test_equal_content_has_another_version() -> None:
    store = MemoryStore()
    first = await store.put("a", b"x", expect=ABSENT)
    assert await store.put("a", b"x", expect=first) != first


@pytest.mark.asyncio
async def test_upload_discarded_by_another_can_not_be_sealed() -> None:
    store = MemoryStore()
    async with store.stage("p/f") as upload:
        await upload.part(parts_of(b"x", 1)[0])
        async for staged in store.scan_staged(""):
            await store.discard(staged)
        with pytest.raises(StoreError, match="discarded meanwhile"):
            await upload.seal(data_file("f", b"x"))
    assert await staged_keys(store) == []


@pytest.mark.asyncio
async def test_complete_compares_the_hash() -> None:
    store = MemoryStore()
    async with store.stage("p/f") as upload:
        await upload.part(parts_of(b"x", 1)[0])
        staged = await upload.seal(data_file("f", b"y"))
    with pytest.raises(StoreError, match="another sha256"):
        await store.complete(staged)
    assert await keys_of(store) == []
    assert (await store.complete(await stage_bytes(store, "p/f", b"x"))).size_bytes == 1
