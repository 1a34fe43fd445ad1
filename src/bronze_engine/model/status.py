"""Where a pipeline stands, for whoever watches many."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

__all__ = ["PipelineStatus", "TableStatus"]


class TableStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A curated table, and how far it is behind what has landed."""

    run_date: date | None = None
    """The newest that it counts; None where there is no table."""
    generation: int | None = None
    rows: int | None = None
    committed_at: datetime | None = None
    age_seconds: float | None = None
    """Since the commit: a run that finds nothing new commits nothing."""
    pending: int | None = None
    """Generations of Bronze that it has yet to take in, of new dates and of those that were landed
    again; None where there is no table. At most 64 are counted; a plan tells of all."""
    rebuild: str | None = None
    """Why the next run makes all rows anew, whatever is pending; None where it is not known to."""
    code: str | None = None
    """Why its newest run failed, or why it could not be looked at."""
    error: str | None = None
    is_unknown: bool = False
    """Whether it could not be looked at."""


class PipelineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The newest committed date of a pipeline, and its newest run of that date or a later one."""

    pipeline: str
    run_date: date | None = None
    """None where nothing is committed, or where that could not be found out."""
    generation: int | None = None
    rows: int | None = None
    committed_at: datetime | None = None
    age_seconds: float | None = None
    """Since the commit, by the engine's clock."""
    is_late: bool | None = None
    """Older than was asked for, never committed, or not to be looked at; None where no age was
    asked for."""
    run: str | None = None
    """The newest run; None where no report tells of one."""
    newest_run_date: date | None = None
    """The date that this run was of: the one to run again where it failed."""
    run_status: Literal["committed", "failed", "cancelled"] | None = None
    code: str | None = None
    """Why the newest run failed, or why the pipeline could not be looked at."""
    error: str | None = None
    is_unknown: bool = False
    """Whether it could not be looked at."""
    silver: TableStatus | None = None
    """None where the pipeline has no curated table."""
