"""What of an earlier batch is to be run again."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError
from bronze_engine.flow import each
from bronze_engine.model.batch import BatchReport

__all__ = ["Remaining", "find_remaining"]

_AT_ONCE: Final = 16

Run = tuple[str, date]


class Remaining(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of a batch that are yet to be committed."""

    runs: tuple[Run, ...]
    """In the order of the batch."""
    tables: tuple[str, ...] = ()
    """Pipelines whose curated table was not made, or is to take in what is run now."""
    full_refresh: frozenset[str] = frozenset()
    """Pipelines whose epoch is yet to begin. Where one date of a full refresh was committed the
    others join its epoch, as ordinary runs."""


async def find_remaining(engine: Engine, report: BatchReport) -> Remaining:
    """What failed, was skipped or was left, and has not been committed since the batch began.

    Manifests tell that, by whatever run it was: also of a batch that was killed between two
    reports. A replay is none, for it has asked the source for nothing. Where a manifest can't be
    read the run is taken, and says why itself.
    """
    open_runs = [(run.pipeline, run.run_date) for run in report.runs if run.status != "committed"]
    dates: dict[str, set[date]] = {}
    for name, day in open_runs:
        dates.setdefault(name, set()).add(day)
    done = {(run.pipeline, run.run_date) for run in report.with_status("committed")}

    async def look(name: str) -> None:
        try:
            manifests = await engine.manifests(name, run_dates=dates[name])
        except BronzeError:
            return
        done.update(
            (name, day)
            for day, manifest in manifests.items()
            if manifest.written_at > report.started_at and manifest.replay_of is None
        )

    await each(dates, look, at_once=_AT_ONCE)
    runs = tuple(key for key in open_runs if key not in done)
    begun = {name for name, _ in done}
    again = {name for name, _ in runs}
    tables = tuple(
        each.pipeline
        for each in report.tables
        if each.status != "committed" or each.pipeline in again
    )
    return Remaining(runs=runs, tables=tables, full_refresh=frozenset(report.full_refresh) - begun)
