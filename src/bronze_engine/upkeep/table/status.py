"""Where a curated table stands: what it holds, and what of Bronze it has yet to take in."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.config.silver_identity import SILVER_CHANGED, silver_hash
from bronze_engine.errors import BronzeError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.silver import table_path
from bronze_engine.model.status import TableStatus
from bronze_engine.publish.base import read_base
from bronze_engine.run.services import Services, Stores
from bronze_engine.state import reports
from bronze_engine.upkeep.table.pending import count_pending

__all__ = ["read_table_status"]


async def read_table_status(
    pipeline: Pipeline, silver: Silver, stores: Stores, services: Services, *, newest: date | None
) -> TableStatus:
    """In one listing of the dates and a few small reads.

    What keeps it from being looked at is its code and error.

    `newest` is the newest committed date of Bronze.
    """
    try:
        return await _status(pipeline, silver, stores, services, newest)
    except BronzeError as exc:
        return TableStatus(code=exc.code, error=str(exc), is_unknown=True)


async def _status(
    pipeline: Pipeline, silver: Silver, stores: Stores, services: Services, newest: date | None
) -> TableStatus:
    folder = table_path(silver.path, pipeline.system, pipeline.entity)
    base = await read_base(stores.target, folder, pipeline=pipeline.name, adopt=True)
    manifest = base.committed
    until = services.today() + timedelta(days=1)  # a scheduler further east has begun it
    status = TableStatus()
    if manifest is not None:
        is_changed = manifest.config_hash != silver_hash(pipeline, silver)
        age = (services.clock.now() - manifest.written_at).total_seconds()
        status = TableStatus(
            run_date=manifest.run_date,
            generation=manifest.generation,
            rows=manifest.row_count,
            committed_at=manifest.written_at,
            age_seconds=max(0.0, age),
            pending=await count_pending(stores.target, manifest) if manifest.silver else 0,
            rebuild=SILVER_CHANGED if is_changed else None,
        )
    # A run that fails early has the day of its command, one that fails late that of its data.
    since = manifest.run_date if manifest is not None else newest
    if since is None:
        return status
    code, error = await _failure(pipeline, stores, manifest, since, until)
    return msgspec.structs.replace(status, code=code, error=error)


async def _failure(
    pipeline: Pipeline, stores: Stores, manifest: Manifest | None, since: date, until: date
) -> tuple[str | None, str | None]:
    """The code and the error of the newest run, where it failed."""
    system, entity = reports.silver_system(pipeline.system), pipeline.entity
    keys = await reports.newest(
        stores.state, system, entity, since=since, until=max(since, until), limit=1
    )
    for day, run in keys:
        last = await reports.read(stores.state, system, entity, day, run)
        if last is not None and (manifest is None or last.started_at > manifest.written_at):
            return last.error_code, last.error
    return None, None
