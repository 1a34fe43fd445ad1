"""What a display is told: the end of a run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Literal

from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import RunFinished

__all__ = ["DAY", "finished"]

DAY = "2025-01-15"


def finished(
    pipeline: str,
    *,
    run: str | None = None,
    day: str = DAY,
    status: Literal["committed", "failed", "cancelled"] = "committed",
    code: str | None = None,
    rows: int = 0,
    pages: int = 0,
    retries: int = 0,
    bytes_in: int = 0,
    layer: Literal["bronze", "silver"] = "bronze",
) -> RunFinished:
    """The end of a run; its name is that of the pipeline where none is given."""
    report = RunReport(
        layer=layer,
        pipeline=pipeline,
        system="team",
        entity="orders",
        run_date=date.fromisoformat(day),
        run=run or pipeline,
        attempt="a",
        status=status,
        error_code=code,
        partition="p",
        rows=rows,
        pages=pages,
        retries=retries,
        bytes_in=bytes_in,
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        seconds=1.0,
    )
    return RunFinished(
        pipeline=pipeline,
        run=report.run,
        status=status,
        rows=rows,
        seconds=1.0,
        error_code=code,
        report=report,
    )
