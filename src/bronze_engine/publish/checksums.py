"""`_checksums.json`: derived from the manifest, for tools that only check hashes."""

from __future__ import annotations

import hashlib

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import Conflict, OutcomeUnknown, StoreError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.manifest import CHECKSUMS_NAME, Checksums, Manifest
from bronze_engine.model.part import ABSENT

__all__ = ["checksums_of", "denied_by", "read_checksums", "write_checksums"]

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


async def read_checksums(store: Store, partition: str) -> Checksums | None:
    """What stands beside the manifest; None for none, and for what is damaged: the manifest is
    the truth. Raises StoreError."""
    found = await store.get(f"{partition}/{CHECKSUMS_NAME}")
    return None if found is None else _decoded(found.body)


def denied_by(checksums: Checksums, manifest: Manifest, sha256: str) -> str | None:
    """Why the manifest, whose bytes hash to `sha256`, is not what its commit wrote; None if it is.

    Checksums are written after it: older ones are those of a run that ended in between, and say
    nothing. Those of a later generation, of the same and another content, or of the same run and
    another generation, say that it was changed, or put back from a copy: each commit has a run of
    its own.
    """
    if checksums.manifest_sha256 == sha256:
        return None
    if checksums.generation < manifest.generation and checksums.run != manifest.run:
        return None
    return (
        f"of generation {manifest.generation} with sha256 {sha256}, and {CHECKSUMS_NAME} beside it"
        f" of generation {checksums.generation} with {checksums.manifest_sha256}: it was changed,"
        " or put back from a copy"
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
    found = _decoded(body)
    return found is not None and found.generation > mine.generation


def _decoded(body: bytes) -> Checksums | None:
    try:
        return msgspec.json.decode(body, type=Checksums)
    except DAMAGED:
        return None
