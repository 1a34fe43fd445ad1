"""Verification finds every byte that differs, and mends what is derived."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Store
from bronze_engine.errors import StateError
from bronze_engine.model.part import ANY
from bronze_engine.publish.verify import verify
from bronze_engine.store.local.store import open_local
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import inject
from bronze_engine.testing.stores import read_all
from bronze_engine.workers import Workers

from .runs import PARTITION, publish_run

pytestmark = pytest.mark.unit

CHECKSUMS = f"{PARTITION}/_checksums.json"


async def check(store: Store) -> list[tuple[str, str]]:
    with Workers(2) as workers:
        report = await verify(store, PARTITION, workers)
    assert report.ok == (not report.faults)
    return [(fault.path, fault.fault.split(" ")[0]) for fault in report.faults]


@pytest.mark.asyncio
async def test_sound_partition_is_reported_with_its_counts(tmp_path: Path) -> None:
    with Workers(2) as workers:
        config = LocalStoreConfig(path=str(tmp_path))
        async with open_local(config, workers, SYSTEM_CLOCK) as store:
            published = await publish_run(store, "r1")
            report = await verify(store, PARTITION, workers)
    assert report.ok
    assert (report.partition, report.generation, report.run) == (PARTITION, 1, "r1")
    assert (report.files, report.rows) == (1, 1)
    assert report.bytes == sum(file.size_bytes for file in published.manifest.files)
    assert (report.unlisted, report.mended) == ((), ())


@pytest.mark.asyncio
async def test_missing_short_and_changed_files_are_told_apart() -> None:
    store = MemoryStore()
    manifest = (await publish_run(store, "r1")).manifest
    first, rejects, second = (file.name for file in manifest.listed)
    body = await read_all(store, f"{PARTITION}/{second}")
    await store.delete(f"{PARTITION}/{first}")
    await store.put(f"{PARTITION}/{second}", body[:-1] + b"?", expect=ANY)
    await store.put(f"{PARTITION}/{rejects}", b"short", expect=ANY)
    assert await check(store) == [(second, "sha256"), (rejects, "5"), (first, "missing")]


@pytest.mark.asyncio
async def test_unlisted_files_are_told_and_are_no_fault() -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    await store.put(f"{PARTITION}/stray.parquet", b"x", expect=ANY)
    with Workers(1) as workers:
        report = await verify(store, PARTITION, workers)
    assert report.ok
    assert report.unlisted == ("stray.parquet",)


@pytest.mark.asyncio
@pytest.mark.parametrize("stale", ["missing", "older", "damaged", "edited"])
async def test_checksums_follow_the_manifest(stale: str) -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    older = await read_all(store, CHECKSUMS)
    await publish_run(store, "r2")
    right = await read_all(store, CHECKSUMS)
    match stale:
        case "missing":
            await store.delete(CHECKSUMS)
        case "older":
            await store.put(CHECKSUMS, older, expect=ANY)
        case "damaged":
            await store.put(CHECKSUMS, b"{", expect=ANY)
        case _:
            await store.put(
                CHECKSUMS, right.replace(b'"row_count": 1', b'"row_count": 2'), expect=ANY
            )
    with Workers(1) as workers:
        report = await verify(store, PARTITION, workers)
        assert report.mended == ("_checksums.json",)
        assert await read_all(store, CHECKSUMS) == right
        assert (await verify(store, PARTITION, workers)).mended == ()


@pytest.mark.asyncio
async def test_checksums_of_a_later_generation_are_left_alone() -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    later = (await read_all(store, CHECKSUMS)).replace(b'"generation": 1', b'"generation": 2')
    await store.put(CHECKSUMS, later, expect=ANY)
    assert await check(store) == []
    assert await read_all(store, CHECKSUMS) == later


@pytest.mark.asyncio
async def test_reader_who_may_not_write_can_verify() -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    await store.delete(CHECKSUMS)
    watched = inject(store)
    await check(watched)
    at = [method for method, _ in watched.script.operations].index("put") + 1
    await store.delete(CHECKSUMS)
    broken = inject(store, at, "fail_before")
    assert await check(broken) == []
    assert broken.script.fired


@pytest.mark.asyncio
async def test_partition_without_manifest_is_state001() -> None:
    with pytest.raises(StateError, match="nothing was committed"):
        await check(MemoryStore())
