"""One run of Silver, step by step.

    lease -> which generations -> admit -> records of them -> rows -> files, staged
        -> publish -> reap

A run that finds nothing new needs no memory, and waits for none. Up to the commit an error or a
cancellation aborts: what was staged is discarded, and the table stays as it was. Bronze needs no
lease: its files are verified as they are read, and a date that is landed again meanwhile ends the
run.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from typing import final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.config.silver_identity import silver_hash
from bronze_engine.contracts import LakeTable
from bronze_engine.errors import BronzeError, StoreError
from bronze_engine.model.curated import Curated
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import DataFile
from bronze_engine.model.report import RunReport
from bronze_engine.model.silver import table_path
from bronze_engine.publish.base import Base, superseded
from bronze_engine.publish.lease import table_lease_key
from bronze_engine.run.account import Account
from bronze_engine.run.leased import under_lease
from bronze_engine.run.services import Identity, Services, Stores
from bronze_engine.run.tables import admit
from bronze_engine.shield import finish
from bronze_engine.silver.inputs.bronze import read_bronze
from bronze_engine.silver.inputs.inputs import Work, lost_rows, select
from bronze_engine.silver.intake.rejects import Rejects
from bronze_engine.silver.job import Job
from bronze_engine.silver.landing import Landing
from bronze_engine.silver.making import make
from bronze_engine.silver.memory import Share, output_of, share_of
from bronze_engine.silver.preview import plan_silver
from bronze_engine.silver.publishing import Publishing, mend
from bronze_engine.silver.table import damage_of, read_table, silver_of
from bronze_engine.telemetry.events import FileStaged, RowsWritten
from bronze_engine.telemetry.profile import applied, working

__all__ = ["SilverOptions", "plan_silver", "run_silver"]

log = logging.getLogger(__name__)


class SilverOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller asks of one run beyond the configuration."""

    run_dates: frozenset[date] | None = None
    """Whose new generations are taken in; None for all."""
    rebuild: bool = False
    """Make everything anew of what Bronze has."""
    adopt: bool = False
    """Take over a table that stands under another pipeline's name."""
    wait_seconds: float = 0.0
    """How long to wait for a lease that another run holds."""


async def run_silver(pipeline: Pipeline, services: Services, options: SilverOptions) -> RunReport:
    """Bring a table up to what Bronze has committed, and say how it went. See `Engine.silver`."""
    run = _Run(pipeline, silver_of(pipeline), services, options)
    with applied(run.account.profile):
        return await run.execute()


