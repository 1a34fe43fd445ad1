"""A whole run of the commit protocol without its source, and a reader that judges the result."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, date, datetime

import anyio
import msgspec

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError
from bronze_engine.model.manifest import (
    FORMAT_VERSION,
    Manifest,
    PageFile,
    RejectFile,
    SourceInfo,
    partition_path,
)
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.part import DataFile, Staged
from bronze_engine.model.window import Window
from bronze_engine.publish.base import Base, read_base
from bronze_engine.publish.commit import Published, publish
from bronze_engine.publish.gc import Collected, collect_partition
from bronze_engine.publish.lease import hold_lease, lease_key, this_process
from bronze_engine.publish.names import data_name, pages_name, parse, quarantine_name
from bronze_engine.publish.reap import reap
from bronze_engine.state import hint
from bronze_engine.testing.stores import keys_of, parts_of, staged_keys

PIPELINE = "team.orders"
SYSTEM = "shop"
ENTITY = "orders"
RUN_DATE = date(2025, 1, 15)
PARTITION = partition_path(SYSTEM, ENTITY, RUN_DATE)
MANIFEST_KEY = f"{PARTITION}/_metadata.json"
FILES = 1
PART_BYTES = 16
"""So that each file has several; S3 wants at least 5 MiB of all but the last."""
GC = "gc-1"
"""The run that a fence is committed by."""


def body_of(run: str, number: int) -> bytes:
    return f"rows of {run}, file {number}".encode()


def manifest_of(
    run: str,
    generation: int,
    files: tuple[DataFile, ...] = (),
    quarantine: tuple[RejectFile, ...] = (),
    pages: tuple[PageFile, ...] = (),
    *,
    run_date: date = RUN_DATE,
    epoch: int = 1,
) -> Manifest:
    return Manifest(
        format_version=FORMAT_VERSION,
        pipeline=PIPELINE,
        system=SYSTEM,
        entity=ENTITY,
        run_date=run_date,
        run=run,
        attempt=f"{run}-attempt",
        generation=generation,
        epoch=epoch,
        written_at=datetime(2025, 1, 16, tzinfo=UTC),
        load="full",
        source=SourceInfo(type="http", location="http://localhost/orders"),
        row_count=len(files),
        files=files,
        quarantine=quarantine,
        pages=pages,
        watermark=Window(column="id", type="integer", low="0", high=str(generation)),
    )


async def stage_run(
    store: Store, base: Base, run: str, files: int = FILES
) -> tuple[Manifest, list[Staged]]:
    """Stage data files, a quarantine file and one of captured pages; make their manifest."""
    generation = base.generation + 1
    names = [
        data_name(generation=generation, run=run, slice=0, number=number) for number in range(files)
    ]
    names.append(quarantine_name(generation=generation, run=run, slice=0))
    names.append(pages_name(generation=generation, run=run, slice=0, number=0))
    staged: list[Staged] = []
    try:
        for number, name in enumerate(names):
            body = body_of(run, number)
            async with store.stage(f"{base.partition}/{name}") as upload:
                for part in parts_of(body, PART_BYTES):
                    await upload.part(part)
                file = DataFile(
                    name=name,
                    size_bytes=len(body),
                    sha256=hashlib.sha256(body).hexdigest(),
                    row_count=1,
                )
                staged.append(await upload.seal(file))
    except BaseException:
        with anyio.CancelScope(shield=True):
            for one in staged:
                with suppress(BronzeError):
                    await store.discard(one)
        raise
    made = [one.file for one in staged if one.file is not None]
    *data, rejected, captured = made
    rejects = RejectFile(
        name=rejected.name, size_bytes=rejected.size_bytes, sha256=rejected.sha256, row_count=1
    )
    pages = PageFile(
        name=captured.name, size_bytes=captured.size_bytes, sha256=captured.sha256, page_count=1
    )
    return manifest_of(run, generation, tuple(data), (rejects,), (pages,)), staged


async def publish_run(store: Store, run: str, clock: Clock = SYSTEM_CLOCK) -> Published:
    """Base, stage, publish: a run without its lease and what follows the commit."""
    base = await read_base(store, PARTITION, pipeline=PIPELINE)
    manifest, staged = await stage_run(store, base, run)
    return await publish(store, base, manifest, staged, clock)


async def whole_run(store: Store, run: str, clock: Clock = SYSTEM_CLOCK) -> Published:
    """Every step of the protocol, in order."""
    holder = this_process(run, f"{run}-attempt", clock)
    async with hold_lease(store, lease_key(SYSTEM, ENTITY, RUN_DATE), holder, clock):
        published = await publish_run(store, run, clock)
        await hint.advance(store, published.manifest)
        await reap(store, PARTITION, published.manifest)
    return published


def void_manifest(attempt: str = f"{GC}-attempt") -> Manifest:
    """What a gc fences a partition without a manifest with."""
    void = manifest_of(GC, 1)
    return msgspec.structs.replace(void, attempt=attempt, status="void", watermark=None)


async def whole_gc(store: Store, clock: Clock = SYSTEM_CLOCK) -> Collected:
    """Every step of a garbage collection, in order."""
    holder = this_process(GC, f"{GC}-attempt", clock)
    async with hold_lease(store, lease_key(SYSTEM, ENTITY, RUN_DATE), holder, clock):
        done = await collect_partition(store, void_manifest(), clock, grace_seconds=lambda: 10.0)
        if done.fenced is not None:
            await hint.advance(store, done.fenced.manifest)
    return done


async def read_partition(store: Store) -> str | None:
    """What a reader that follows the manifest sees, checked byte for byte: the run that wrote
    the files, or None."""
    found = await store.get(MANIFEST_KEY)
    if found is None:
        return None
    manifest = decode_manifest(found.body, MANIFEST_KEY)
    if manifest.status == "void":
        assert manifest.names == frozenset()
        return None
    assert len(manifest.files) == FILES
    assert len(manifest.quarantine) == 1
    assert len(manifest.pages) == 1
    [run] = {known.run for name in manifest.names if (known := parse(name)) is not None}
    assert manifest.run in {run, GC}
    for number, name in enumerate(file.name for file in manifest.listed):
        async with store.read(f"{PARTITION}/{name}") as chunks:
            body = b"".join([chunk async for chunk in chunks])
        assert body == body_of(run, number), f"{name} is torn"
    return run


async def assert_clean(store: Store, run: str) -> None:
    """The partition holds exactly what `run` published; no orphan, no staged file, no lease."""
    assert await read_partition(store) == run
    names = [key.removeprefix(f"{PARTITION}/") for key in await keys_of(store, f"{PARTITION}/")]
    ours = [parse(name) for name in names]
    assert [name for name, known in zip(names, ours, strict=True) if known is None] == [
        "_checksums.json",
        "_metadata.json",
    ]
    assert sorted(known.run for known in ours if known is not None) == [run] * (FILES + 2)
    assert await staged_keys(store) == []
    assert await keys_of(store, "_state/") == [hint.key_of(SYSTEM, ENTITY)]
    hinted = await hint.read(store, SYSTEM, ENTITY)
    assert hinted is not None
    assert hinted.run == run
