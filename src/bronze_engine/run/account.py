"""What a run tells, whatever becomes of it: phases, warnings, and the report at its end."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import date
from typing import Any, Final, Literal, final

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.model.manifest import partition_path
from bronze_engine.model.report import RunReport
from bronze_engine.run.services import Identity, Services, Stores
from bronze_engine.state import reports
from bronze_engine.telemetry.events import (
    RunFinished,
    RunPhase,
    RunRenamed,
    RunStarted,
    StageFinished,
)
from bronze_engine.telemetry.metrics import SourceTally, Usage
from bronze_engine.telemetry.profile import Profile
from bronze_engine.telemetry.verdict import profile_of

__all__ = ["Account", "Status"]

log = logging.getLogger(__name__)

Status = Literal["committed", "failed", "cancelled"]

REPORT_SECONDS: Final = 10.0
"""Nobody waits longer for a store to take the report: its breaker alone would make it minutes."""


@final
class Account:
    """The counts of one run, and where they are told.

    `table` is the path of the Silver table that it makes; None of a run of Bronze.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        run_date: date,
        services: Services,
        identity: Identity,
        *,
        table: str | None = None,
    ) -> None:
        self.tally = SourceTally(f"{pipeline.name} {run_date if table is None else '(silver)'}")
        self.profile = Profile()
        self.stores: Stores | None = None
        """Once they are open: where the partition lies, and where the report goes."""
        self.takes_reports = False
        """Set once the stores have answered: one that is down is not waited for twice."""
        self._pipeline = pipeline
        self.run_date = run_date
        """Of a run of Silver the newest that its table counts, once that is known."""
        self._table = table
        self._services = services
        self.identity = identity
        """Another's once its run is resumed: the report takes the place of that one's."""
        self._usage = Usage()
        self._began = services.clock.monotonic()

    @property
    def layer(self) -> Literal["bronze", "silver"]:
        return "bronze" if self._table is None else "silver"

    @property
    def seconds(self) -> float:
        """How long the run has taken so far."""
        return self._services.clock.monotonic() - self._began

    def begin(self) -> None:
        self._services.publish(
            RunStarted(
                pipeline=self._pipeline.name,
                run_date=str(self.run_date),
                run=self.identity.run,
                layer=self.layer,
            )
        )

    def go_on_as(self, identity: Identity) -> None:
        """Report as this run from here on; where that is another's name, the hooks are told."""
        before, self.identity = self.identity.run, identity
        if identity.run != before:
            self._services.publish(
                RunRenamed(
                    pipeline=self._pipeline.name,
                    run_date=str(self.run_date),
                    run=identity.run,
                    before=before,
                )
            )

    def phase(self, phase: str) -> None:
        self._services.publish(
            RunPhase(pipeline=self._pipeline.name, run=self.identity.run, phase=phase)
        )

    def warn(self, message: str) -> None:
        """Tell it in the log, and in the report."""
        self.tally.warn(message)

    def report(self, *, status: Status, **known: Any) -> RunReport:
        """The report of this run; `known` is what only a committed or a failed one has."""
        pipeline, stores = self._pipeline, self.stores
        partition = self._table
        if partition is None:
            partition = partition_path(pipeline.system, pipeline.entity, self.run_date)
        return RunReport(
            layer=self.layer,
            pipeline=pipeline.name,
            system=pipeline.system,
            entity=pipeline.entity,
            run_date=self.run_date,
            run=self.identity.run,
            attempt=self.identity.attempt,
            status=status,
            partition=partition if stores is None else f"{stores.target.url}/{partition}",
            pages=self.tally.pages,
            requests=self.tally.requests,
            retries=self.tally.retries,
            bytes_in=self.tally.bytes_in,
            started_at=self.identity.started_at,
            seconds=self.seconds,
            cpu_seconds=self._usage.cpu_seconds,
            peak_rss_bytes=self._usage.peak_rss_bytes,
            concurrency=self.tally.concurrency(),
            profile=profile_of(self.profile),
            warnings=tuple(self.tally.warnings),
            **known,
        )

    async def tell(self, report: RunReport) -> None:
        """Store the report and tell the hooks; one that can't be stored is a warning."""
        if self.stores is not None and self.takes_reports:
            warnings: tuple[str, ...] = (f"its report was not written in {REPORT_SECONDS:.0f} s",)
            with suppress(TimeoutError):
                async with self._services.clock.timeout(REPORT_SECONDS):
                    warnings = await reports.write(self.stores.state, report)
            for warning in warnings:
                log.warning("%s %s: %s", report.pipeline, report.run_date, warning)
        for stage in () if report.profile is None else report.profile.stages:
            self._services.publish(
                StageFinished(
                    pipeline=report.pipeline,
                    run=report.run,
                    stage=stage.stage,
                    jobs=stage.jobs,
                    work_seconds=stage.work_seconds,
                    wait_seconds=stage.wait_seconds,
                    busy_seconds=stage.busy_seconds,
                    cpu_seconds=stage.cpu_seconds,
                )
            )
        self._services.publish(
            RunFinished(
                pipeline=report.pipeline,
                run=report.run,
                status=report.status,
                rows=report.rows,
                seconds=report.seconds,
                error_code=report.error_code,
                report=report,
            )
        )
