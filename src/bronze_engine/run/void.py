"""The manifest that fences a date on which nothing was ever committed."""

from __future__ import annotations

from datetime import date, datetime

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.tag import tag_of
from bronze_engine.model.manifest import FORMAT_VERSION, Manifest, SourceInfo

__all__ = ["void_manifest"]


def void_manifest(
    pipeline: Pipeline, run_date: date, *, run: str, attempt: str, written_at: datetime
) -> Manifest:
    """Readers take it as absent; a run that began before it can't commit any more."""
    return Manifest(
        format_version=FORMAT_VERSION,
        pipeline=pipeline.name,
        system=pipeline.system,
        entity=pipeline.entity,
        run_date=run_date,
        run=run,
        attempt=attempt,
        generation=1,
        epoch=0,
        status="void",
        written_at=written_at,
        load=pipeline.load,
        source=SourceInfo(type=tag_of(pipeline.source), location=""),
        row_count=0,
    )
