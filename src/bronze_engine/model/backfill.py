"""What a backfill tells the caller."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from bronze_engine.model.report import RunReport

__all__ = ["BackfillReport", "DateResult"]

DateStatus = Literal["committed", "skipped", "failed", "left"]


class DateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one date."""

    run_date: date
    status: DateStatus
    """`skipped`: it was committed by this configuration before. `left`: it was not run, or its
    run was broken off."""
    rows: int | None = None
    """What the partition holds; None where that is not known."""
    generation: int | None = None
    error_code: str | None = None
    error: str | None = None
    exit_code: int = 0
    report: RunReport | None = None
    """Of a run that committed."""


class BackfillReport(msgspec.Struct, frozen=True, kw_only=True):
    """A range of dates of one pipeline, and what became of each; printed by `--json`."""

    format_version: int = 1
    pipeline: str
    first: date
    last: date
    parallel: int
    """Dates that were run side by side, at the most."""
    dates: tuple[DateResult, ...]
    table: DateResult | None = None
    """What became of the curated table, which is made once, after the dates."""
    seconds: float
    warnings: tuple[str, ...] = ()

    def with_status(self, status: DateStatus) -> tuple[DateResult, ...]:
        return tuple(each for each in self.dates if each.status == status)

    @property
    def exit_code(self) -> int:
        """0 where neither a date nor the table failed; where all that ran failed alike their own,
        else 1."""
        ran = (*self.dates, *([] if self.table is None else [self.table]))
        codes = {each.exit_code for each in ran if each.status == "failed"}
        if not codes:
            return 0
        is_partly = any(each.status == "committed" for each in ran)
        return codes.pop() if len(codes) == 1 and not is_partly else 1
