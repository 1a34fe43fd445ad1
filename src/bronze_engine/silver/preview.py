"""What a run of Silver would do, found out from manifests alone: no data read, no write."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Literal

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver_identity import silver_hash
from bronze_engine.model.curated import SilverPlan
from bronze_engine.model.silver import table_path
from bronze_engine.publish.base import Base
from bronze_engine.run.services import Services
from bronze_engine.silver.inputs.bronze import read_bronze
from bronze_engine.silver.inputs.inputs import Work, lost_rows, select
from bronze_engine.silver.table import damage_of, read_table, silver_of

__all__ = ["plan_silver"]


async def plan_silver(
    pipeline: Pipeline,
    services: Services,
    *,
    run_dates: Collection[date] | None,
    rebuild: bool,
    adopt: bool = False,
    landing: date | None = None,
) -> SilverPlan:
    """Read the manifests as a run does, and decide as it does. Raises what that raises.

    `landing` is a date that is to be landed before: it goes in as well, and nothing is known of
    it yet but that.
    """
    silver = silver_of(pipeline)
    folder = table_path(silver.path, pipeline.system, pipeline.entity)
    stores = await services.stores(pipeline)
    base = await read_table(
        stores.target, folder, pipeline=pipeline.name, adopt=adopt, rebuild=rebuild
    )
    landed = await read_bronze(stores.target, pipeline.system, pipeline.entity)
    if landing is not None and not landed and base.committed is None:
        return SilverPlan(
            pipeline=pipeline.name,
            table=f"{stores.target.url}/{folder}",
            kind=silver.kind,
            history=silver.history,
            deletes=silver.deletes,
            mode="rebuild",
            generation=base.generation + 1,
            notes=(_lands(landing),),
        )
    work = select(
        pipeline.name,
        landed,
        base.committed,
        asked=run_dates,
        rebuild=rebuild,
        config_hash=silver_hash(pipeline, silver),
        judges_lateness=silver.late_data != "apply",
    )
    mode = _mode(work, landing)
    files = [file for one in work.taken_in for file in one.manifest.files]
    own = () if base.committed is None or mode in ("nothing", "rebuild") else base.committed.files
    manifest = base.committed
    return SilverPlan(
        pipeline=pipeline.name,
        table=f"{stores.target.url}/{folder}",
        kind=silver.kind,
        history=silver.history,
        deletes=silver.deletes,
        mode=mode,
        inputs=() if work.is_nothing else work.inputs,
        pending=work.pending,
        files=0 if mode == "nothing" else len(files) + len(own),
        bytes=0 if mode == "nothing" else sum(file.size_bytes for file in (*files, *own)),
        generation=base.generation if mode == "nothing" else base.generation + 1,
        committed=None if manifest is None else manifest.run,
        notes=(*_notes(work, base), *(() if landing is None else (_lands(landing),))),
    )


def _mode(work: Work, landing: date | None) -> Literal["nothing", "merge", "recompute", "rebuild"]:
    if work.is_nothing and landing is None:
        return "nothing"
    if work.rebuild is not None:
        return "rebuild"
    return "recompute" if work.relanded or landing in work.before else "merge"


def _lands(day: date) -> str:
    return f"{day} is landed first, and goes in as well"


def _notes(work: Work, base: Base) -> tuple[str, ...]:
    damage = damage_of(base)
    if damage is not None:
        return (damage,)
    if work.rebuild is not None and base.committed is not None:
        anew = f"all rows are made anew: {work.rebuild}"
        return (anew, lost_rows(work)) if work.lost else (anew,)
    if work.relanded:
        days = ", ".join(map(str, work.relanded))
        return (f"landed again since, and taken back: {days}",)
    return ()
