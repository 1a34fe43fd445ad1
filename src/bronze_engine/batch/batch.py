"""Many runs in one process: every pipeline and date that was asked for, and what became of each.

batch = Batch(engine, [("team.orders", date(2025, 1, 15)), ("team.items", date(2025, 1, 15))])
report = await batch.run()

Order (what comes after what) -> Places (whose turn it is) -> Engine.run_now
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from datetime import date
from typing import final

import anyio
import msgspec

from bronze_engine.batch.ears import Ears
from bronze_engine.batch.order import Key, plan_order
from bronze_engine.batch.places import Places, Sign, Turn
from bronze_engine.config.limit_group import limit_group
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError, ConfigError
from bronze_engine.flow import Gate, single
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import BatchFinished, BatchRunEnded, BatchStarted
from bronze_engine.telemetry.redact import Redactor

__all__ = ["Batch"]

log = logging.getLogger(__name__)


@final
class Batch:
    """Runs of many pipelines and dates; two that are the same run once.

    A run that fails keeps no other from being run, but for those that come after it
    (`Pipeline.after`), which are skipped. With `fail_fast` no run begins after the first failure.

    At most `max_parallel` runs hold a place (default: engine.max_pipelines, which counts what
    `Engine.run` is asked for beside the batch, not the batch); see `batch.places` for whose turn
    it is, and which runs are set aside. engine.memory_limit bounds them all.

    `full_refresh` reads all of them anew, or the pipelines that it names.

    A pipeline whose configuration is wrong is failed runs. Raises ConfigError where there is
    nothing to run.
    """

    def __init__(
        self,
        engine: Engine,
        runs: Sequence[tuple[str, date]],
        *,
        max_parallel: int | None = None,
        fail_fast: bool = False,
        full_refresh: bool | Collection[str] = False,
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
        self._runs: tuple[Key, ...] = tuple(dict.fromkeys(runs))
        self._fail_fast = fail_fast
        self._wait_seconds = wait_seconds
        self._shard = shard
        self._clock = engine.clock
        self._masked = Redactor(lambda: engine.config.secrets)
        self._started_at = self._clock.now()
        self._began = self._clock.monotonic()
        self._results: dict[Key, BatchRun] = {}
        self._reports: dict[Turn, RunReport] = {}
        self._wrong: dict[str, ConfigError] = {}
        self._pipelines = self._resolved()
        if isinstance(full_refresh, bool):
            full_refresh = tuple(self._pipelines) if full_refresh else ()
        self._order, self._refreshing = plan_order(
            self._runs, self._pipelines, full_refresh=frozenset(full_refresh)
        )
        self._numbers = {key: number for number, key in enumerate(self._runs)}
        self._places = Places(self.max_parallel, self._clock)
        self._ears = Ears(on_sign=self._hear, on_report=self._reports.__setitem__)
        self._changed = Gate()
        self._under_way = 0
        self._is_ending = False
        """Since a failure, where that ends the batch."""

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
        """Run them all, once.

        Cancelled, what was committed stays, and `report` tells what is left. No task of the
        batch is left in any case.
        """
        self._started_at = self._clock.now()
        self._began = self._clock.monotonic()
        self._engine.tell(BatchStarted(batch=self.batch, runs=self._runs))
        try:
            with self._engine.listening(self._ears):
                await self._run_all()
        except BaseExceptionGroup as group:
            raise single(group) from None
        finally:
            self._engine.tell(BatchFinished(batch=self.batch, report=self.report()))
        return self.report()

    async def _run_all(self) -> None:
        for key in self._order.ready:
            self._ask(key)
        async with anyio.create_task_group() as tasks:
            while True:
                while (turn := self._places.take()) is not None:
                    self._under_way += 1
                    tasks.start_soon(self._run, turn)
                if not self._under_way:
                    return
                await self._wait(self._places.look_in_seconds)

    async def _wait(self, seconds: float | None) -> None:
        """Wait until something has changed, or for so long."""
        if seconds is None:
            await self._changed.wait()
            return
        try:
            async with self._clock.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _resolved(self) -> dict[str, Pipeline]:
        config = self._engine.config
        found: dict[str, Pipeline] = {}
        for name in dict.fromkeys(name for name, _ in self._runs):
            try:
                found[name] = config.pipeline(name)
            except ConfigError as exc:
                self._wrong[name] = exc
        return found

    def _ask(self, key: Key) -> None:
        """Let a run wait for its turn; one whose configuration is wrong has failed by now."""
        name, day = key
        wrong = self._wrong.get(name)
        if wrong is None:
            self._places.add(Turn(self._numbers[key], limit_group(self._pipelines[name].source)))
        elif not self._is_ending:
            log.error("%s (%s %s)", wrong, name, day)
            self._end(key, self._failed(key, wrong))

    def _hear(self, turn: Turn, sign: Sign) -> None:
        if self._places.hear(turn, sign):
            self._changed.open()

    async def _run(self, turn: Turn) -> None:
        key = self._runs[turn.number]
        self._ears.listen(turn)
        try:
            if not self._is_ending:  # the failure may have come since its turn did
                self._end(key, await self._result(key, turn))
        except BaseException:
            report = self._reports.get(turn)
            if report is not None:  # a commit is finished while its run is cancelled
                self._results[key] = _told(report)
            raise
        finally:
            self._reports.pop(turn, None)
            self._places.leave(turn)
            self._under_way -= 1
            self._changed.open()

    async def _result(self, key: Key, turn: Turn) -> BatchRun:
        name, day = key
        try:
            report = await self._engine.run_now(
                name,
                run_date=day,
                full_refresh=key in self._refreshing,
                wait_seconds=self._wait_seconds,
                admitted=turn.admit,
            )
        except BronzeError as exc:
            log.error("%s (%s %s)", exc, name, day)  # noqa: TRY400  # the message says it all
            return self._failed(key, exc, self._reports.get(turn))
        except Exception as exc:
            log.exception(
                "BRONZE %s %s: this is a fault of bronze-engine itself, not of your data or"
                " configuration; please report it with the traceback below",
                name,
                day,
            )
            fault = BronzeError(f"a fault of bronze-engine itself: {exc!r}; the log has more of it")
            return self._failed(key, fault, self._reports.get(turn))
        return _told(report)

    def _end(self, key: Key, result: BatchRun) -> None:
        """Write down what became of a run, and let those begin that have waited for it."""
        self._keep(key, result)
        if result.status == "failed" and self._fail_fast:
            self._is_ending = True
            self._places.clear()
        if self._is_ending:
            return
        ended = self._order.end(key, committed=result.status == "committed")
        for behind, before in ended.skipped:
            self._keep(behind, _skipped(behind, self._results[before]))
            log.error("%s (%s %s)", self._results[behind].error, *behind)
        for behind in ended.ready:
            self._ask(behind)

    def _keep(self, key: Key, result: BatchRun) -> None:
        self._results[key] = result
        self._engine.tell(BatchRunEnded(batch=self.batch, result=result))

    def _failed(self, key: Key, error: BronzeError, report: RunReport | None = None) -> BatchRun:
        text = self._masked(str(error))  # a server may repeat what it was sent
        if report is not None and report.error is not None:
            report = msgspec.structs.replace(report, error=self._masked(report.error))
        return BatchRun(
            pipeline=key[0],
            run_date=key[1],
            status="failed",
            run=None if report is None else report.run,
            seconds=0.0 if report is None else report.seconds,
            error_code=error.code,
            error=text,
            exit_code=error.exit_code,
            report=report,
        )


def _told(report: RunReport) -> BatchRun:
    """What a run tells of itself that committed, or was broken off."""
    return BatchRun(
        pipeline=report.pipeline,
        run_date=report.run_date,
        status="committed" if report.status == "committed" else "left",
        run=report.run,
        rows=report.rows,
        generation=report.generation,
        seconds=report.seconds,
        report=report,
    )


def _skipped(key: Key, before: BatchRun) -> BatchRun:
    name, day = key
    why = f"it comes after {before.pipeline}"
    if before.pipeline == name:
        why = f"it joins the epoch that {before.run_date} was to begin"
    what = "has failed" if before.status == "failed" else "was skipped"
    return BatchRun(
        pipeline=name,
        run_date=day,
        status="skipped",
        error_code=before.error_code,
        error=f"{before.error_code} {name} {day} was not run: {why}, which {what}",
        exit_code=before.exit_code,
    )
