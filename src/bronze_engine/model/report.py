"""What a run, a verification and a plan tell the caller."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.concurrency import ConcurrencyTrace
from bronze_engine.model.curated import Curated
from bronze_engine.model.manifest import SchemaChange
from bronze_engine.model.profile import RunProfile
from bronze_engine.model.quality import RuleResult
from bronze_engine.model.window import Window

__all__ = ["FileFault", "RunPlan", "RunReport", "VerifyReport"]


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """One finished run, committed or failed; stored at `_runs/` and printed by `--json`."""

    format_version: int = 1
    layer: Literal["bronze", "silver"] = "bronze"
    pipeline: str
    system: str
    entity: str
    run_date: date
    """Of Silver: the newest that the table counts."""
    run: str
    attempt: str
    status: Literal["committed", "failed", "cancelled"]
    error_code: str | None = None
    error: str | None = None
    generation: int | None = None
    partition: str
    """Path or URL of the partition, without secrets."""
    rows: int = 0
    rejected: int = 0
    late_rows: int = 0
    duplicates: int = 0
    """Rows whose primary key came before: left out, or only counted."""
    changes: ChangeCounts | None = None
    """What the rows did, where `load` is "cdc"."""
    silver: Curated | None = None
    """Of a run of Silver, whose `rows` are those of the table."""
    later_rows: int = 0
    """Received above the window's end, and left for the run that it belongs to."""
    files: int = 0
    pages: int = 0
    captured_pages: int = 0
    """Pages that lie beside the data, for a replay."""
    replay_of: str | None = None
    """The run that fetched the pages, where this one has only decoded them again."""
    requests: int = 0
    retries: int = 0
    bytes_in: int = 0
    """Bytes of response bodies as they came over the wire."""
    bytes_out: int = 0
    """Bytes of data files."""
    resumed_slices: int = 0
    """Those that an earlier process of the run had landed: none of them was read again."""
    started_at: datetime
    seconds: float
    cpu_seconds: float = 0.0
    peak_rss_bytes: int = 0
    concurrency: ConcurrencyTrace | None = None
    """How many requests were in flight at once, and how that was found; None where none was
    asked for."""
    profile: RunProfile | None = None
    """Where the time went, stage by stage, and what bounded the run."""
    watermark: Window | None = None
    schema_changes: tuple[SchemaChange, ...] = ()
    quality: tuple[RuleResult, ...] = ()
    """What each rule of `quality.rules` found, of a run that they failed, too."""
    degraded: tuple[str, ...] = ()
    """What went wrong after the commit; the next run or gc mends it."""
    warnings: tuple[str, ...] = ()


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do, found out without a data request and without a write."""

    pipeline: str
    run_date: date
    load: str
    partition: str
    files: str
    """The pattern of the data files' paths."""
    first: str
    """The first request or query, without secrets."""
    slices: tuple[str, ...]
    window: Window | None
    limits: dict[str, str]
    generation: int
    """The generation that the run would commit."""
    committed: str | None
    """The run that the partition holds now, if any."""
    notes: tuple[str, ...] = ()


class FileFault(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a partition differs from its manifest."""

    path: str
    fault: str


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one partition, or one curated table, against its manifest."""

    layer: Literal["bronze", "silver"] = "bronze"
    pipeline: str = ""
    partition: str
    """Path or URL, without secrets."""
    generation: int
    run: str
    files: int
    rows: int
    bytes: int
    faults: tuple[FileFault, ...] = ()
    unlisted: tuple[str, ...] = ()
    """Objects that the manifest does not name: harmless; the next run removes those it knows."""
    mended: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.faults
