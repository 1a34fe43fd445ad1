"""What a batch of runs tells the caller."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from bronze_engine.model.report import RunReport

__all__ = ["BatchReport", "BatchRun", "BatchStatus"]

BatchStatus = Literal["committed", "failed", "skipped", "left"]


class BatchRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one pipeline and date of a batch."""

    pipeline: str
    run_date: date
    status: BatchStatus
    """`skipped`: what it comes after has failed. `left`: it was not run, or its run was broken
    off."""
    run: str | None = None
    rows: int = 0
    generation: int | None = None
    seconds: float = 0.0
    error_code: str | None = None
    error: str | None = None
    """Without secrets."""
    exit_code: int = 0
    report: RunReport | None = None
    """Of a run that was begun, where it is known."""


class BatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of a batch, in the order of asking; printed by `--json`, and stored."""

    format_version: int = 1
    batch: str
    """Its id, which `--retry-failed` takes."""
    shard: str | None = None
    """`i/n` where this is one of several copies."""
    started_at: datetime
    seconds: float
    max_parallel: int
    runs: tuple[BatchRun, ...]
    warnings: tuple[str, ...] = ()

    def with_status(self, *statuses: BatchStatus) -> tuple[BatchRun, ...]:
        return tuple(each for each in self.runs if each.status in statuses)

    @property
    def exit_code(self) -> int:
        """0 where every run committed; where all failed, and alike, their own code; else 1."""
        bad = [each for each in self.runs if each.status != "committed"]
        if not bad:
            return 0
        codes = {each.exit_code for each in bad}
        return codes.pop() if len(bad) == len(self.runs) and codes != {0} and len(codes) == 1 else 1
