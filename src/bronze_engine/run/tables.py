"""The table of another format that follows what a run commits, where one is configured."""

from __future__ import annotations

import logging
from collections.abc import Collection

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.contracts import LakeTable, TablePlace
from bronze_engine.errors import BronzeError, StoreError
from bronze_engine.model.manifest import Manifest
from bronze_engine.run.services import Services

__all__ = ["admit", "follow", "follow_all"]

log = logging.getLogger(__name__)


async def admit(table: LakeTable | None, manifest: Manifest) -> None:
    """Before a commit: raise QualityError (QUAL001) where the table can't have its columns.

    A table that can't be read now ends no run: it follows later.
    """
    if table is None:
        return
    try:
        await table.admit(manifest)
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


async def follow_all(pipeline: Pipeline, services: Services, dates: Collection[str]) -> None:
    """Make the tables of a pipeline show what is committed, and nothing else: of Bronze in these
    partitions, and of Silver. Raises what `LakeTable.follow` does, and ConfigError without the
    format's extra."""
    for output, _ in pipeline.table_outputs:
        table = await services.table(pipeline, output)
        if table is not None:
            place = TablePlace.of(pipeline, output)
            await table.follow(dates if place.is_dated else [place.root], whole=True)
