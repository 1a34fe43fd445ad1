"""What becomes of one run of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from bronze_engine.batch.order import Key
from bronze_engine.errors import BronzeError
from bronze_engine.model.batch import BatchRun
from bronze_engine.model.report import RunReport

__all__ = ["failed", "skipped", "told"]


def failed(
    key: Key,
    error: BronzeError,
    mask: Callable[[str], str],
    report: RunReport | None = None,
    *,
    layer: Literal["bronze", "silver"] = "bronze",
) -> BatchRun:
    """One that has failed, without secrets: a server may repeat what it was sent."""
    if report is not None and report.error is not None:
        report = msgspec.structs.replace(report, error=mask(report.error))
    return BatchRun(
        layer=layer,
        pipeline=key[0],
        run_date=key[1],
        status="failed",
        run=None if report is None else report.run,
        seconds=0.0 if report is None else report.seconds,
        error_code=error.code,
        error=mask(str(error)),
        exit_code=error.exit_code,
        report=report,
    )


def told(report: RunReport) -> BatchRun:
    """What a run tells of itself that committed, or was broken off."""
    return BatchRun(
        layer=report.layer,
        pipeline=report.pipeline,
        run_date=report.run_date,
        status="committed" if report.status == "committed" else "left",
        run=report.run,
        rows=report.rows,
        generation=report.generation,
        seconds=report.seconds,
        report=report,
    )


def skipped(key: Key, before: BatchRun) -> BatchRun:
    """One that comes after a run which has failed, or was skipped itself."""
    name, day = key
    why = f"it comes after {before.pipeline}"
    if before.pipeline == name:
        why = f"it joins the epoch that {before.run_date} was to begin"
    what = "has failed" if before.status == "failed" else "was skipped"
    return BatchRun(
        pipeline=name,
        run_date=day,
        status="skipped",
        error_code=before.error_code,
        error=f"{before.error_code} {name} {day} was not run: {why}, which {what}",
        exit_code=before.exit_code,
    )
