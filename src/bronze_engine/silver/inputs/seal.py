"""Whether a manifest of Bronze is the one that its partition's commit wrote.

The manifest is the truth, and `_checksums.json` is written after it: an older one is that of a run
that ended in between, and says nothing. One of a later generation, of the same and another
content, or of the same run and another generation, says that the manifest was changed, or put back
from a copy: each commit has a run of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.manifest import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    Checksums,
    Manifest,
    partition_path,
)
from bronze_engine.silver.database.spool import Verify
from bronze_engine.silver.inputs.inputs import Landed

__all__ = ["check_place", "check_seal", "check_whole"]

_NEXT: Final = "nothing was published. Land that date again, or put the right one back"


def check_whole(key: str, body: bytes) -> None:
    """Raise StoreError for a manifest that is no JSON any more: no version of ours wrote that."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError as exc:
        raise StoreError(f"{key} is damaged ({exc}); {_NEXT}", key=key) from exc


def check_place(manifest: Manifest, system: str, entity: str, run_date: date) -> None:
    """Raise StoreError for a manifest that was made for another partition."""
    stands = partition_path(system, entity, run_date)
    belongs = partition_path(manifest.system, manifest.entity, manifest.run_date)
    if stands != belongs:
        raise StoreError(f"{stands}/{MANIFEST_NAME} is the manifest of {belongs}; {_NEXT}")


async def check_seal(
    store: Store, partition: str, landed: Landed, verify: Verify, warn: Callable[[str], None]
) -> None:
    """Raise StoreError, or with "warn" say, that the manifest is not what was committed."""
    if verify == "off":
        return
    found = await store.get(f"{partition}/{CHECKSUMS_NAME}")
    checksums = None if found is None else _decoded(found.body)
    mine, run = landed.manifest.generation, landed.manifest.run
    if checksums is None or checksums.manifest_sha256 == landed.sha256:
        return
    if checksums.generation < mine and checksums.run != run:
        return
    told = (
        f"{partition}/{MANIFEST_NAME} in {store.url} is of generation {mine} with sha256"
        f" {landed.sha256}, and {CHECKSUMS_NAME} beside it of generation {checksums.generation}"
        f" with {checksums.manifest_sha256}: it was changed, or put back from a copy"
    )
    if verify == "warn":
        warn(f"{told}; it is read as it is")
        return
    raise StoreError(f"{told}; {_NEXT}", partition=partition)


def _decoded(body: bytes) -> Checksums | None:
    try:
        return msgspec.json.decode(body, type=Checksums)
    except msgspec.MsgspecError:
        return None  # whatever it was, the manifest is the truth
