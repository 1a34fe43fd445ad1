"""The quarantine of a date: the rejected records beside its data, and those of a failed run."""

from __future__ import annotations

from datetime import date

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import StateError
from bronze_engine.model.manifest import partition_path
from bronze_engine.model.quarantine import QuarantineReport
from bronze_engine.run.rejects import RejectsFile, first_rejects
from bronze_engine.run.services import Stores
from bronze_engine.state.partitions import read_partition
from bronze_engine.state.reports import rejected_key, rejected_runs
from bronze_engine.workers import Workers

__all__ = ["read_quarantine"]


async def read_quarantine(
    stores: Stores,
    workers: Workers,
    pipeline: Pipeline,
    run_date: date,
    *,
    run: str | None = None,
    limit: int | None = None,
) -> QuarantineReport:
    """The rejected records of the committed partition, or of `run`, which may have failed.

    Raises StateError where there is no such partition or run, StoreError where a file is not
    what was written.
    """
    system, entity = pipeline.system, pipeline.entity
    partition = partition_path(system, entity, run_date)
    manifest = await read_partition(stores.target, system, entity, run_date)
    if manifest is not None and run in (None, manifest.run):
        files = [
            RejectsFile(key=f"{partition}/{file.name}", sha256=file.sha256)
            for file in manifest.quarantine
        ]
        records = await first_rejects(stores.target, files, workers, limit)
        return QuarantineReport(
            pipeline=pipeline.name,
            run_date=run_date,
            partition=f"{stores.target.url}/{partition}",
            run=manifest.run,
            is_committed=True,
            total=manifest.rejected_count,
            records=records,
        )
    known = await rejected_runs(stores.state, system, entity, run_date)
    if run is None or run not in known:
        raise StateError(
            (f"{partition} has no commit" if run is None else f"run {run} has kept no records")
            + (
                f"; runs of {run_date} that failed for rejected records: {', '.join(known)}"
                f" (bronze quarantine show {pipeline.name} --date {run_date} --run RUN)"
                if known
                else f"; no run of {pipeline.name} for {run_date} has failed for rejected records"
            ),
            partition=partition,
        )
    files = [RejectsFile(key=key) for key in known[run]]
    records = await first_rejects(stores.state, files, workers, limit)
    return QuarantineReport(
        pipeline=pipeline.name,
        run_date=run_date,
        partition=f"{stores.state.url}/{rejected_key(system, entity, run_date, run)}",
        run=run,
        is_committed=False,
        total=len(records) if limit is None or len(records) < limit else None,
        records=records,
    )
