"""One run, step by step.

    admit -> lease -> claim, of a chain -> survey -> plan -> open -> land the slices
        -> publish -> remember

Up to the commit an error or a cancellation aborts: what was staged is discarded, but for
what the checkpoint names, and the partition stays as it was. The commit itself is finished,
within a bound, even when the caller is cancelled. After it nothing fails the run: what went
wrong is `degraded`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import BronzeError, QualityError, StateError, StoreError
from bronze_engine.flow import Reservation
from bronze_engine.land.job import Job, Written
from bronze_engine.land.landed import Landed, last_layout
from bronze_engine.land.slice import file_bytes, keep_rejected
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.report import RunReport
from bronze_engine.plan.asked import date_warning
from bronze_engine.plan.window import is_chained, planned_window
from bronze_engine.publish.base import superseded
from bronze_engine.quality.judge import RunRules
from bronze_engine.quality.thresholds import Threshold
from bronze_engine.run.account import Account
from bronze_engine.run.admission import least_bytes
from bronze_engine.run.checkpoint import RunCheckpoint, StaleCheckpoint, is_kept_for
from bronze_engine.run.claim import ChainClaim
from bronze_engine.run.leased import lease_of, under_lease
from bronze_engine.run.manifest import compose_manifest
from bronze_engine.run.mend import joined, mendable, show_what_stands
from bronze_engine.run.publishing import Publishing
from bronze_engine.run.reading import Reading
from bronze_engine.run.replay import fetched_by, replayable
from bronze_engine.run.resume import open_checkpoint
from bronze_engine.run.rules import judge, row_history, rule_warnings, run_rules
from bronze_engine.run.services import Identity, Options, Services, Stores
from bronze_engine.run.survey import Survey, survey
from bronze_engine.run.tables import admit
from bronze_engine.run.warnings import landing_warnings
from bronze_engine.shield import finish
from bronze_engine.state import reports
from bronze_engine.telemetry.profile import applied, working

__all__ = ["run_pipeline"]

log = logging.getLogger(__name__)


async def run_pipeline(
    pipeline: Pipeline, run_date: date, services: Services, options: Options
) -> RunReport:
    """Land one pipeline for one date and say how it went. See `Engine.run`."""
    run = _Run(pipeline, run_date, services, options)
    with applied(run.account.profile):
        return await run.execute()


@final
class _Run:
    """What the steps of one run share: its names, its counts, and what it has staged."""

    def __init__(
        self, pipeline: Pipeline, run_date: date, services: Services, options: Options
    ) -> None:
        self.pipeline = pipeline
        self.run_date = run_date
        self.services = services
        self.options = options
        self.identity = Identity.new(services.clock)
        self.account = Account(pipeline, run_date, services, self.identity)
        self.landed: list[Landed] = []
        self.kept_slices = 0
        """Those that an earlier process has landed."""
        self.slice_bytes = 0
        """What one slice holds at the least; reserved for the first."""
        self.memory: Reservation | None = None
        self.claim: ChainClaim | None = None
        """Of a chain, from when it is taken on."""
        self.is_certain = True
        """Whether it is known what becomes of the commit: none has been sent, or it is there."""
        self.threshold: Threshold | None = None
        self.rules: RunRules | None = None
        self.checkpoint: RunCheckpoint | None = None
        self.publishing: Publishing | None = None

    async def execute(self) -> RunReport:
        """All steps; whatever happens is told."""
        services = self.services
        self.account.begin()
        waiting = partial(self.account.phase, "waiting for memory")
        try:
            self.slice_bytes = await least_bytes(self.pipeline, services)
            async with services.budget.reserve(
                self.slice_bytes, lendable_bytes=file_bytes(self.pipeline), on_wait=waiting
            ) as memory:
                self.memory = memory
                if self.options.admitted is not None:
                    self.options.admitted(memory)
                self.account.phase("preparing")
                stores = self.account.stores = await services.stores(self.pipeline)
                report = await self._hold_lease(stores)
        except BaseException as exc:
            if isinstance(exc, BronzeError):
                exc.context.setdefault("pipeline", self.pipeline.name)
                exc.context.setdefault("run", self.identity.run)
            await finish(self._fail, exc, grace_seconds=services.grace_seconds)
            raise
        finally:
            if self.rules is not None:
                self.rules.release()
        await finish(self.account.tell, report, grace_seconds=services.grace_seconds)
        return report

    async def _hold_lease(self, stores: Stores) -> RunReport:
        services, identity, pipeline = self.services, self.identity, self.pipeline
        await services.preflight.check(stores.target, single_writer=pipeline.target.single_writer)
        self.account.takes_reports = True
        return await under_lease(
            stores,
            lease_of(pipeline, self.run_date),
            identity,
            services,
            partial(self._claimed, stores),
            wait_seconds=self.options.wait_seconds,
        )

    async def _claimed(self, stores: Stores) -> RunReport:
        """Of a chain: claim its windows first, so that no two runs ever hold the same rows."""
        if not is_chained(self.pipeline):
            return await self._land(stores)
        services = self.services
        claim = ChainClaim(self.pipeline, self.run_date, stores, services, self.identity)
        self.claim = claim
        try:
            await claim.take()
            return await self._land(stores)
        except BaseException as exc:
            if self.is_certain or isinstance(exc, StateError):
                give_back = partial(claim.give_back, committed=False)
                for warning in await finish(give_back, grace_seconds=services.grace_seconds):
                    log.warning("%s %s: %s", self.pipeline.name, self.run_date, warning)
            raise

    async def _land(self, stores: Stores) -> RunReport:
        """Survey, plan, read, publish; once more where the source has changed since the run that
        is resumed was broken off."""
        try:
            return await self._attempt(stores)
        except StaleCheckpoint as exc:
            stale = str(exc)
        fresh = Identity.new(self.services.clock)
        attempt = self.identity.attempt  # the lease, and the checkpoint, know us by it
        self.identity = msgspec.structs.replace(fresh, attempt=attempt)
        self.account.go_on_as(self.identity)
        return await self._attempt(stores, stale)

    async def _attempt(self, stores: Stores, stale: str | None = None) -> RunReport:
        pipeline, services, options = self.pipeline, self.services, self.options
        table = await services.table(pipeline, pipeline.output)
        standing = await survey(
            stores,
            pipeline,
            self.run_date,
            self.identity,
            full_refresh=options.full_refresh,
            adopt=options.adopt,
        )
        replayed = mended = None
        if options.replay:
            standing, replayed = replayable(standing, pipeline)
        if options.mend:
            standing, mended = mendable(standing, pipeline)
        if self.claim is not None:
            await self.claim.confirm(planned_window(standing.request))
        checkpoint = self.checkpoint = await open_checkpoint(
            stores,
            pipeline,
            standing,
            self.identity,
            options,
            self.account.tally,
            max_age_seconds=services.resume_seconds,
            stale=stale,
        )
        history = await row_history(stores.target, pipeline, self.run_date)
        job = self._job(stores, standing, checkpoint, replayed, history)
        job = msgspec.structs.replace(job, mended=mended)
        warning = date_warning(pipeline, self.run_date, services.today(), later=standing.later)
        if warning is not None and replayed is None and mended is None:
            self.account.warn(warning)
        self._tell_beginning(checkpoint, replayed)
        try:
            manifest = await self._read(job, checkpoint)
            await admit(table, manifest)
            for warning in (*landing_warnings(job, self.landed), *rule_warnings(self.rules)):
                self.account.warn(warning)
        except BaseException as exc:
            await finish(self._abort, job, checkpoint, exc, grace_seconds=services.grace_seconds)
            if isinstance(exc, StoreError):
                # A run that woke up late finds its uploads reaped: by whose commit is the news.
                news = await superseded(stores.target, standing.base)
                if news is not None:
                    raise news from exc
            raise
        self.account.phase("publishing")
        self.is_certain = False
        publishing = Publishing(
            job, standing.base, manifest, self.landed, checkpoint, self.claim, table
        )
        self.publishing = publishing
        with working("commit"):
            await finish(publishing.run, services.clock, grace_seconds=services.grace_seconds)
        return self._committed(publishing.manifest, publishing.degraded)

    async def _read(self, job: Job, checkpoint: RunCheckpoint) -> Manifest:
        """Read and stage all slices, and judge them: the manifest that would commit them."""
        reading = Reading(job, self.services, self.account, checkpoint, self.slice_bytes)
        self.landed = reading.landed
        if job.mended is not None:
            await show_what_stands(job, job.mended)
        location = await reading.run()
        job.threshold.finish()
        await judge(self.rules, [each.rules for each in self.landed], last_layout(self.landed))
        manifest = compose_manifest(
            job,
            self.landed,
            location=location,
            tally=self.account.tally,
            attempt=self.identity.attempt,
            written_at=self.services.clock.now(),
            duration_seconds=self.account.seconds,
        )
        return manifest if job.mended is None else joined(manifest, job.mended)

    def _job(
        self,
        stores: Stores,
        standing: Survey,
        checkpoint: RunCheckpoint,
        replayed: Manifest | None,
        history: Sequence[int],
    ) -> Job:
        """What the slices have in common; of a resumed run, with what earlier ones have had."""
        pipeline, services = self.pipeline, self.services
        self.identity = msgspec.structs.replace(
            self.identity, run=checkpoint.run, started_at=checkpoint.started_at
        )
        self.account.go_on_as(self.identity)
        rejected = reports.rejected_key(
            pipeline.system, pipeline.entity, self.run_date, self.identity.run
        )
        threshold = self.threshold = Threshold(
            pipeline.quality,
            look=f"bronze quarantine show {pipeline.name} --date {self.run_date}"
            f" --run {self.identity.run}",
            kept_at=f"{stores.state.url}/{rejected}",
        )
        for landed in checkpoint.landed:
            threshold.accepted += landed.accepted
            threshold.rejected += landed.rejected
        self.rules = run_rules(pipeline, services, self.identity, history)
        return Job(
            pipeline=pipeline,
            request=msgspec.structs.replace(
                standing.request,
                run=self.identity.run,
                started_at=self.identity.started_at,
                resumed=checkpoint.following,
            ),
            partition=standing.partition,
            generation=standing.base.generation + 1,
            target=stores.target,
            state=stores.state,
            rejected_key=rejected,
            threshold=threshold,
            resources=services.resources(pipeline, self.account.tally),
            grace_seconds=services.grace_seconds,
            written=Written(rows=sum(landed.rows for landed in checkpoint.landed)),
            replayed=replayed,
            rules=self.rules,
            writer=checkpoint.writer,
            memory=self.memory,
        )

    def _tell_beginning(self, checkpoint: RunCheckpoint, replayed: Manifest | None) -> None:
        name, run = self.pipeline.name, self.identity.run
        self.kept_slices = len(checkpoint.landed)
        if not self.kept_slices:
            what: str = self.pipeline.load
            if replayed is not None:
                what = f"a replay of run {fetched_by(replayed)}"
            log.info("%s %s: run %s begins (%s)", name, self.run_date, run, what)
            return
        following = checkpoint.following
        log.info(
            "%s %s: run %s is resumed from slice %d%s; %s rows kept",
            name,
            self.run_date,
            run,
            self.kept_slices,
            "" if following is None else f" ({following.label})",
            f"{sum(landed.rows for landed in checkpoint.landed):,}",
        )

    async def _abort(self, job: Job, checkpoint: RunCheckpoint, error: BaseException) -> None:
        """Leave nothing behind but what a later run resumes from, and the rejected records that
        a QualityError speaks of."""
        if isinstance(error, QualityError):
            for landed in self.landed:
                if landed.rejects is not None:
                    await keep_rejected(job, landed.rejects.failed)
        if is_kept_for(error):
            await checkpoint.keep(self.landed)
        else:
            await checkpoint.drop(self.landed)

    def _committed(self, manifest: Manifest, degraded: Sequence[str]) -> RunReport:
        return self.account.report(
            status="committed",
            generation=manifest.generation,
            rows=manifest.row_count,
            rejected=manifest.rejected_count,
            duplicates=manifest.duplicate_rows,
            changes=None if manifest.cdc is None else manifest.cdc.counts,
            late_rows=manifest.late_rows,
            later_rows=sum(each.later_rows for each in self.landed),
            files=len(manifest.files),
            captured_pages=sum(file.page_count for file in manifest.pages),
            resumed_slices=self.kept_slices,
            replay_of=manifest.replay_of,
            bytes_out=sum(file.size_bytes for file in manifest.files),
            watermark=manifest.watermark,
            schema_changes=manifest.schema_changes,
            quality=() if self.rules is None else self.rules.results,
            degraded=tuple(degraded),
        )

    async def _fail(self, error: BaseException) -> None:
        done = self.publishing
        if done is not None and done.is_committed:  # cancelled in the commit, and after
            await self.account.tell(self._committed(done.manifest, done.degraded))
            return
        if self.checkpoint is not None and not await self.checkpoint.is_ours():
            self.account.takes_reports = False  # it would take the place of the other's
        report = self.account.report(
            status="failed" if isinstance(error, Exception) else "cancelled",
            error_code=error.code if isinstance(error, BronzeError) else None,
            error=str(error) if isinstance(error, BronzeError) else type(error).__name__,
            rejected=0 if self.threshold is None else self.threshold.rejected,
            quality=() if self.rules is None else self.rules.results,
        )
        await self.account.tell(report)
