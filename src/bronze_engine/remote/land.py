"""A parcel, landed by the process that has it: a worker of whatever kind of cluster."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

import anyio
import msgspec

from bronze_engine.batch.batch import Batch
from bronze_engine.batch.curation import Curation, tables_of
from bronze_engine.batch.dates import check_range
from bronze_engine.batch.retry import find_remaining
from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.load import load_texts
from bronze_engine.engine import Engine, open_engine
from bronze_engine.errors import ConfigError
from bronze_engine.flow import each, ungrouped
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.remote.masked_logs import masked_logs
from bronze_engine.remote.parcel import Answer, Begun, Ended, Parcel, Sign
from bronze_engine.telemetry.events import BatchRunEnded, Event
from bronze_engine.telemetry.redact import Redactor
from bronze_engine.version import __version__

__all__ = ["ANSWER_SECONDS", "LOOK_SECONDS", "OUTLAST_SECONDS", "land"]

LOOK_SECONDS: Final = 0.25
"""How often a worker looks whether its parcel is still wanted."""

ANSWER_SECONDS: Final = 0.5
"""Before a worker does anything, for the command to give a parcel up that two have died of."""

OUTLAST_SECONDS: Final = 60.0
"""The lease of a worker that died is held for 30 s."""

_AT_ONCE: Final = 16


async def land(
    parcel: Parcel,
    *,
    worker: str,
    is_wanted: Callable[[], bool],
    tell: Callable[[Sign], None],
    clock: Clock = SYSTEM_CLOCK,
) -> Answer:
    """Run a parcel's pipelines in an engine of its own.

    `tell` is told that it has begun, and of each run that ends. Once `is_wanted` says no the
    runs are cancelled, and the answer is as of then; so is what a cancelled caller leaves. What
    another worker has committed since the batch began is not run again.
    """
    tell(Begun(batch=parcel.batch, parcel=parcel.number, worker=worker))
    if parcel.version != __version__:
        return Answer(
            refusal=f"the worker {worker} has bronze-engine {__version__}, and the command"
            f" {parcel.version}; install the same on both"
        )
    await clock.sleep(ANSWER_SECONDS)
    if not is_wanted():
        return Answer(refusal="nobody waits for it any more")
    try:
        config = load_texts(parcel.texts, overrides=parcel.overrides)
        if len({day for _, day in parcel.runs}) > 1:
            # Without its secrets the command may not have known the pipelines.
            check_range(config, tuple(dict.fromkeys(name for name, _ in parcel.runs)))
        mask = Redactor(lambda: config.secrets)
        with masked_logs(mask):
            async with open_engine(config, clock=clock) as engine:
                report = await _until_unwanted(engine, parcel, is_wanted, tell, mask)
    except ConfigError as exc:  # its message has no secrets
        return Answer(refusal=exc.message)
    return Answer(report=report.masked(mask))


async def _until_unwanted(
    engine: Engine,
    parcel: Parcel,
    is_wanted: Callable[[], bool],
    tell: Callable[[Sign], None],
    mask: Callable[[str], str],
) -> BatchReport:
    names = dict.fromkeys(name for name, _ in parcel.runs)
    tables = tables_of(engine.config, names) if parcel.tables is None else parcel.tables
    asked = BatchReport(
        batch=parcel.batch,
        started_at=parcel.started_at,
        seconds=0.0,
        max_parallel=parcel.max_parallel or engine.config.engine.max_pipelines,
        full_refresh=parcel.full_refresh,
        runs=tuple(
            BatchRun(pipeline=name, run_date=day, status="left") for name, day in parcel.runs
        ),
        tables=Curation(parcel.runs, tables, engine.today()).results,
    )
    results = {(run.pipeline, run.run_date): run for run in asked.runs}

    def hear(event: Event) -> None:
        if isinstance(event, BatchRunEnded):
            only = msgspec.structs.replace(asked, runs=(event.result,), tables=())
            (told,) = only.masked(mask).runs
            tell(Ended(batch=parcel.batch, run=told))

    async def watch() -> None:
        while is_wanted():
            await engine.clock.sleep(LOOK_SECONDS)
        engine.drain()
        tasks.cancel_scope.cancel()

    batch: Batch | None = None
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            todo = await find_remaining(engine, asked)
            results.update(await _committed(engine, asked, frozenset(todo.runs)))
            if todo.runs or todo.tables:
                batch = Batch(
                    engine,
                    todo.runs,
                    max_parallel=parcel.max_parallel,
                    fail_fast=parcel.fail_fast,
                    full_refresh=todo.full_refresh,
                    wait_seconds=max(parcel.wait_seconds, OUTLAST_SECONDS),
                    batch=parcel.batch,
                    tables=todo.tables,
                )
                with engine.listening(hear):
                    await batch.run()
            tasks.cancel_scope.cancel()
    if batch is not None:
        results.update({(run.pipeline, run.run_date): run for run in batch.report().runs})
        asked = msgspec.structs.replace(asked, tables=batch.report().tables)
    return msgspec.structs.replace(asked, runs=tuple(results.values()))


async def _committed(
    engine: Engine, asked: BatchReport, todo: frozenset[tuple[str, date]]
) -> dict[tuple[str, date], BatchRun]:
    """What the manifests tell of the runs that are not to do any more."""
    dates: dict[str, list[date]] = {}
    for run in asked.runs:
        if (run.pipeline, run.run_date) not in todo:
            dates.setdefault(run.pipeline, []).append(run.run_date)
    found: dict[tuple[str, date], BatchRun] = {}

    async def look(name: str) -> None:
        for day, manifest in (await engine.manifests(name, run_dates=dates[name])).items():
            found[name, day] = BatchRun(
                pipeline=name,
                run_date=day,
                status="committed",
                run=manifest.run,
                rows=manifest.row_count,
                generation=manifest.generation,
            )

    await each(dates, look, at_once=_AT_ONCE)
    return found
