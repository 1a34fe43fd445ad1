"""What Bronze has committed: the manifests of all dates of an entity, with the hashes of their
bytes, by which a Silver manifest says what went into the table."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Final

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, StateError
from bronze_engine.flow import each
from bronze_engine.model.manifest import MANIFEST_NAME, partition_path
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.silver.inputs.inputs import Landed
from bronze_engine.silver.inputs.seal import check_place, check_whole
from bronze_engine.state.partitions import committed_dates

__all__ = ["landed_again", "read_bronze"]

_AT_ONCE: Final = 16


async def read_bronze(store: Store, system: str, entity: str) -> dict[date, Landed]:
    """All committed dates; void ones are none.

    One listing, and a small read for each date. Raises StateError for a manifest that can't be
    read, StoreError, also for one that is damaged, or was made for another partition.
    """
    return await _read(store, system, entity, await committed_dates(store, system, entity))


async def landed_again(
    store: Store, system: str, entity: str, read: Sequence[Landed]
) -> StateError | None:
    """The error of a run whose Bronze was replaced while it was read; else None.

    For whoever meets an error that this would explain: a run that lands a date again removes the
    files of the generation before. A store that can't be asked says nothing.
    """
    try:
        now = await _read(store, system, entity, [one.run_date for one in read])
    except BronzeError:
        return None
    for one in read:
        other = now.get(one.run_date)
        if other is None or other.sha256 != one.sha256:
            partition = partition_path(system, entity, one.run_date)
            what = (
                "was removed"
                if other is None
                else f"was landed again by run {other.manifest.run}"
                f" (generation {other.manifest.generation})"
            )
            return StateError(
                f"{partition} {what} while its generation {one.manifest.generation} was read;"
                " nothing was published, run again",
                partition=partition,
            )
    return None


async def _read(
    store: Store, system: str, entity: str, run_dates: Sequence[date]
) -> dict[date, Landed]:
    found: dict[date, Landed] = {}

    async def read(day: date) -> None:
        key = f"{partition_path(system, entity, day)}/{MANIFEST_NAME}"
        body = await store.get(key)
        if body is None:
            return
        check_whole(key, body.body)
        manifest = decode_manifest(body.body, key)
        if manifest.status == "committed":
            check_place(manifest, system, entity, day)
            sha256 = hashlib.sha256(body.body).hexdigest()
            found[day] = Landed(manifest=manifest, sha256=sha256)

    await each(run_dates, read, at_once=_AT_ONCE)
    return dict(sorted(found.items()))
