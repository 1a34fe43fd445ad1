"""Where a pipeline stands, for whoever watches many."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

__all__ = ["PipelineStatus"]


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
    run_status: Literal["committed", "failed", "cancelled"] | None = None
    code: str | None = None
    """Why the newest run failed; or why the pipeline could not be looked at, without a run."""
    error: str | None = None
