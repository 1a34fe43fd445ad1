"""The records that a curated table has kept out: those of its dates, and those of a failed run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import StateError
from bronze_engine.model.manifest import Manifest, RejectFile
from bronze_engine.model.quarantine import QuarantineReport
from bronze_engine.publish.base import read_base
from bronze_engine.run.rejects import RejectsFile, first_rejects
from bronze_engine.run.services import Stores
from bronze_engine.state import reports
from bronze_engine.workers import Workers

__all__ = ["read_table_quarantine"]

_RUNS: Final = 100
"""Newest runs that are looked through for one whose date was not given."""


async def read_table_quarantine(
    stores: Stores,
    workers: Workers,
    pipeline: Pipeline,
    folder: str,
    *,
    run_date: date | None,
    run: str | None,
    limit: int | None,
) -> QuarantineReport:
    """The rejected records of the table at `folder`, of one date of Bronze where one is given; or
    those of `run`, which has failed for them.

    Raises StateError where there is no such table, date or run, StoreError where a file is not
    what was written.
    """
    if run is not None:
        return await _of_run(stores, workers, pipeline, run_date, run, limit)
    base = await read_base(stores.target, folder, pipeline=pipeline.name, adopt=True)
    manifest = base.committed
    if manifest is None:
        raise StateError(
            f"{folder} has no commit; `bronze silver {pipeline.name}` makes the table, and"
            f" `bronze history {pipeline.name} --silver` lists runs that failed",
            partition=folder,
        )
    kept = manifest.quarantine if run_date is None else _of_date(manifest, run_date)
    files = [RejectsFile(key=f"{folder}/{file.name}", sha256=file.sha256) for file in kept]
    return QuarantineReport(
        pipeline=pipeline.name,
        run_date=run_date or manifest.run_date,
        partition=f"{stores.target.url}/{folder}",
        run=manifest.run,
        is_committed=True,
        total=sum(file.row_count for file in kept),
        records=await first_rejects(stores.target, files, workers, limit),
    )


def _of_date(manifest: Manifest, run_date: date) -> Sequence[RejectFile]:
    inputs = manifest.silver.inputs if manifest.silver is not None else ()
    for each in inputs:
        if each.run_date == run_date:
            return [file for file in manifest.quarantine if file.name == each.quarantine]
    raise StateError(
        f"the table does not hold {run_date}; `bronze plan {manifest.pipeline} --silver` says what"
        " it has yet to take in"
    )


async def _of_run(
    stores: Stores,
    workers: Workers,
    pipeline: Pipeline,
    run_date: date | None,
    run: str,
    limit: int | None,
) -> QuarantineReport:
    system, entity = reports.silver_system(pipeline.system), pipeline.entity
    if run_date is None:
        newest = await reports.newest(stores.state, system, entity, limit=_RUNS)
        run_date = next((day for day, name in newest if name == run), None)
    known = {}
    if run_date is not None:
        known = await reports.rejected_runs(stores.state, system, entity, run_date)
    if run_date is None or run not in known:
        raise StateError(
            f"run {run} has kept no records; `bronze history {pipeline.name} --silver` lists the"
            " runs of the table",
            run=run,
        )
    files = [RejectsFile(key=key) for key in known[run]]
    records = await first_rejects(stores.state, files, workers, limit)
    key = reports.rejected_key(system, entity, run_date, run)
    return QuarantineReport(
        pipeline=pipeline.name,
        run_date=run_date,
        partition=f"{stores.state.url}/{key}",
        run=run,
        is_committed=False,
        total=len(records) if limit is None or len(records) < limit else None,
        records=records,
    )
