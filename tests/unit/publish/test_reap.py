"""Reaping removes what can no longer be committed, and nothing else."""

from __future__ import annotations

import pytest

from bronze_engine.model.part import ANY
from bronze_engine.publish.names import data_name, pages_name, quarantine_name
from bronze_engine.publish.reap import reap
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import inject
from bronze_engine.testing.stores import keys_of, stage_bytes, staged_keys

from .runs import PARTITION, publish_run, read_partition

pytestmark = pytest.mark.unit


def named(run: str, generation: int, number: int = 0) -> str:
    return data_name(generation=generation, run=run, slice=0, number=number)


@pytest.mark.asyncio
async def test_what_is_older_or_equal_and_unlisted_is_removed() -> None:
    store = MemoryStore()
    await publish_run(store, "r1")
    published = await publish_run(store, "r2")
    dead = [
        named("crashed", 1),
        named("lost", 2),
        f"country=DE/{named('lost', 2)}",
        quarantine_name(generation=2, run="lost", slice=0),
        pages_name(generation=2, run="lost", slice=0, number=0),
    ]
    for name in dead:
        await store.put(f"{PARTITION}/{name}", b"x", expect=ANY)
    await stage_bytes(store, f"{PARTITION}/{named('staged', 2)}", b"x")
    await stage_bytes(store, f"{PARTITION}/{named('r2', 2)}", b"a second copy")
    reaped = await reap(store, PARTITION, published.manifest)
    of_r1 = [
        named("r1", 1),
        quarantine_name(generation=1, run="r1", slice=0),
        pages_name(generation=1, run="r1", slice=0, number=0),
    ]
    staged = [named("staged", 2), named("r2", 2)]
    assert reaped.removed == tuple(sorted(dead + of_r1 + staged))
    assert reaped.warnings == ()
    assert await read_partition(store) == "r2"
    assert await staged_keys(store) == []
    assert await reap(store, PARTITION, published.manifest) == type(reaped)()


@pytest.mark.asyncio
async def test_later_generations_and_foreign_names_are_never_touched() -> None:
    store = MemoryStore()
    published = await publish_run(store, "r1")
    foreign = [
        named("next", 2),
        "notes.txt",
        "part-0.parquet",
        f"{named('r0', 1)}.bak",
        f"backup/{named('r0', 1)}",
        "_quarantine/readme",
    ]
    for name in foreign:
        await store.put(f"{PARTITION}/{name}", b"x", expect=ANY)
    other_partition = f"{PARTITION}0/{named('r0', 1)}"
    await store.put(other_partition, b"x", expect=ANY)
    await stage_bytes(store, f"{PARTITION}/{named('next', 2)}", b"x")
    await stage_bytes(store, f"{PARTITION}/upload.bin", b"x")
    before = await keys_of(store)
    assert (await reap(store, PARTITION, published.manifest)).removed == ()
    assert await keys_of(store) == before
    assert len(await staged_keys(store)) == 2


@pytest.mark.asyncio
async def test_faults_of_the_store_are_warnings_and_the_rest_is_removed() -> None:
    for at, told in ((1, "not listed"), (2, "not listed"), (3, "not removed")):
        store = MemoryStore()
        published = await publish_run(store, "r1")
        dead = [named("dead", 1, number) for number in range(3)]
        for name in dead:
            await store.put(f"{PARTITION}/{name}", b"x", expect=ANY)
        reaped = await reap(inject(store, at, "fail_before"), PARTITION, published.manifest)
        assert len(reaped.warnings) == 1
        assert told in reaped.warnings[0]
        assert (await reap(store, PARTITION, published.manifest)).warnings == ()
        assert not [key for key in await keys_of(store) if "-dead-" in key]


@pytest.mark.asyncio
async def test_a_file_is_ours_under_its_folders_first_name_where_there_is_no_case() -> None:
    store = MemoryStore()
    published = await publish_run(store, "r1")
    lower = f"country=de/{named('r1', 1)}"
    await store.put(f"{PARTITION}/{lower}", b"x", expect=ANY)
    assert (await reap(store, PARTITION, published.manifest)).removed == ()
    assert lower in [key.removeprefix(f"{PARTITION}/") for key in await keys_of(store)]