@final
class _Run:
    """What the steps of one run share."""

    def __init__(
        self, pipeline: Pipeline, silver: Silver, services: Services, options: SilverOptions
    ) -> None:
        self.pipeline = pipeline
        self.silver = silver
        self.services = services
        self.options = options
        self.folder = table_path(silver.path, pipeline.system, pipeline.entity)
        self.config_hash = silver_hash(pipeline, silver)
        self.identity = Identity.new(services.clock)
        day = max(options.run_dates or [services.today()])
        self.account = Account(pipeline, day, services, self.identity, table=self.folder)
        self.publishing: Publishing | None = None
        self.curated: Curated | None = None
        """What the run does to the table, once that is known."""
        self.rows = 0
        """Written so far."""

    async def execute(self) -> RunReport:
        """All steps; whatever happens is told."""
        services, account = self.services, self.account
        account.begin()
        account.phase("preparing")
        try:
            share = share_of(self.pipeline.name, self.silver, services.budget.limit_bytes)
            stores = account.stores = await services.stores(self.pipeline)
            single_writer = self.pipeline.target.single_writer
            await services.preflight.check(stores.target, single_writer=single_writer)
            account.takes_reports = True
            report = await under_lease(
                stores,
                table_lease_key(self.folder),
                self.identity,
                services,
                partial(self._curate, stores, share),
                wait_seconds=self.options.wait_seconds,
            )
        except BaseException as exc:
            if isinstance(exc, BronzeError):
                exc.context.setdefault("pipeline", self.pipeline.name)
                exc.context.setdefault("run", self.identity.run)
            await finish(self._fail, exc, grace_seconds=services.grace_seconds)
            raise
        await finish(account.tell, report, grace_seconds=services.grace_seconds)
        return report

    async def _curate(self, stores: Stores, share: Share) -> RunReport:
        """Decide, make, publish."""
        table = await self.services.table(self.pipeline, self.silver.output)
        base, work = await self._look(stores)
        if base.committed is None or not work.is_nothing:
            async with self._admitted(share) as has_waited:
                if has_waited:  # what has landed meanwhile counts
                    base, work = await self._look(stores)
                if base.committed is None or not work.is_nothing:
                    return await self._make(self._begin(stores, share, base, work), table)
        undone = await mend(stores.target, base, table)
        return self._unchanged(base.committed, work, undone)

    async def _look(self, stores: Stores) -> tuple[Base, Work]:
        """The table as it stands, and what is new since."""
        pipeline, options = self.pipeline, self.options
        base = await read_table(
            stores.target,
            self.folder,
            pipeline=pipeline.name,
            adopt=options.adopt,
            rebuild=options.rebuild,
        )
        work = select(
            pipeline.name,
            await read_bronze(stores.target, pipeline.system, pipeline.entity),
            base.committed,
            asked=options.run_dates,
            rebuild=options.rebuild,
            config_hash=self.config_hash,
            judges_lateness=self.silver.late_data != "apply",
        )
        self.account.run_date = work.run_date
        return base, work

    @asynccontextmanager
    async def _admitted(self, share: Share) -> AsyncIterator[bool]:
        """Hold the run's share of the memory; whether it had to wait for that."""
        has_waited = False

        def wait() -> None:
            nonlocal has_waited
            has_waited = True
            self.account.phase("waiting for memory")

        async with self.services.budget.reserve(share.size_bytes, on_wait=wait):
            yield has_waited

    def _begin(self, stores: Stores, share: Share, base: Base, work: Work) -> Job:
        """Tell what is to be done."""
        self._tell_beginning(work)
        if work.lost:
            self.account.warn(lost_rows(work))
        damage = damage_of(base)
        if damage is not None:
            self.account.warn(damage)
        return Job(
            pipeline=self.pipeline,
            silver=self.silver,
            folder=self.folder,
            stores=stores,
            services=self.services,
            account=self.account,
            identity=self.identity,
            share=share,
            base=base,
            work=work,
            config_hash=self.config_hash,
        )

    async def _make(self, job: Job, table: LakeTable | None) -> RunReport:
        """Make the next generation, and publish it."""
        services, target = self.services, job.stores.target
        landing = Landing(
            store=target,
            folder=self.folder,
            generation=job.generation,
            run=self.identity.run,
            output=output_of(self.silver),
            workers=services.workers,
            on_rows=self._tell_rows,
            on_file=self._tell_file,
        )
        async with Rejects(
            pipeline=self.pipeline.name,
            workers=services.workers,
            target=target,
            folder=self.folder,
            generation=job.generation,
            run=self.identity.run,
            state=job.stores.state,
            rejected_key=job.rejected_key,
            grace_seconds=services.grace_seconds,
        ) as rejects:
            try:
                made = await make(job, landing, rejects)
                await admit(table, made.manifest)
                for warning in made.warnings:
                    self.account.warn(warning)
            except BaseException as exc:
                await finish(landing.discard, grace_seconds=services.grace_seconds)
                if isinstance(exc, StoreError):
                    # A run that woke up late finds its uploads reaped: by whom is the news.
                    news = await superseded(target, job.base)
                    if news is not None:
                        raise news from exc
                raise
            self.account.phase("publishing")
            self.curated = made.curated
            rejects.is_committed = True  # from here on the commit decides what becomes of them
            staged = (*landing.staged, *rejects.staged)
            publishing = Publishing(job, made.manifest, staged, made.kept, table)
            self.publishing = publishing
            with working("commit"):
                await finish(publishing.run, services.clock, grace_seconds=services.grace_seconds)
        return self._committed(publishing.manifest, publishing.degraded)

    def _tell_beginning(self, work: Work) -> None:
        log.info(
            "%s: run %s of Silver begins with %d of %d dates%s",
            self.pipeline.name,
            self.identity.run,
            len(work.taken_in),
            len(work.counted) + len(work.retained),
            "" if work.rebuild is None else f", all rows are made anew ({work.rebuild})",
        )

    def _tell_rows(self, rows: int) -> None:
        self.rows += rows
        self.services.publish(
            RowsWritten(pipeline=self.pipeline.name, run=self.identity.run, rows=self.rows)
        )

    def _tell_file(self, file: DataFile) -> None:
        self.services.publish(
            FileStaged(
                pipeline=self.pipeline.name,
                run=self.identity.run,
                name=file.name,
                rows=file.row_count,
                size_bytes=file.size_bytes,
            )
        )

    def _unchanged(self, manifest: Manifest, work: Work, degraded: Collection[str]) -> RunReport:
        """Of a run that has found nothing new: what stands, and that nothing was committed."""
        log.info(
            "%s: nothing is new since generation %d of %s; nothing was committed",
            self.pipeline.name,
            manifest.generation,
            self.folder,
        )
        self.curated = Curated(
            mode=None,
            pending=work.pending,
            kept_files=len(manifest.files),
            current_rows=None if manifest.silver is None else current_rows_of(manifest),
        )
        report = self._committed(manifest, degraded, bytes_out=0)
        return msgspec.structs.replace(report, schema_changes=(), quality=())

    def _committed(
        self, manifest: Manifest, degraded: Collection[str], *, bytes_out: int | None = None
    ) -> RunReport:
        if bytes_out is None:
            new = manifest.generation
            bytes_out = sum(
                file.size_bytes for file in manifest.files if f"part-g{new:08}-" in file.name
            )
        taken = () if self.curated is None else self.curated.inputs
        days = {each.run_date for each in taken if each.change != "gone"}
        table = () if manifest.silver is None else manifest.silver.inputs
        own = [each for each in table if each.run_date in days]
        return self.account.report(
            status="committed",
            generation=manifest.generation,
            rows=manifest.row_count,
            rejected=sum(each.rejected for each in own),
            late_rows=sum(each.late for each in own),
            files=len(manifest.files),
            bytes_out=bytes_out,
            schema_changes=manifest.schema_changes,
            quality=manifest.quality,
            silver=self.curated,
            degraded=tuple(degraded),
        )

    async def _fail(self, error: BaseException) -> None:
        done = self.publishing
        if done is not None and done.is_committed:  # cancelled in the commit, and after
            await self.account.tell(self._committed(done.manifest, done.degraded))
            return
        report = self.account.report(
            status="failed" if isinstance(error, Exception) else "cancelled",
            error_code=error.code if isinstance(error, BronzeError) else None,
            error=str(error) if isinstance(error, BronzeError) else type(error).__name__,
            rejected=error.context.get("rejected", 0) if isinstance(error, BronzeError) else 0,
        )
        await self.account.tell(report)


def current_rows_of(manifest: Manifest) -> int | None:
    """Of a full history one a living key; None of others."""
    table = manifest.silver
    return table.current_rows if table is not None and table.history == "full" else None
