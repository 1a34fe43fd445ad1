"""Is what the manifest names really there, byte for byte?"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, OutcomeUnknown, StateError, StoreError
from bronze_engine.flow import each
from bronze_engine.model.manifest import CHECKSUMS_NAME, DELTA_LOG, MANIFEST_NAME, run_date_of
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.part import StoredObject
from bronze_engine.model.report import FileFault, VerifyReport
from bronze_engine.publish.checksums import (
    checksums_of,
    denied_by,
    read_checksums,
    write_checksums,
)
from bronze_engine.workers import Workers

__all__ = ["verify"]

_AT_ONCE: Final = 4
_TRIES: Final = 5
_NEXT: Final = (
    f"land it again, or where you know that it is right remove {CHECKSUMS_NAME} and verify again"
)
_OURS: Final = frozenset({MANIFEST_NAME, CHECKSUMS_NAME})


class _File(msgspec.Struct, frozen=True):
    name: str
    size_bytes: int
    sha256: str


async def verify(store: Store, partition: str, workers: Workers) -> VerifyReport:
    """Hash every file that the manifest names, streaming, and compare sizes and hashes.

    The manifest is the truth: an older, damaged or missing `_checksums.json` is written anew
    (`mended`), unless the store does not let us write. One that denies the manifest
    (`checksums.denied_by`) is a fault of that, and stays. What a run replaces meanwhile is looked
    at anew. Raises StateError (STATE001) where there is no manifest (or a void one), it can't be
    read, or runs do not cease to replace it; StoreError where the store fails.
    """
    for _ in range(_TRIES):
        found = await _manifest(store, partition)
        try:
            report = await _compared(store, partition, found, workers)
        except StoreError:  # a file may be gone that a run has replaced
            if not await _is_replaced(store, found):
                raise
            continue
        if report.ok or not await _is_replaced(store, found):
            return report
    raise StateError(
        f"{partition} was landed again {_TRIES} times while it was verified; verify it once that"
        " has ended",
        partition=partition,
    )


async def _manifest(store: Store, partition: str) -> StoredObject:
    key = f"{partition}/{MANIFEST_NAME}"
    found = await store.get(key)
    if found is not None:
        return found
    is_dated = run_date_of(partition.rpartition("/")[2]) is not None
    step = (
        "run the pipeline for that date, or take the newest, which `bronze status` shows"
        if is_dated
        else "name a partition (dt=YYYY-MM-DD), or make the table (`bronze silver`)"
    )
    raise StateError(
        f"{store.url}/{key} does not exist: nothing was committed there; {step}", key=key
    )


async def _is_replaced(store: Store, manifest: StoredObject) -> bool:
    found = await store.get(manifest.key)
    return found is None or found.version != manifest.version


async def _compared(
    store: Store, partition: str, found: StoredObject, workers: Workers
) -> VerifyReport:
    manifest = decode_manifest(found.body, found.key)
    if manifest.status == "void":
        raise StateError(
            f"{found.key} is void: nothing is committed there, gc has only fenced off a dead run",
            key=found.key,
        )
    present = {
        info.key.removeprefix(f"{partition}/"): info.size_bytes
        async for info in store.scan(f"{partition}/")
        if not info.key.startswith(f"{partition}/{DELTA_LOG}/")
    }
    files = [_File(file.name, file.size_bytes, file.sha256) for file in manifest.listed]
    faults: list[FileFault] = []

    async def check(file: _File) -> None:
        fault = await _fault(store, f"{partition}/{file.name}", file, present, workers)
        if fault is not None:
            faults.append(FileFault(path=file.name, fault=fault))

    await each(files, check, at_once=_AT_ONCE)
    right = checksums_of(manifest, found.body)
    checksums = await read_checksums(store, partition)
    denied = checksums and denied_by(checksums, manifest, right.manifest_sha256)
    mended = False
    if denied:
        faults.append(FileFault(path=MANIFEST_NAME, fault=f"{denied}; {_NEXT}"))
    elif checksums != right:
        with suppress(BronzeError, OutcomeUnknown):  # who may not write verifies all the same
            mended = await write_checksums(store, partition, right)
    return VerifyReport(
        layer="bronze" if manifest.silver is None else "silver",
        pipeline=manifest.pipeline,
        partition=f"{store.url}/{partition}",
        generation=manifest.generation,
        run=manifest.run,
        files=len(manifest.files),
        rows=manifest.row_count,
        bytes=sum(file.size_bytes for file in manifest.files),
        faults=tuple(sorted(faults, key=lambda fault: fault.path)),
        unlisted=tuple(sorted(present.keys() - _OURS - manifest.names.union(manifest.superseded))),
        mended=(CHECKSUMS_NAME,) if mended else (),
    )


async def _fault(
    store: Store, key: str, file: _File, present: dict[str, int], workers: Workers
) -> str | None:
    size = present.get(file.name)
    if size is None:
        return "missing"
    if size != file.size_bytes:
        return f"{size} bytes instead of {file.size_bytes}"
    digest = hashlib.sha256()
    async with store.read(key) as chunks:
        async for chunk in chunks:
            await workers.run(digest.update, chunk)
    if digest.hexdigest() != file.sha256:
        return f"sha256 {digest.hexdigest()} instead of {file.sha256}"
    return None
