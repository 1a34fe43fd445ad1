"""What a batch of runs tells the caller."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Literal

import msgspec

from bronze_engine.model.report import RunReport

__all__ = ["BatchReport", "BatchRun", "BatchStatus"]

BatchStatus = Literal["committed", "failed", "skipped", "left"]


class BatchRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one pipeline and date of a batch, or of one curated table."""

    layer: Literal["bronze", "silver"] = "bronze"
    pipeline: str
    run_date: date
    """Of a table the newest that it counts; where that is not known the last of the batch."""
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

    @property
    def message(self) -> str:
        """The error without the code in front of it."""
        return (self.error or "").removeprefix(f"{self.error_code} ")


class BatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of a batch, in the order of asking; printed by `--json`, and stored."""

    format_version: int = 1
    batch: str
    """Its id, which `--retry-failed` takes."""
    shard: str | None = None
    """`i/n` where this is one of several copies."""
    retry_of: str | None = None
    """The batch whose failed, skipped and left runs these are."""
    full_refresh: tuple[str, ...] = ()
    """Pipelines that are read anew, as epochs of their own: by `--retry-failed`, too."""
    is_finished: bool = True
    """False while it is under way, and for ever where its process was killed."""
    started_at: datetime
    seconds: float
    max_parallel: int
    runs: tuple[BatchRun, ...]
    tables: tuple[BatchRun, ...] = ()
    """The curated tables of these pipelines, each of which is made once, after the dates."""
    warnings: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[BatchRun, ...]:
        """The runs of both layers."""
        return self.runs + self.tables

    def with_status(self, *statuses: BatchStatus) -> tuple[BatchRun, ...]:
        return tuple(each for each in self.runs if each.status in statuses)

    @property
    def exit_code(self) -> int:
        """0 where every run committed; where none did and all that failed are alike, their own
        code; else 1."""
        committed = [each for each in self.every if each.status == "committed"]
        if len(committed) == len(self.every):
            return 0
        codes = {each.exit_code for each in self.every if each.status == "failed"}
        return codes.pop() if len(codes) == 1 and not committed else 1

    def masked(self, mask: Callable[[str], str]) -> BatchReport:
        """With `mask` over every text that a server or a store has a part in."""
        return msgspec.structs.replace(
            self,
            runs=tuple(_masked(each, mask) for each in self.runs),
            tables=tuple(_masked(each, mask) for each in self.tables),
            warnings=tuple(map(mask, self.warnings)),
        )

    def without_reports(self) -> BatchReport:
        """Without the runs' own reports, which lie beside it one by one."""
        runs, tables = (
            tuple(msgspec.structs.replace(each, report=None) for each in layer)
            for layer in (self.runs, self.tables)
        )
        return msgspec.structs.replace(self, runs=runs, tables=tables)


def _masked(run: BatchRun, mask: Callable[[str], str]) -> BatchRun:
    report = run.report
    if report is not None:
        report = msgspec.structs.replace(
            report,
            error=None if report.error is None else mask(report.error),
            warnings=tuple(map(mask, report.warnings)),
            degraded=tuple(map(mask, report.degraded)),
        )
    error = None if run.error is None else mask(run.error)
    return msgspec.structs.replace(run, error=error, report=report)
