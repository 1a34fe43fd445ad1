"""Where each of many pipelines stands, cheaply: a few small reads for each.

The hint says where to look, and a manifest has to bear it out. Later dates than the hint's are
listed by month, so that a hint that was not advanced makes nobody late.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from bronze_engine.config.config import Config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import BronzeError
from bronze_engine.flow import each
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.report import RunReport
from bronze_engine.model.status import PipelineStatus
from bronze_engine.run.services import Services, Stores
from bronze_engine.state import hint, reports
from bronze_engine.state.partitions import committed_dates, read_neighbours, read_partition
from bronze_engine.upkeep.table.status import read_table_status

__all__ = ["read_statuses"]

_AT_ONCE: Final = 32


async def read_statuses(
    config: Config,
    names: Sequence[str],
    services: Services,
    mask: Callable[[str], str],
    *,
    max_age_seconds: float | None,
) -> tuple[PipelineStatus, ...]:
    """The status of each, in the order of `names`, read side by side.

    What keeps one from being looked at stands in its status, as its code and error.
    """
    found: dict[str, PipelineStatus] = {}

    async def look(name: str) -> None:
        try:
            pipeline = config.pipeline(name)
            stores = await services.stores(pipeline)
            status = await _status(pipeline, stores, services)
            if pipeline.silver is not None:
                table = await read_table_status(
                    pipeline, pipeline.silver, stores, services, newest=status.run_date
                )
                if table.error is not None:
                    table = msgspec.structs.replace(table, error=mask(table.error))
                status = msgspec.structs.replace(status, silver=table)
        except BronzeError as exc:
            status = PipelineStatus(pipeline=name, code=exc.code, error=str(exc), is_unknown=True)
        if status.error is not None:
            status = msgspec.structs.replace(status, error=mask(status.error))
        found[name] = _judged(status, max_age_seconds)

    await each(dict.fromkeys(names), look, at_once=_AT_ONCE)
    return tuple(found[name] for name in dict.fromkeys(names))


def _judged(status: PipelineStatus, max_age_seconds: float | None) -> PipelineStatus:
    if max_age_seconds is None:
        return status
    age = status.age_seconds
    return msgspec.structs.replace(status, is_late=age is None or age > max_age_seconds)


async def _status(pipeline: Pipeline, stores: Stores, services: Services) -> PipelineStatus:
    today = services.today()
    newest = await _newest(pipeline, stores, today)
    last = await _last_run(pipeline, stores, newest, today)
    if newest is None:
        status = PipelineStatus(pipeline=pipeline.name)
    else:
        age = (services.clock.now() - newest.written_at).total_seconds()
        status = PipelineStatus(
            pipeline=pipeline.name,
            run_date=newest.run_date,
            generation=newest.generation,
            rows=newest.row_count,
            committed_at=newest.written_at,
            age_seconds=max(0.0, age),
            run=newest.run,
            newest_run_date=newest.run_date,
            run_status="committed",
        )
    if last is None or (newest is not None and _is_before(last, newest)):
        return status
    return msgspec.structs.replace(
        status,
        run=last.run,
        newest_run_date=last.run_date,
        run_status=last.status,
        code=last.error_code,
        error=last.error,
    )


def _is_before(report: RunReport, newest: Manifest) -> bool:
    """Whether the commit is the later of the two: its own report may have been lost."""
    ended = report.started_at + timedelta(seconds=report.seconds)
    return report.run != newest.run and ended <= newest.written_at


async def _newest(pipeline: Pipeline, stores: Stores, today: date) -> Manifest | None:
    """The manifest of the newest committed date."""
    system, entity = pipeline.system, pipeline.entity
    said = await hint.read(stores.state, system, entity)
    if said is not None:
        manifest = await read_partition(stores.target, system, entity, said.run_date)
        if manifest is not None:
            if said.run_date >= today:
                return manifest
            since = said.run_date + timedelta(days=1)
            dates = await committed_dates(
                stores.target, system, entity, since=since, until=max(since, _tomorrow(today))
            )
            for day in reversed(dates):
                later = await read_partition(stores.target, system, entity, day)
                if later is not None:
                    return later
            return manifest
    return (await read_neighbours(stores.target, system, entity, date.max)).last


async def _last_run(
    pipeline: Pipeline, stores: Stores, newest: Manifest | None, today: date
) -> RunReport | None:
    """The newest report of the newest committed date, or of a later one; of any date, where
    nothing is committed: such a pipeline is new, or of the past."""
    system, entity = pipeline.system, pipeline.entity
    since, until = date.min, date.max
    if newest is not None:
        since = newest.run_date
        until = max(since, _tomorrow(today))
    keys = await reports.newest(stores.state, system, entity, since=since, until=until, limit=1)
    for day, run in keys:
        return await reports.read(stores.state, system, entity, day, run)
    return None


def _tomorrow(today: date) -> date:
    """Which a scheduler further east may have run already."""
    return today + timedelta(days=1)
