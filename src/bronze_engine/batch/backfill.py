"""A range of dates of one pipeline: those that are missing are run, and it is told which failed.

    backfill = Backfill(engine, "team.orders", first=date(2025, 1, 1), last=date(2025, 3, 31))
    report = await backfill.run()

Dates that do not depend on each other are run side by side. The dates of a chain are run one
after another, in order.
"""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import Final, final

from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError, ConfigError
from bronze_engine.flow import each
from bronze_engine.model.backfill import BackfillReport, DateResult
from bronze_engine.model.manifest import Manifest, check_dates
from bronze_engine.model.report import RunReport
from bronze_engine.plan.asked import names_run_date
from bronze_engine.plan.day import is_complete
from bronze_engine.plan.window import is_chained, is_dated
from bronze_engine.telemetry.events import BackfillStarted, Event, RunFinished

__all__ = ["Backfill"]

log = logging.getLogger(__name__)

_PARALLEL: Final = 4
"""Where nothing is said: dates share the limits of their API or database, so more of them make
little faster, and each reserves memory."""


@final
class Backfill:
    """The dates from `first` to `last`, both included.

    Raises ConfigError for a range that has no date or reaches past today, and for a pipeline
    that would land today's data under every date: one without a cursor whose request does not
    name `{run_date}`.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        *,
        first: date,
        last: date,
        parallel: int | None = None,
        force: bool = False,
        full_refresh: bool = False,
        wait_seconds: float = 0.0,
        table: bool = True,
    ) -> None:
        check_dates(first, last)
        self._engine = engine
        self._pipeline = engine.config.pipeline(name)
        self._first = first
        self._last = last
        self._force = force or full_refresh
        self._full_refresh = full_refresh
        self._wait_seconds = wait_seconds
        self._has_table = table and self._pipeline.silver is not None
        self._table: DateResult | None = None
        self._warnings: list[str] = []
        self._check()
        self._parallel = self._at_once(parallel)
        days = (last - first).days + 1
        self._dates = [first + timedelta(days=number) for number in range(days)]
        self._results: dict[date, DateResult] = {}
        self._clock = engine.clock
        self._began = self._clock.monotonic()

    def observe(self, event: Event, /) -> None:
        """A hook for `open_engine`: with it `report` knows of a date that was committed while
        `run` was cancelled."""
        if not isinstance(event, RunFinished) or event.status != "committed":
            return
        report = event.report
        if report.pipeline != self._pipeline.name:
            return
        if report.layer == "silver":
            self._table = _committed(report)
        elif report.run_date in self._dates:
            self._results[report.run_date] = _committed(report)

    def report(self) -> BackfillReport:
        """What has become of the dates by now, also where `run` was cancelled."""
        return BackfillReport(
            pipeline=self._pipeline.name,
            first=self._first,
            last=self._last,
            parallel=self._parallel,
            dates=tuple(
                self._results.get(day) or DateResult(run_date=day, status="left")
                for day in self._dates
            ),
            table=self._table,
            seconds=round(self._clock.monotonic() - self._began, 3),
            warnings=tuple(self._warnings),
        )

    async def run(self) -> BackfillReport:
        """Run what is missing. A date that fails keeps no other from being run.

        Raises StateError or StoreError where what stands can't be read. Cancelled, what was
        committed stays, and `report` tells what is left.
        """
        self._began = self._clock.monotonic()
        if self._has_table:
            self._table = DateResult(run_date=self._last, status="left")
        await self._run_dates()
        if self._has_table:
            await self._make_table()
        return self.report()

    async def missing(self) -> dict[date, str]:
        """The dates that `run` would run, the oldest first, each with the reason. Nothing is run;
        `report` has those that are committed as skipped, and these as left.

        Raises StateError or StoreError where what stands can't be read.
        """
        standing = await self._engine.manifests(self._pipeline.name, run_dates=self._dates)
        epoch = 0
        if is_dated(self._pipeline):
            newest = await self._engine.newest(self._pipeline.name)
            epoch = 0 if newest is None else newest.epoch
        found = {day: self._why(standing.get(day), epoch) for day in self._dates}
        for day, why in found.items():
            if why is None:
                self._results[day] = _skipped(standing[day])
        return {day: why for day, why in found.items() if why is not None}

    async def _run_dates(self) -> None:
        todo = list(await self.missing())
        log.info(
            "%s: %d of %d dates from %s to %s are to be run",
            self._pipeline.name,
            len(todo),
            len(self._dates),
            self._first,
            self._last,
        )
        self._engine.tell(BackfillStarted(pipeline=self._pipeline.name, run_dates=tuple(todo)))
        if self._full_refresh and todo:
            # It begins the epoch that the others join: a chain at its first date, dates that
            # depend on none at the newest.
            lead = todo[0] if is_chained(self._pipeline) else todo[-1]
            await self._run(lead, full_refresh=True)
            if self._results[lead].status == "failed":
                return
            todo.remove(lead)
        await each(todo, self._run, at_once=self._parallel)

    async def _make_table(self) -> None:
        """Of dates that had landed before as well: it may be what failed the last time."""
        name = self._pipeline.name
        if not any(each.status in ("committed", "skipped") for each in self._results.values()):
            log.warning("%s: the curated table was not run: none of these dates is landed", name)
            return
        try:
            report = await self._engine.silver(name, wait_seconds=self._wait_seconds)
        except BronzeError as exc:
            log.error("%s (%s silver)", exc, name)  # noqa: TRY400  # the message says it all
            self._table = _failed(self._last, exc)
        else:
            self._table = _committed(report)

    def _check(self) -> None:
        pipeline, today = self._pipeline, self._engine.today()
        if self._last < self._first:
            raise ConfigError(
                f"from {self._first} to {self._last} there is no date; give the earlier one first"
            )
        if self._last > today:
            raise ConfigError(
                f"{self._last} is after today, {today}, and has no data yet; end the backfill"
                f" with {today} or before"
            )
        if pipeline.incremental is None and not names_run_date(pipeline):
            raise ConfigError(
                f"{pipeline.name} would land today's data under every date: its request does not"
                " name {run_date}, and it has no cursor; use {run_date}, or set load ="
                ' "incremental" with a cursor and window = "date"'
            )
        if is_chained(pipeline) and not names_run_date(pipeline):
            self._warn(
                f"{pipeline.name} is a chain: only the first of its dates will hold history, and"
                " each later one what came since the one before; where the cursor has days and"
                ' can be bounded on both sides, window = "date" gives each its own'
            )

    def _at_once(self, parallel: int | None) -> int:
        if parallel is not None and parallel < 1:
            raise ConfigError(f"parallel is {parallel}; it must be at least 1")
        if is_chained(self._pipeline):
            if parallel is not None and parallel > 1:
                self._warn("the dates of a chain depend on each other: one is run at a time")
            return 1
        return parallel or min(_PARALLEL, self._engine.config.engine.max_pipelines)

    def _warn(self, message: str) -> None:
        self._warnings.append(message)
        log.warning("%s", message)

    def _why(self, manifest: Manifest | None, epoch: int) -> str | None:
        """Why a date is to be run; None where this configuration has committed it to its end."""
        if manifest is None:
            return "not committed"
        if self._force:
            return "committed, and asked for all the same"
        if manifest.epoch < epoch:
            # A full refresh that was broken off has left those that it did not come to.
            return "left behind by a full refresh"
        if manifest.config_hash != self._pipeline.config_hash:
            return "landed by another configuration"
        if is_dated(self._pipeline) and not is_complete(self._pipeline, manifest):
            return "its day was not over, or rows of it were not yet to be read"
        return None

    async def _run(self, day: date, *, full_refresh: bool = False) -> None:
        name = self._pipeline.name
        try:
            report = await self._engine.run(
                name, run_date=day, full_refresh=full_refresh, wait_seconds=self._wait_seconds
            )
        except BronzeError as exc:
            log.error("%s (%s %s)", exc, name, day)  # noqa: TRY400  # the message says it all
            self._results[day] = _failed(day, exc)
            return
        self._results[day] = _committed(report)


def _committed(report: RunReport) -> DateResult:
    return DateResult(
        run_date=report.run_date,
        status="committed",
        rows=report.rows,
        generation=report.generation,
        report=report,
    )


def _skipped(manifest: Manifest) -> DateResult:
    return DateResult(
        run_date=manifest.run_date,
        status="skipped",
        rows=manifest.row_count,
        generation=manifest.generation,
    )


def _failed(day: date, error: BronzeError) -> DateResult:
    return DateResult(
        run_date=day,
        status="failed",
        error_code=error.code,
        error=str(error),
        exit_code=error.exit_code,
    )
