"""What a run would do, found out without a data request and without a write."""

from __future__ import annotations

from datetime import date

from bronze_engine.config.partition_by import PartitionField
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.model.report import RunPlan
from bronze_engine.plan.asked import date_warning
from bronze_engine.plan.window import planned_window
from bronze_engine.publish.names import data_name
from bronze_engine.run.services import Identity, Services
from bronze_engine.run.survey import survey
from bronze_engine.state import checkpoints
from bronze_engine.telemetry.metrics import SourceTally

__all__ = ["plan_pipeline"]


async def plan_pipeline(
    pipeline: Pipeline, run_date: date, services: Services, *, full_refresh: bool
) -> RunPlan:
    """Survey and plan as a run does, and ask the source for its preview."""
    identity = Identity.new(services.clock)
    stores = await services.stores(pipeline)
    standing = await survey(stores, pipeline, run_date, identity, full_refresh=full_refresh)
    tally = SourceTally()
    resources = services.resources(pipeline, tally)
    source_type = await services.source_type(pipeline)
    async with source_type.open(pipeline.source, standing.request, resources) as source:
        preview = source.preview()
    generation = standing.base.generation + 1
    files = data_name(generation=generation, run="0" * 12, slice=0, number=0)
    fields = map(PartitionField.parse, pipeline.output.partition_by)
    folders = "".join(f"{field.key(field.column)}={{{field.by}}}/" for field in fields)
    manifest = standing.base.committed
    warning = date_warning(pipeline, run_date, services.today(), later=standing.later)
    found, _ = await checkpoints.read(stores.state, pipeline.system, pipeline.entity, run_date)
    notes = [*preview.notes, *tally.warnings, *([warning] if warning else [])]
    if found is not None and found.generation == generation:
        notes.append(
            f"run {found.run} was broken off with {len(found.slices)} slices landed: it is resumed"
            " behind them, if nothing has changed since"
        )
    return RunPlan(
        pipeline=pipeline.name,
        run_date=run_date,
        load=pipeline.load,
        partition=f"{stores.target.url}/{standing.partition}",
        files=folders + files.replace("0" * 12, "{run}"),
        first=preview.first,
        slices=preview.slices,
        window=planned_window(standing.request),
        limits=resources.limits.describe(),
        generation=generation,
        committed=None if manifest is None else manifest.run,
        notes=tuple(notes),
    )
