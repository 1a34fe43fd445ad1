"""The manifest of a run, put together from what the plan, the slices and the source say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bronze_engine.config.cdc import Cdc
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import Request
from bronze_engine.decode.schema import schema_changes
from bronze_engine.decode.stamp import stamped_schema
from bronze_engine.encode.partition_values import check_fields
from bronze_engine.land.job import Job
from bronze_engine.land.landed import Landed, last_layout
from bronze_engine.model.arrow import schema_to_text
from bronze_engine.model.changes import ChangeCounts, Changes
from bronze_engine.model.layout import Layout
from bronze_engine.model.manifest import (
    FORMAT_VERSION,
    Manifest,
    PageFile,
    RejectFile,
    SchemaChange,
    SourceInfo,
    columns_of,
)
from bronze_engine.plan.window import final_window, highest
from bronze_engine.quality.operations import check_order
from bronze_engine.run.replay import fetched_by
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.version import __version__

__all__ = ["compose_manifest"]


def compose_manifest(
    job: Job,
    landed: Sequence[Landed],
    *,
    location: str,
    tally: SourceTally,
    attempt: str,
    written_at: datetime,
    duration_seconds: float,
) -> Manifest:
    """The next generation of the partition, without its lineage (the commit adds that).

    Raises QualityError where the configuration names columns that no record has.
    """
    pipeline, request = job.pipeline, job.request
    layout = last_layout(landed) or request.base
    replayed = job.replayed
    files = tuple(staged.file for each in landed for staged in each.files if staged.file)
    if files and layout is not None:
        check_fields(pipeline.output.partition_by, layout.columns())
        check_order(pipeline.cdc, layout)
    schema = None if layout is None else stamped_schema(layout.settled().schema, job.stamps)
    return Manifest(
        format_version=FORMAT_VERSION,
        pipeline=pipeline.name,
        system=pipeline.system,
        entity=pipeline.entity,
        run_date=request.run_date,
        run=request.run,
        attempt=attempt,
        generation=job.generation,
        epoch=request.epoch,
        written_at=written_at,
        load=pipeline.load,
        cdc=_changes_of(pipeline.cdc, layout, landed),
        primary_key=pipeline.primary_key,
        source=_source(pipeline, location, tally) if replayed is None else replayed.source,
        row_count=sum(file.row_count for file in files),
        rejected_count=job.threshold.rejected,
        duplicate_rows=sum(each.repeats.rows for each in landed),
        late_rows=sum(each.late_rows for each in landed),
        schema=() if schema is None else columns_of(schema),
        arrow_schema="" if schema is None else schema_to_text(schema),
        base_schema=() if request.base is None else columns_of(request.base.schema),
        schema_changes=_changes(layout, request.base),
        files=files,
        quarantine=_reject_files(landed),
        pages=_page_files(landed) if replayed is None else replayed.pages,
        replay_of=None if replayed is None else fetched_by(replayed),
        sources=tuple(file for each in landed for file in each.sources),
        watermark=final_window(request, _high(landed, request), tally.reached),
        override=request.override,
        quality=() if job.rules is None else job.rules.results,
        config_hash=pipeline.config_hash,
        engine_version=__version__,
        duration_seconds=round(duration_seconds, 3),
    )


def _source(pipeline: Pipeline, location: str, tally: SourceTally) -> SourceInfo:
    return SourceInfo(
        type=tag_of(pipeline.source),
        location=location,
        pages_fetched=tally.pages,
        requests=tally.requests,
        retries=tally.retries,
        bytes_in=tally.bytes_in,
    )


def _high(landed: Sequence[Landed], request: Request) -> str | None:
    """The highest value of the cursor that has come."""
    high = None
    for each in landed:
        high = highest(high, each.high, request)
    return high


def _reject_files(landed: Sequence[Landed]) -> tuple[RejectFile, ...]:
    files = (each.rejects.committed.file for each in landed if each.rejects is not None)
    return tuple(
        RejectFile(
            name=file.name,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            row_count=file.row_count,
        )
        for file in files
        if file is not None
    )


def _changes_of(cdc: Cdc | None, layout: Layout | None, landed: Sequence[Landed]) -> Changes | None:
    """What the rows mean, and what they did."""
    if cdc is None:
        return None
    columns = () if layout is None else layout.columns()
    named = next((each.name for each in columns if each.is_called(cdc.operation)), cdc.operation)
    return Changes(
        operation=named,
        insert=cdc.insert,
        update=cdc.update,
        delete=cdc.delete,
        order_by=cdc.order_by,
        counts=sum((each.changes for each in landed), ChangeCounts()),
    )


def _page_files(landed: Sequence[Landed]) -> tuple[PageFile, ...]:
    files = (staged.file for each in landed for staged in each.pages)
    return tuple(
        PageFile(
            name=file.name,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            page_count=file.row_count,
        )
        for file in files
        if file is not None
    )


def _changes(layout: Layout | None, base: Layout | None) -> tuple[SchemaChange, ...]:
    """What changed; on a first partition only what is no plain column."""
    if layout is None:
        return ()
    changes = schema_changes(layout, base)
    return changes if base else tuple(each for each in changes if each.change != "added")
