"""Many runs in one process: every pipeline and date that was asked for, and what became of each.

    batch = Batch(engine, [("team.orders", date(2025, 1, 15)), ("team.items", date(2025, 1, 15))])
    report = await batch.run()

A run that fails keeps no other from being run.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import date
from typing import Final, final

from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError, ConfigError
from bronze_engine.flow import each
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import BatchFinished, BatchStarted, Event, RunFinished

__all__ = ["Batch"]

log = logging.getLogger(__name__)

FAULT_OF_OURS: Final = 70
"""EX_SOFTWARE of sysexits.h."""


@final
class Batch:
    """Runs of many pipelines and dates; two that are the same run once.

    A pipeline whose configuration is wrong fails with CFG001, for every date, before anything
    is run. Raises ConfigError where there is nothing to run.
    """

    def __init__(
        self,
        engine: Engine,
        runs: Sequence[tuple[str, date]],
        *,
        max_parallel: int | None = None,
        fail_fast: bool = False,
        full_refresh: bool = False,
        wait_seconds: float = 0.0,
        batch: str | None = None,
        shard: str | None = None,
    ) -> None:
        if not runs:
            raise ConfigError("there is nothing to run: the batch has no pipeline and date")
        if max_parallel is not None and max_parallel < 1:
            raise ConfigError(f"max_parallel is {max_parallel}; it must be at least 1")
        self.batch = batch or uuid.uuid4().hex[:12]
        self.max_parallel = max_parallel or engine.config.engine.max_pipelines
        self._engine = engine
        self._runs = tuple(dict.fromkeys(runs))
        self._fail_fast = fail_fast
        self._full_refresh = full_refresh
        self._wait_seconds = wait_seconds
        self._shard = shard
        self._results: dict[tuple[str, date], BatchRun] = {}
        self._clock = engine.clock
        self._started_at = self._clock.now()
        self._began = self._clock.monotonic()
        for name in dict.fromkeys(name for name, _ in self._runs):
            try:
                engine.config.pipeline(name)
            except ConfigError as exc:
                self._refuse(name, exc)

    def report(self) -> BatchReport:
        """What has become of the runs by now, also where `run` was cancelled."""
        return BatchReport(
            batch=self.batch,
            shard=self._shard,
            started_at=self._started_at,
            seconds=round(self._clock.monotonic() - self._began, 3),
            max_parallel=self.max_parallel,
            runs=tuple(
                self._results.get(key) or BatchRun(pipeline=key[0], run_date=key[1], status="left")
                for key in self._runs
            ),
        )

    async def run(self) -> BatchReport:
        """Run them all. One that fails keeps no other from being run.

        Cancelled, what was committed stays, and `report` tells what is left.
        """
        self._started_at = self._clock.now()
        self._began = self._clock.monotonic()
        self._engine.tell(BatchStarted(batch=self.batch, runs=self._runs))
        with self._engine.listening(self._observe):
            try:
                await each(self._runs, self._run, at_once=self.max_parallel)
            finally:
                self._engine.tell(BatchFinished(batch=self.batch, report=self.report()))
        return self.report()

    def _observe(self, event: Event, /) -> None:
        """A commit that is finished while `run` is cancelled is told by its event alone."""
        if isinstance(event, RunFinished) and event.status == "committed":
            key = (event.report.pipeline, event.report.run_date)
            self._results[key] = _committed(event.report)

    def _refuse(self, name: str, error: ConfigError) -> None:
        log.error("%s", error)
        for key in self._runs:
            if key[0] == name:
                self._results[key] = _failed(key, error)

    async def _run(self, key: tuple[str, date]) -> None:
        name, day = key
        if key in self._results:
            return
        if self._fail_fast and any(each.status == "failed" for each in self._results.values()):
            return
        try:
            report = await self._engine.run(
                name,
                run_date=day,
                full_refresh=self._full_refresh,
                wait_seconds=self._wait_seconds,
            )
        except BronzeError as exc:
            log.error("%s (%s %s)", exc, name, day)  # noqa: TRY400  # the message says it all
            self._results[key] = _failed(key, exc)
            return
        self._results[key] = _committed(report)


def _failed(key: tuple[str, date], error: BronzeError) -> BatchRun:
    return BatchRun(
        pipeline=key[0],
        run_date=key[1],
        status="failed",
        error_code=error.code,
        error=str(error),
        exit_code=error.exit_code,
    )


def _committed(report: RunReport) -> BatchRun:
    return BatchRun(
        pipeline=report.pipeline,
        run_date=report.run_date,
        status="committed",
        run=report.run,
        rows=report.rows,
        generation=report.generation,
        seconds=report.seconds,
        report=report,
    )
