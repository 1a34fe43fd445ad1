"""The neighbours of a date, found by listing keys and reading only them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from bronze_engine.contracts import Store
from bronze_engine.errors import StateError
from bronze_engine.model.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    Manifest,
    SourceInfo,
    partition_path,
)
from bronze_engine.model.manifest_json import encode_manifest
from bronze_engine.model.part import ANY
from bronze_engine.state.partitions import (
    committed_dates,
    max_epoch,
    read_dates,
    read_neighbours,
    read_partition,
)
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import inject

pytestmark = pytest.mark.unit


def manifest_of(day: date, *, epoch: int = 1, generation: int = 1) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        pipeline="team.orders",
        system="shop",
        entity="orders",
        run_date=day,
        run=f"run-{day}",
        attempt=f"attempt-{day}",
        generation=generation,
        epoch=epoch,
        written_at=datetime(2025, 1, 1, tzinfo=UTC),
        load="full",
        source=SourceInfo(type="http", location="http://localhost"),
        row_count=0,
    )


async def commit(store: Store, manifest: Manifest) -> None:
    folder = partition_path(manifest.system, manifest.entity, manifest.run_date)
    await store.put(f"{folder}/{MANIFEST_NAME}", encode_manifest(manifest), expect=ANY)
    await store.put(f"{folder}/part.parquet", b"x", expect=ANY)


def january(day: int) -> date:
    return date(2025, 1, day)


def run_of(manifest: Manifest | None) -> str | None:
    return None if manifest is None else str(manifest.run_date)


@pytest.mark.asyncio
async def test_neighbours_are_the_nearest_committed_dates() -> None:
    store = MemoryStore()
    for day in (3, 10, 12, 20, 31):
        await commit(store, manifest_of(january(day)))
    cases = {
        1: (None, None, "2025-01-03"),
        3: (None, "2025-01-03", "2025-01-10"),
        11: ("2025-01-10", None, "2025-01-12"),
        12: ("2025-01-10", "2025-01-12", "2025-01-20"),
        31: ("2025-01-20", "2025-01-31", None),
    }
    for day, expected in cases.items():
        found = await read_neighbours(store, "shop", "orders", january(day))
        assert (run_of(found.earlier), run_of(found.own), run_of(found.later)) == expected


@pytest.mark.asyncio
async def test_entity_without_partitions_has_no_neighbours() -> None:
    found = await read_neighbours(MemoryStore(), "shop", "orders", january(1))
    assert (found.earlier, found.own, found.later) == (None, None, None)
    assert await max_epoch(MemoryStore(), "shop", "orders") == 0


@pytest.mark.asyncio
async def test_void_manifests_are_absent() -> None:
    store = MemoryStore()
    for day in (1, 2, 3, 4, 5):
        manifest = manifest_of(january(day), epoch=day)
        if day in {2, 4, 5}:
            manifest = msgspec.structs.replace(manifest, status="void")
        await commit(store, manifest)
    found = await read_neighbours(store, "shop", "orders", january(3))
    assert (run_of(found.earlier), run_of(found.later)) == ("2025-01-01", None)
    assert await read_partition(store, "shop", "orders", january(2)) is None
    assert await max_epoch(store, "shop", "orders") == 3


@pytest.mark.asyncio
async def test_only_dates_with_a_manifest_count() -> None:
    store = MemoryStore()
    await commit(store, manifest_of(january(5)))
    for key in (
        "shop/orders/dt=2025-01-06/part.parquet",
        "shop/orders/dt=2025-01-07/deep/_metadata.json",
        "shop/orders/dt=2025-02-30/_metadata.json",
        "shop/orders/dt=tomorrow/_metadata.json",
        "shop/orders/_metadata.json",
        "shop/orders2/dt=2025-01-08/_metadata.json",
    ):
        await store.put(key, b"x", expect=ANY)
    assert await committed_dates(store, "shop", "orders") == (january(5),)


@pytest.mark.asyncio
async def test_with_many_dates_only_the_neighbours_and_the_newest_are_read() -> None:
    memory = MemoryStore()
    for offset in range(400):
        await commit(memory, manifest_of(date(2024, 1, 1) + timedelta(days=offset)))
    store = inject(memory)
    await read_neighbours(store, "shop", "orders", date(2024, 6, 1))
    read = [key for method, key in store.script.operations if method == "get"]
    days = ("2024-05-31", "2024-06-01", "2024-06-02", "2025-02-03")
    assert read == [f"shop/orders/dt={day}/_metadata.json" for day in days]


@pytest.mark.asyncio
async def test_highest_epoch_may_be_that_of_an_old_date() -> None:
    store = MemoryStore()
    for day, epoch in ((1, 1), (2, 7), (3, 2)):
        await commit(store, manifest_of(january(day), epoch=epoch))
    assert await max_epoch(store, "shop", "orders") == 7


@pytest.mark.asyncio
async def test_unreadable_neighbour_is_state001() -> None:
    store = MemoryStore()
    await store.put("shop/orders/dt=2025-01-01/_metadata.json", b"{", expect=ANY)
    with pytest.raises(StateError, match="dt=2025-01-01"):
        await read_neighbours(store, "shop", "orders", january(2))
    with pytest.raises(StateError, match="dt=2025-01-01"):
        await max_epoch(store, "shop", "orders")


@pytest.mark.asyncio
async def test_few_dates_are_looked_for_and_many_are_listed_by_month() -> None:
    store = inject(MemoryStore())
    for day in (1, 2, 20, 31):
        await commit(store, manifest_of(january(day)))
    await commit(store, manifest_of(date(2025, 2, 1)))
    store.script.operations.clear()
    found = await read_dates(store, "shop", "orders", {january(2), january(3)})
    assert set(found) == {january(2)}
    assert {method for method, _ in store.script.operations} == {"get"}
    store.script.operations.clear()
    found = await read_dates(store, "shop", "orders", {january(day) for day in range(2, 32)})
    assert set(found) == {january(2), january(20), january(31)}
    scans = [key for method, key in store.script.operations if method == "scan"]
    assert scans == ["shop/orders/dt=2025-01"]
