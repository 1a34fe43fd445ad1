"""The hint follows the manifests, never goes back, and loses every disagreement."""

from __future__ import annotations

import anyio
import msgspec
import pytest

from bronze_engine.errors import StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import ANY
from bronze_engine.model.window import Window
from bronze_engine.state import hint
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import Fault, inject
from bronze_engine.testing.stores import read_all

from .test_partitions import commit, january, manifest_of

pytestmark = pytest.mark.unit

KEY = hint.key_of("shop", "orders")


async def advanced(store: MemoryStore, manifest: Manifest) -> hint.Hint:
    await commit(store, manifest)
    assert await hint.advance(store, manifest) == ()
    found = await hint.read(store, "shop", "orders")
    assert found is not None
    return found


@pytest.mark.asyncio
async def test_hint_holds_the_newest_commit() -> None:
    store = MemoryStore()
    assert KEY == "_state/shop/orders.json"
    assert await hint.read(store, "shop", "orders") is None
    watermark = Window(column="id", type="integer", low="1", high="9")
    manifest = msgspec.structs.replace(manifest_of(january(1)), watermark=watermark)
    found = await advanced(store, manifest)
    assert (found.run_date, found.generation, found.run) == (january(1), 1, "run-2025-01-01")
    assert found.watermark == watermark
    assert found.pipeline == "team.orders"


@pytest.mark.asyncio
async def test_hint_never_goes_back() -> None:
    store = MemoryStore()
    await advanced(store, manifest_of(january(5), generation=3))
    assert (await advanced(store, manifest_of(january(4)))).run_date == january(5)
    again = await advanced(store, manifest_of(january(5), generation=4))
    assert (again.run_date, again.generation) == (january(5), 4)
    assert (await advanced(store, manifest_of(january(6)))).run_date == january(6)
    refreshed = await advanced(store, manifest_of(january(2), epoch=2))
    assert (refreshed.run_date, refreshed.epoch) == (january(2), 2)


@pytest.mark.asyncio
async def test_hint_that_no_manifest_bears_out_is_replaced() -> None:
    store = MemoryStore()
    await hint.advance(store, manifest_of(january(9), generation=7))  # never committed
    assert (await advanced(store, manifest_of(january(1)))).run_date == january(1)


@pytest.mark.asyncio
async def test_manifests_may_lie_in_another_store() -> None:
    state, target = MemoryStore(), MemoryStore()
    await commit(target, manifest_of(january(9)))
    await hint.advance(state, manifest_of(january(9)), target=target)
    await hint.advance(state, manifest_of(january(1)), target=target)
    found = await hint.read(state, "shop", "orders")
    assert found is not None
    assert found.run_date == january(9)


@pytest.mark.asyncio
async def test_unreadable_hint_is_replaced_and_a_newer_one_is_left() -> None:
    store = MemoryStore()
    await store.put(KEY, b"{", expect=ANY)
    assert await hint.read(store, "shop", "orders") is None
    await advanced(store, manifest_of(january(1)))
    body = (await read_all(store, KEY)).replace(b'"format_version": 1', b'"format_version": 2')
    await store.put(KEY, body, expect=ANY)
    with pytest.raises(StateError, match="upgrade"):
        await hint.read(store, "shop", "orders")
    (warning,) = await hint.advance(store, manifest_of(january(2)))
    assert "upgrade" in warning
    assert await read_all(store, KEY) == body


@pytest.mark.asyncio
async def test_concurrent_commits_leave_the_newest() -> None:
    store = MemoryStore()
    days = [january(day) for day in (4, 9, 2, 7, 1)]
    for day in days:
        await commit(store, manifest_of(day))
    async with anyio.create_task_group() as tasks:
        for day in days:
            tasks.start_soon(hint.advance, store, manifest_of(day))
    found = await hint.read(store, "shop", "orders")
    assert found is not None
    assert found.run_date == january(9)


@pytest.mark.asyncio
async def test_fault_of_the_store_is_a_warning() -> None:
    for at in (1, 2):
        store = inject(MemoryStore(), at, "fail_before")
        (warning,) = await hint.advance(store, manifest_of(january(1)))
        assert KEY in warning


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["fail_after", "lost"])
async def test_lost_answer_is_found_out(fault: Fault) -> None:
    store = inject(MemoryStore(), 2, fault)
    assert await hint.advance(store, manifest_of(january(1))) == ()
    assert store.script.fired
    found = await hint.read(store, "shop", "orders")
    assert found is not None
    assert found.run_date == january(1)
