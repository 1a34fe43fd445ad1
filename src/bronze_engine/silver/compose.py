"""The manifest of a Silver table's next generation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import pyarrow as pa

from bronze_engine.model.arrow import schema_to_text
from bronze_engine.model.manifest import (
    FORMAT_VERSION,
    Manifest,
    RejectFile,
    SourceInfo,
    columns_of,
)
from bronze_engine.model.part import DataFile, Staged
from bronze_engine.model.silver import BronzeInput, SilverTable
from bronze_engine.silver.columns.contract import changes, schema_of
from bronze_engine.silver.columns.shape import Shape
from bronze_engine.silver.inputs.inputs import Work
from bronze_engine.silver.intake.intake import Taken
from bronze_engine.silver.job import Job
from bronze_engine.silver.merge.merge import MergePlan
from bronze_engine.version import __version__

__all__ = ["compose_manifest", "files_of", "inputs_of", "quarantine_of"]


def compose_manifest(
    job: Job,
    shape: Shape,
    plan: MergePlan,
    taken: Taken,
    *,
    schema: pa.Schema,
    data: Sequence[Staged],
    deleted: Sequence[Staged],
    quarantine: Mapping[date, RejectFile],
) -> Manifest:
    """The generation after the base, without its lineage: the commit adds that.

    `schema` is the table's; `data`, `deleted` and `quarantine` (by run date) are what is new beside
    the files that stay.
    """
    pipeline, base, work, before = job.pipeline, job.base, job.work, job.before
    then = None if base.committed is None else schema_of(base.committed)
    files = (*plan.kept, *files_of(data))
    inputs = inputs_of(work, taken, quarantine)
    table = SilverTable(
        kind=shape.kind,
        history=shape.history,
        deletes=shape.deletes,
        unique_columns=shape.keys,
        order_by=shape.order,
        inputs=inputs,
        mode=plan.mode,
        deleted=(*plan.kept_departed, *files_of(deleted)),
        kept_files=len(plan.kept),
        current_rows=plan.current_rows,
    )
    return Manifest(
        format_version=FORMAT_VERSION,
        pipeline=pipeline.name,
        system=pipeline.system,
        entity=pipeline.entity,
        run_date=work.run_date,
        run=job.identity.run,
        attempt=job.identity.attempt,
        generation=job.generation,
        epoch=work.epoch,
        written_at=job.services.clock.now(),
        load=work.load,
        primary_key=shape.keys,
        source=SourceInfo(type="silver", location=f"{pipeline.system}/{pipeline.entity}"),
        row_count=sum(file.row_count for file in files),
        rejected_count=sum(one.rejected for one in inputs),
        late_rows=sum(one.late for one in inputs),
        schema=columns_of(schema),
        arrow_schema=schema_to_text(schema),
        base_schema=() if then is None else columns_of(then),
        schema_changes=changes(base.committed, schema),
        files=files,
        quarantine=quarantine_of(inputs, before, quarantine.values()),
        quality=taken.quality,
        silver=table,
        config_hash=job.config_hash,
        engine_version=__version__,
        duration_seconds=round(job.account.seconds, 3),
    )


def inputs_of(
    work: Work, taken: Taken, quarantine: Mapping[date, RejectFile]
) -> tuple[BronzeInput, ...]:
    """All generations that the table counts now. `taken` of the dates whose records were taken in,
    with the files that hold those kept out; what was kept out of the others stands as it was."""
    inputs = {one.run_date: one for one in work.retained}
    for landed in work.counted:
        day = landed.run_date
        had = work.before.get(day)
        if day in taken.rejected or had is None:
            file = quarantine.get(day)
            inputs[day] = landed.as_input(
                rejected=taken.rejected.get(day, 0),
                late=taken.late.get(day, 0),
                standing=taken.standing.get(day),
                quarantine="" if file is None else file.name,
            )
        else:
            inputs[day] = landed.as_input(
                rejected=had.rejected,
                late=had.late,
                standing=had.standing,
                quarantine=had.quarantine,
            )
    return tuple(inputs[day] for day in sorted(inputs))


def quarantine_of(
    inputs: Iterable[BronzeInput], before: Manifest | None, new: Iterable[RejectFile]
) -> tuple[RejectFile, ...]:
    """The quarantine files of what the table counts, by run date: a date that was landed again has
    taken its own along."""
    known = () if before is None else before.quarantine
    files = {file.name: file for file in (*known, *new)}
    return tuple(files[one.quarantine] for one in inputs if one.quarantine in files)


def files_of(staged: Sequence[Staged]) -> tuple[DataFile, ...]:
    """What the staged files are called in a manifest."""
    return tuple(one.file for one in staged if one.file is not None)
