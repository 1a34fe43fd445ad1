"""What of an earlier batch is to be run again."""

from __future__ import annotations

from datetime import date
from typing import Final

from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError
from bronze_engine.flow import each
from bronze_engine.model.batch import BatchReport

__all__ = ["remaining"]

_AT_ONCE: Final = 16


async def remaining(engine: Engine, report: BatchReport) -> tuple[tuple[str, date], ...]:
    """The runs that failed, were skipped or were left, in the order of the batch.

    What has been committed since the batch began, by whatever run, is done: manifests tell it,
    also of a batch that was killed between two reports. Where a manifest can't be read the run
    is taken, and says why itself.
    """
    open_runs = report.with_status("failed", "skipped", "left")
    dates: dict[str, set[date]] = {}
    for run in open_runs:
        dates.setdefault(run.pipeline, set()).add(run.run_date)
    done: set[tuple[str, date]] = set()

    async def look(name: str) -> None:
        try:
            manifests = await engine.manifests(name, run_dates=dates[name])
        except BronzeError:
            return
        done.update(
            (name, day)
            for day, manifest in manifests.items()
            if manifest.written_at >= report.started_at
        )

    await each(dates, look, at_once=_AT_ONCE)
    keys = ((run.pipeline, run.run_date) for run in open_runs)
    return tuple(key for key in keys if key not in done)
