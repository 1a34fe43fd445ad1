"""Reports of batches, made by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from bronze_engine.model.batch import BatchReport, BatchRun

__all__ = ["DAY", "committed", "failed", "left", "report_of"]

DAY = date(2025, 1, 15)
_EXITS = {"CFG001": 2, "AUTH001": 3, "EXT001": 4, "RETRY001": 9, "BRONZE": 70}


def committed(name: str, rows: int = 1, seconds: float = 1.0) -> BatchRun:
    return BatchRun(
        pipeline=name,
        run_date=DAY,
        status="committed",
        run="r",
        rows=rows,
        generation=1,
        seconds=seconds,
    )


def failed(name: str, code: str = "EXT001", message: str = "cut off") -> BatchRun:
    return BatchRun(
        pipeline=name,
        run_date=DAY,
        status="failed",
        error_code=code,
        error=f"{code} {message}",
        exit_code=_EXITS[code],
    )


def left(name: str) -> BatchRun:
    return BatchRun(pipeline=name, run_date=DAY, status="left")


def report_of(*runs: BatchRun, **fields: Any) -> BatchReport:
    values: dict[str, Any] = {
        "batch": "20250115T061500000Z-3f9c1a",
        "started_at": datetime(2025, 1, 15, 6, 15, tzinfo=UTC),
        "seconds": 12.34,
        "max_parallel": 8,
    }
    return BatchReport(runs=runs, **{**values, **fields})
