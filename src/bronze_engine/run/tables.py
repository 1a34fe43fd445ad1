"""The table of another format that follows what a run commits, where one is configured."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.contracts import LakeTable, Store, TablePlace
from bronze_engine.errors import BronzeError, QualityError, StoreError
from bronze_engine.model.manifest import DELTA_LOG, MANIFEST_NAME, Manifest, partition_path
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.run.services import Services, Stores
from bronze_engine.state import behind
from bronze_engine.state.behind import Behind

__all__ = ["admit", "find_behind", "follow", "follow_all", "follow_dates"]

log = logging.getLogger(__name__)


async def admit(table: LakeTable | None, manifest: Manifest) -> None:
    """Before a commit: raise QualityError (QUAL001) where the table can't have its columns.

    A table that can't be read now ends no run: it follows later.
    """
    if table is None:
        return
    try:
        await table.admit(manifest)
    except QualityError as exc:
        if manifest.silver is None:
            raise
        raise QualityError(
            f"{exc.message}. If only its old columns are in the way: drop it from the catalog, or"
            f" move {DELTA_LOG} away, and the next run makes the curated table of the new ones",
            **exc.context,
        ) from exc
    except StoreError as exc:
        log.debug("whether the table takes the columns is not known yet: %s", exc)


async def follow(table: LakeTable | None, partitions: Collection[str]) -> tuple[str, ...]:
    """After a commit: warnings, where the table does not show it. Its readers still open the files
    of the generation before then: do not reap."""
    if table is None:
        return ()
    try:
        await table.follow(partitions)
    except BronzeError as exc:
        told = f"the table does not show it yet, and nothing was reaped: {exc}"
        return (f"{told}. The next run, or `bronze gc --delete`, mends that",)
    return ()


async def follow_dates(
    table: LakeTable | None, stores: Stores, manifest: Manifest
) -> tuple[str, ...]:
    """`follow` for a commit of Bronze, and for those of other dates that died before it: each has
    left a note."""
    if table is None:
        return ()
    system, entity = manifest.system, manifest.entity
    mine = Behind(manifest.run_date, manifest.generation)
    dates = {partition_path(system, entity, manifest.run_date)}
    done = {mine}
    try:
        for each in await behind.find(stores.state, system, entity):
            partition = partition_path(system, entity, each.run_date)
            # Looked at before the table follows: a commit that comes later keeps its note.
            if await _generation(stores.target, partition) >= each.generation:
                done.add(each)
            dates.add(partition)
    except BronzeError as exc:
        log.warning("which dates the table lacks is not known: %s", exc)
    warnings = await follow(table, sorted(dates))
    if warnings:
        return warnings
    try:
        for each in done:
            await behind.remove(stores.state, system, entity, each)
    except BronzeError as exc:
        log.warning("a note that the table lacks a date stays, and is looked at again: %s", exc)
    return ()


async def _generation(store: Store, partition: str) -> int:
    key = f"{partition}/{MANIFEST_NAME}"
    found = await store.get(key)
    return 0 if found is None else decode_manifest(found.body, key).generation


async def follow_all(pipeline: Pipeline, services: Services, dates: Collection[str]) -> None:
    """Make the tables of a pipeline show what is committed, and nothing else: of Bronze in these
    partitions, and of Silver. Raises what `LakeTable.follow` does, and ConfigError without the
    format's extra."""
    async for table, place in _tables(pipeline, services):
        await table.follow(dates if place.is_dated else [place.root], whole=True)


async def find_behind(
    pipeline: Pipeline, services: Services, dates: Collection[str]
) -> list[TablePlace]:
    """Which tables `follow_all` would change. Writes nothing; raises the same."""
    return [
        place
        async for table, place in _tables(pipeline, services)
        if await table.is_behind(dates if place.is_dated else [place.root])
    ]


async def _tables(
    pipeline: Pipeline, services: Services
) -> AsyncIterator[tuple[LakeTable, TablePlace]]:
    for output, _ in pipeline.table_outputs:
        table = await services.table(pipeline, output)
        if table is not None:
            yield table, TablePlace.of(pipeline, output)
