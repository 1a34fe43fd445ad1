"""Many runs in one process: every pipeline and date that was asked for, and what became of each.

batch = Batch(engine, [("team.orders", date(2025, 1, 15)), ("team.items", date(2025, 1, 15))])
report = await batch.run()

Order (what comes after what) -> Places (whose turn it is) -> Engine.run_now
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import date
from typing import final

import anyio

from bronze_engine.batch.curation import Curation, tables_of
from bronze_engine.batch.ears import Ears
from bronze_engine.batch.order import Key, plan_order
from bronze_engine.batch.places import Places, Sign, Turn
from bronze_engine.batch.result import failed, skipped, told
from bronze_engine.config.limit_group import limit_group
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError, ConfigError
from bronze_engine.flow import Gate, ungrouped
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.manifest import check_dates
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import (
    BatchFinished,
    BatchRunEnded,
    BatchStarted,
    Event,
    RunFinished,
)
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

    A pipeline's curated table is made once, when the last of its dates has ended, of all that is
    new in Bronze. `tables` are the pipelines whose table is made, whether dates of theirs are run
    or not; None: all of these that have one.

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
        tables: Collection[str] | None = None,
    ) -> None:
        check_dates(*(run_date for _, run_date in runs))
        if not runs and not tables:
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
        if tables is None:
            tables = tables_of(engine.config, self._pipelines)
        self._curation = Curation(self._runs, tables, engine.today())
        self._due: list[str] = list(self._curation.begin())
        """Curated tables whose turn it is."""
        self._table_place = anyio.Lock()
        """One is made at a time: each sets aside more than half of engine.memory_limit, and one
        that waited for that would hold up the runs of Bronze behind it."""
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
            tables=self._curation.results,
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
            with ungrouped(), self._engine.listening(self._ears):
                await self._run_all()
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
                while self._due:
                    self._under_way += 1
                    tasks.start_soon(self._curate, self._due.pop(0))
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
            self._end(key, failed(key, wrong, self._masked))

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
                self._results[key] = told(report)
            raise
        finally:
            self._reports.pop(turn, None)
            self._places.leave(turn)
            self._under_way -= 1
            self._changed.open()

    async def _result(self, key: Key, turn: Turn) -> BatchRun:
        name, day = key

        async def land() -> RunReport:
            return await self._engine.run_now(
                name,
                run_date=day,
                full_refresh=key in self._refreshing,
                wait_seconds=self._wait_seconds,
                admitted=turn.admit,
            )

        ended = await self._ended(f"{name} {day}", land)
        if isinstance(ended, BronzeError):
            return failed(key, ended, self._masked, self._reports.get(turn))
        return told(ended)

    async def _curate(self, name: str) -> None:
        """Make one curated table."""
        reports: list[RunReport] = []

        def hear(event: Event) -> None:
            if isinstance(event, RunFinished):
                report = event.report
                if (report.layer, report.pipeline) == ("silver", name):
                    reports.append(report)

        async def make() -> RunReport:
            return await self._engine.silver_now(name, wait_seconds=self._wait_seconds)

        try:
            async with self._table_place:
                if self._is_ending:
                    return
                with self._engine.listening(hear):
                    ended = await self._ended(f"{name} silver", make)
            if isinstance(ended, BronzeError):
                report = reports[-1] if reports else None
                left = self._curation.result(name, "left")
                key = (name, left.run_date)
                result = failed(key, ended, self._masked, report, layer="silver")
            else:
                result = told(ended)
            self._curation.keep(result)
            self._tell(result)
        except BaseException:
            if reports:  # a commit is finished while its run is cancelled
                self._curation.keep(told(reports[-1]))
            raise
        finally:
            self._under_way -= 1
            self._changed.open()

    async def _ended(
        self, what: str, begin: Callable[[], Awaitable[RunReport]]
    ) -> RunReport | BronzeError:
        """What one run has come to, whatever that is."""
        try:
            return await begin()
        except BronzeError as exc:
            log.error("%s (%s)", exc, what)  # noqa: TRY400  # the message says it all
            return exc
        except Exception as exc:
            log.exception(
                "BRONZE %s: this is a fault of bronze-engine itself, not of your data or"
                " configuration; please report it with the traceback below",
                what,
            )
            return BronzeError(f"a fault of bronze-engine itself: {exc!r}; the log has more of it")

    def _end(self, key: Key, result: BatchRun) -> None:
        """Write down what became of a run, and let those begin that have waited for it."""
        self._keep(key, result)
        if self._is_ending:
            return
        ended = self._order.end(key, committed=result.status == "committed")
        for behind, before in ended.skipped:
            self._keep(behind, skipped(behind, self._results[before]))
            log.error("%s (%s %s)", self._results[behind].error, *behind)
        for behind in ended.ready:
            self._ask(behind)

    def _keep(self, key: Key, result: BatchRun) -> None:
        self._results[key] = result
        if self._curation.end(key[0], committed=result.status == "committed"):
            self._due.append(key[0])
        self._tell(result)

    def _tell(self, result: BatchRun) -> None:
        """A run of either layer has ended."""
        if result.status == "failed" and self._fail_fast:
            self._is_ending = True
            self._places.clear()
        self._engine.tell(BatchRunEnded(batch=self.batch, result=result))
