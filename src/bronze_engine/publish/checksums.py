"""`_checksums.json`: derived from the manifest, for tools that only check hashes."""

from __future__ import annotations

import hashlib

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import Conflict, OutcomeUnknown, StoreError
from bronze_engine.model.manifest import CHECKSUMS_NAME, Checksums, Manifest
from bronze_engine.model.part import ABSENT

__all__ = ["checksums_of", "write_checksums"]

_TRIES = 5


def checksums_of(manifest: Manifest, body: bytes) -> Checksums:
    """What stands beside a manifest whose bytes are `body`."""
    return Checksums(
        generation=manifest.generation,
        run=manifest.run,
        files=tuple(
            Checksums.File(
                path=file.name,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                row_count=file.row_count,
            )
            for file in manifest.files
        ),
        manifest_sha256=hashlib.sha256(body).hexdigest(),
    )


async def write_checksums(store: Store, partition: str, checksums: Checksums) -> bool:
    """Write the file unless it is up to date or of a later generation; True if it was written.

    Raises StoreError.
    """
    key = f"{partition}/{CHECKSUMS_NAME}"
    body = msgspec.json.format(msgspec.json.encode(checksums)) + b"\n"
    for _ in range(_TRIES):
        found = await store.get(key)
        if found is not None and (found.body == body or _is_later(found.body, checksums)):
            return False
        try:
            await store.put(key, body, expect=ABSENT if found is None else found.version)
        except (Conflict, OutcomeUnknown):  # what stands there now tells what became of it
            continue
        return True
    raise StoreError(f"{key} was not written in {_TRIES} tries; run `bronze verify` later", key=key)


def _is_later(body: bytes, mine: Checksums) -> bool:
    try:
        return msgspec.json.decode(body, type=Checksums).generation > mine.generation
    except msgspec.MsgspecError:
        return False  # whatever it was, the manifest is the truth
