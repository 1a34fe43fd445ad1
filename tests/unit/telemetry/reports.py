"""Reports and events of runs, as tests of telemetry make them up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import RunFinished

__all__ = ["DAY", "failed", "finished", "report_of"]

DAY = date(2025, 1, 15)


def report_of(pipeline: str = "team.orders", **known: Any) -> RunReport:
    """A run that committed ten rows in two seconds, unless `known` says otherwise."""
    system, _, entity = pipeline.partition(".")
    report = RunReport(
        pipeline=pipeline,
        system=system,
        entity=entity,
        run_date=DAY,
        run="run1",
        attempt="attempt1",
        status="committed",
        partition=f"/lake/{system}/{entity}/dt={DAY}",
        generation=1,
        rows=10,
        bytes_in=1000,
        bytes_out=400,
        pages=2,
        requests=3,
        retries=1,
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        seconds=2.0,
    )
    return msgspec.structs.replace(report, **known)


def failed(pipeline: str = "team.orders", code: str = "AUTH001", **known: Any) -> RunReport:
    """A run that landed nothing."""
    error = f"{code} the key was refused"
    return report_of(
        pipeline,
        **{"status": "failed", "error_code": code, "error": error, "rows": 0, "generation": None}
        | known,
    )


def finished(report: RunReport) -> RunFinished:
    return RunFinished(
        pipeline=report.pipeline,
        run=report.run,
        status=report.status,
        rows=report.rows,
        seconds=report.seconds,
        error_code=report.error_code,
        report=report,
    )
