"""The manifest of a Silver table's next generation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

import pyarrow as pa

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.model.arrow import schema_from_text, schema_to_text
from bronze_engine.model.manifest import (
    FORMAT_VERSION,
    Manifest,
    RejectFile,
    SourceInfo,
    columns_of,
)
from bronze_engine.model.part import DataFile, Staged
from bronze_engine.model.quality import RuleResult
from bronze_engine.model.silver import BronzeInput, SilverTable
from bronze_engine.publish.base import Base
from bronze_engine.run.services import Identity
from bronze_engine.silver.contract import changes
from bronze_engine.silver.inputs import Work
from bronze_engine.silver.shape import Shape
from bronze_engine.version import __version__

__all__ = ["compose_manifest", "files_of", "inputs_of", "quarantine_of"]


def compose_manifest(
    pipeline: Pipeline,
    base: Base,
    work: Work,
    shape: Shape,
    identity: Identity,
    *,
    table: SilverTable,
    schema: pa.Schema,
    files: Sequence[DataFile],
    quarantine: Sequence[RejectFile],
    quality: Sequence[RuleResult],
    config_hash: str,
    location: str,
    written_at: datetime,
    duration_seconds: float,
) -> Manifest:
    """The generation after `base`, without its lineage: the commit adds that.

    `location` is the folder of the entity's Bronze; `files` are those that stay, then the new
    ones.
    """
    before = base.committed
    then = (
        None if before is None or not before.arrow_schema else schema_from_text(before.arrow_schema)
    )
    return Manifest(
        format_version=FORMAT_VERSION,
        pipeline=pipeline.name,
        system=pipeline.system,
        entity=pipeline.entity,
        run_date=work.run_date,
        run=identity.run,
        attempt=identity.attempt,
        generation=base.generation + 1,
        epoch=work.epoch,
        written_at=written_at,
        load=work.load,
        primary_key=shape.keys,
        source=SourceInfo(type="silver", location=location),
        row_count=sum(file.row_count for file in files),
        rejected_count=sum(one.rejected for one in table.inputs),
        schema=columns_of(schema),
        arrow_schema=schema_to_text(schema),
        base_schema=() if then is None else columns_of(then),
        schema_changes=changes(before, schema),
        files=tuple(files),
        quarantine=tuple(quarantine),
        quality=tuple(quality),
        silver=table,
        config_hash=config_hash,
        engine_version=__version__,
        duration_seconds=round(duration_seconds, 3),
    )


def inputs_of(
    work: Work, rejected: Mapping[date, int], quarantine: Mapping[date, RejectFile]
) -> tuple[BronzeInput, ...]:
    """All generations that the table counts now. `rejected` of the dates whose records were taken
    in, with the files that hold these; what was kept out of the others stands as it was."""
    inputs = {one.run_date: one for one in work.retained}
    for landed in work.counted:
        day = landed.run_date
        had = work.before.get(day)
        if day in rejected or had is None:
            file = quarantine.get(day)
            name = "" if file is None else file.name
            inputs[day] = landed.as_input(rejected=rejected.get(day, 0), quarantine=name)
        else:
            inputs[day] = landed.as_input(rejected=had.rejected, quarantine=had.quarantine)
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
