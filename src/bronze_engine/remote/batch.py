"""A batch whose runs are landed by the workers of a cluster, in parcels."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date
from typing import Final, final

import anyio
import msgspec

from bronze_engine.batch.curation import Curation, tables_of
from bronze_engine.batch.result import failed
from bronze_engine.batch.shard import shares_of
from bronze_engine.config.load import Texts, load_texts
from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError, ConfigError, RetryError
from bronze_engine.flow import ungrouped
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.report import RunReport
from bronze_engine.remote.cluster import Cluster, Lost
from bronze_engine.remote.parcel import Answer, Begun, Parcel, decode_sign, encode
from bronze_engine.telemetry.events import (
    BatchFinished,
    BatchRunEnded,
    BatchStarted,
    RunFinished,
    RunStarted,
)
from bronze_engine.version import __version__

__all__ = ["RemoteBatch"]

log = logging.getLogger(__name__)

PARCELS_TO_COME: Final = 16
"""For a cluster that has no worker yet, and gets them because there is work."""

ATTEMPTS: Final = 2
"""Workers that may die of one parcel."""

Key = tuple[str, date]


@final
class RemoteBatch:
    """As `batch.Batch`, but that its runs are elsewhere: the engine only has its events.

    Pipelines that come after each other stay together (`batch.shard`). `max_parallel` counts in
    each parcel. With `fail_fast` parcels that are under way go on.

    Raises ConfigError for a target that no worker can find.
    """

    def __init__(
        self,
        engine: Engine,
        runs: Sequence[Key],
        *,
        cluster: Cluster,
        texts: Texts,
        overrides: Sequence[str] = (),
        max_parallel: int | None = None,
        fail_fast: bool = False,
        full_refresh: Collection[str] = (),
        wait_seconds: float = 0.0,
        batch: str,
        shard: str | None = None,
        tables: Collection[str] | None = None,
    ) -> None:
        self.batch = batch
        self._engine = engine
        self._cluster = cluster
        self._fail_fast = fail_fast
        self._shard = shard
        self._max_parallel = max_parallel or engine.config.engine.max_pipelines
        self._started_at = engine.clock.now()
        self._began = engine.clock.monotonic()
        self._runs: tuple[Key, ...] = tuple(dict.fromkeys(runs))
        self._results: dict[Key, BatchRun] = {}
        self._attempts: Counter[int] = Counter()
        self._scopes: dict[int, anyio.CancelScope] = {}
        _check_target(engine, texts, overrides)
        dates: dict[str, list[date]] = {}
        for name, day in self._runs:
            dates.setdefault(name, []).append(day)
        known = tables_of(engine.config, dates) if tables is None else tables
        self._curation = Curation(self._runs, known, engine.today())
        for name in known:
            dates.setdefault(name, [])
        # One a thread: at the end of each parcel places stand empty. With four a thread a batch of
        # 10,000 took 1.6 times as long (benchmarks.scale).
        count = min(len(dates), cluster.threads or PARCELS_TO_COME)
        shares = [share for share in shares_of(engine.config, tuple(dates), count) if share]
        self._parcels = tuple(
            Parcel(
                version=__version__,
                number=number,
                batch=batch,
                started_at=self._started_at,
                texts=texts,
                overrides=tuple(overrides),
                runs=tuple((name, day) for name in share for day in dates[name]),
                tables=None if tables is None else tuple(each for each in share if each in tables),
                full_refresh=tuple(name for name in share if name in full_refresh),
                max_parallel=max_parallel,
                fail_fast=fail_fast,
                wait_seconds=float(wait_seconds),
            )
            for number, share in enumerate(shares)
        )

    def report(self) -> BatchReport:
        """What is known of the runs by now, also where `run` was cancelled."""
        return BatchReport(
            batch=self.batch,
            shard=self._shard,
            started_at=self._started_at,
            seconds=round(self._engine.clock.monotonic() - self._began, 3),
            max_parallel=self._max_parallel,
            runs=tuple(
                self._results.get(key) or BatchRun(pipeline=key[0], run_date=key[1], status="left")
                for key in self._runs
            ),
            tables=self._curation.results,
        )

    async def run(self) -> BatchReport:
        """Have them all run, once. Cancelled, the workers stop, and `report` tells what is left."""
        self._engine.tell(BatchStarted(batch=self.batch, runs=self._runs))
        self._cluster.listen(self._hear)
        log.info(
            "batch %s: %d runs in %d parcels for %d threads of workers",
            self.batch,
            len(self._runs),
            len(self._parcels),
            self._cluster.threads,
        )
        try:
            with ungrouped():
                async with anyio.create_task_group() as tasks:
                    for parcel in self._parcels:
                        tasks.start_soon(self._land, parcel)
        finally:
            self._engine.tell(BatchFinished(batch=self.batch, report=self.report()))
        return self.report()

    async def _land(self, parcel: Parcel) -> None:
        key = f"bronze-{self.batch}-{parcel.number}"
        with anyio.CancelScope() as scope:
            self._scopes[parcel.number] = scope
            try:
                text = await self._cluster.land(key, encode(parcel))
            except Lost as exc:
                self._lose(parcel, RetryError(f"parcel {parcel.number}: {exc}"))
            else:
                self._take(parcel, msgspec.json.decode(text, type=Answer))
        if self._attempts[parcel.number] > ATTEMPTS:
            self._lose(
                parcel,
                RetryError(
                    f"parcel {parcel.number}: {ATTEMPTS} workers have died while they ran it;"
                    " is their memory enough for engine.memory_limit?"
                ),
            )

    def _take(self, parcel: Parcel, answer: Answer) -> None:
        if answer.report is None:
            self._lose(parcel, ConfigError(answer.refusal or "the worker refused it"))
            return
        for run in answer.report.every:
            if run.status != "left":
                self._keep(run)

    def _lose(self, parcel: Parcel, error: BronzeError) -> None:
        """Runs of which nothing is known have failed."""
        log.error("%s", error)
        for name, day in parcel.runs:
            if (name, day) not in self._results:
                self._keep(failed((name, day), error, str))

    def _hear(self, text: str) -> None:
        sign = decode_sign(text)
        if sign.batch != self.batch:
            return
        if not isinstance(sign, Begun):
            self._keep(sign.run)
            return
        self._attempts[sign.parcel] += 1
        attempt = self._attempts[sign.parcel]
        if attempt > 1:
            log.warning("parcel %d: its worker was lost; %s has it", sign.parcel, sign.worker)
        if attempt > ATTEMPTS:
            self._scopes[sign.parcel].cancel()

    def _keep(self, run: BatchRun) -> None:
        if run.layer == "silver":
            is_news = self._curation.keep(run)
        else:
            key = (run.pipeline, run.run_date)
            is_news = key not in self._results
            self._results[key] = run
        if is_news:
            if run.report is not None:
                # Who counts runs counts those that have begun and ended.
                self._engine.tell(
                    RunStarted(
                        layer=run.layer,
                        pipeline=run.pipeline,
                        run_date=str(run.run_date),
                        run=run.report.run,
                    )
                )
                self._engine.tell(_finished(run, run.report))
            self._engine.tell(BatchRunEnded(batch=self.batch, result=run))
        if run.status == "failed" and self._fail_fast:
            for number, scope in self._scopes.items():
                if not self._attempts[number]:
                    scope.cancel()


def _finished(run: BatchRun, report: RunReport) -> RunFinished:
    return RunFinished(
        pipeline=run.pipeline,
        run=report.run,
        status=report.status,
        rows=report.rows,
        seconds=report.seconds,
        error_code=report.error_code,
        report=report,
    )


def _check_target(engine: Engine, texts: Texts, overrides: Sequence[str]) -> None:
    """Find out here what every worker would say: what is written must not lie on each alone."""
    config = engine.config
    shipped = load_texts(texts, overrides=overrides, environ=config.variables)
    for place in (shipped.engine.target, shipped.engine.state):
        if place is not None and place not in config.store_names:
            shipped.place(place)
