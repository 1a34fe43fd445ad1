"""Verification finds every byte that differs, and mends what is derived."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Store
from bronze_engine.errors import DamagedManifest, StateError
from bronze_engine.model.part import ANY, ObjectInfo, StoredObject
from bronze_engine.publish.verify import verify
from bronze_engine.store.local.store import open_local
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import FaultyStore, Script, inject
from bronze_engine.testing.stores import read_all
from bronze_engine.workers import Workers

from .runs import MANIFEST_KEY, PARTITION, publish_run

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
    assert (report.generation, report.run) == (1, "r1")
    assert report.partition == f"{tmp_path}/{PARTITION}"
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
@pytest.mark.parametrize(
    ("changed", "into"),
    [
        (b'"row_count": 1', b'"row_count": 3'),
        (b'"load": "full"', b'"load": "cdc"'),
        (b'"generation": 1', b'"generation": 0'),
        (b'"generation": 1', b'"generation": 2'),
        (b'"run": "r1"', b'"run": "r2"'),
    ],
)
async def test_a_manifest_that_was_changed_is_a_fault_and_stays_one(
    changed: bytes, into: bytes
) -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    body = await read_all(store, MANIFEST_KEY)
    checksums = await read_all(store, CHECKSUMS)
    assert changed in body
    await store.put(MANIFEST_KEY, body.replace(changed, into, 1), expect=ANY)
    for _ in range(2):
        assert await check(store) == [("_metadata.json", "of")]
        assert await read_all(store, CHECKSUMS) == checksums
    await store.delete(CHECKSUMS)
    assert await check(store) == []


@pytest.mark.asyncio
async def test_a_manifest_that_was_put_back_from_a_copy_is_a_fault() -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    older = await read_all(store, MANIFEST_KEY)
    await publish_run(store, "r2")
    await store.put(MANIFEST_KEY, older, expect=ANY)
    assert ("_metadata.json", "of") in await check(store)


@pytest.mark.asyncio
async def test_each_byte_of_a_manifest_that_is_no_text_any_more_is_found() -> None:
    """msgspec tells of it by an error that is none of its own: it was called a fault of ours."""
    store = MemoryStore()
    await publish_run(store, "r1")
    body = await read_all(store, MANIFEST_KEY)
    damaged = 0
    for at in range(len(body) - 1):
        flipped = body[:at] + bytes([body[at] ^ 0x80]) + body[at + 1 :]
        await store.put(MANIFEST_KEY, flipped, expect=ANY)
        try:
            assert await check(store) == [("_metadata.json", "of")]  # in a name: an unknown key
        except DamagedManifest:
            damaged += 1
    assert damaged > len(body) / 2


class Beside(FaultyStore):
    """Another run commits before each of these operations."""

    def __init__(self, store: Store, at: Container[int]) -> None:
        super().__init__(store, Script())
        self._at = at

    async def _turn(self) -> None:
        number = len(self.script.operations) + 1
        if number in self._at:
            await publish_run(self._store, f"beside{number}")

    async def get(self, key: str, /) -> StoredObject | None:
        await self._turn()
        return await super().get(key)

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        await self._turn()
        async with super().read(key, start=start, length=length) as chunks:
            yield chunks

    async def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        await self._turn()
        async for info in super().scan(prefix):
            yield info


@pytest.mark.asyncio
@pytest.mark.parametrize("at", range(1, 7))
async def test_a_run_beside_it_is_no_fault(at: int) -> None:
    """What it has begun with is gone when it looks."""
    store = MemoryStore()
    await publish_run(store, "r1")
    beside = Beside(store, {at})
    assert await check(beside) == []
    assert len(beside.script.operations) >= at


@pytest.mark.asyncio
async def test_runs_that_do_not_cease_are_state001() -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    with pytest.raises(StateError, match="landed again 5 times while it was verified"):
        await check(Beside(store, range(1000)))


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
