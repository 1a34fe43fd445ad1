"""Whether a manifest of Bronze is the one that its partition's commit wrote."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest, partition_path
from bronze_engine.publish.checksums import denied_by, read_checksums
from bronze_engine.silver.database.spool import Verify
from bronze_engine.silver.inputs.inputs import Landed

__all__ = ["check_place", "check_seal", "check_whole"]

_NEXT: Final = "nothing was published. Land that date again, or put the right one back"


def check_whole(key: str, body: bytes) -> None:
    """Raise StoreError for a manifest that is no JSON any more: no version of ours wrote that."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except DAMAGED as exc:
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
    checksums = await read_checksums(store, partition)
    denied = checksums and denied_by(checksums, landed.manifest, landed.sha256)
    if not denied:
        return
    told = f"{partition}/{MANIFEST_NAME} in {store.url} is {denied}"
    if verify == "warn":
        warn(f"{told}; it is read as it is")
        return
    raise StoreError(f"{told}; {_NEXT}", partition=partition)
