"""The commit of a run, and what follows from it: nothing after the commit fails the run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import final

from bronze_engine.clock import Clock
from bronze_engine.contracts import LakeTable
from bronze_engine.errors import BronzeError
from bronze_engine.land.job import Job
from bronze_engine.land.landed import Landed
from bronze_engine.model.manifest import Manifest
from bronze_engine.publish.base import Base, keeping_superseded
from bronze_engine.publish.commit import publish
from bronze_engine.publish.reap import reap
from bronze_engine.run.checkpoint import RunCheckpoint, is_kept_for
from bronze_engine.run.claim import ChainClaim
from bronze_engine.run.services import Stores
from bronze_engine.run.tables import follow_dates
from bronze_engine.state import behind, hint, overrides, reports
from bronze_engine.state.behind import Behind

__all__ = ["Publishing"]

log = logging.getLogger(__name__)


@final
class Publishing:
    """One run's. What it has come to stands in it, whoever is cancelled meanwhile."""

    def __init__(
        self,
        job: Job,
        base: Base,
        manifest: Manifest,
        landed: Sequence[Landed],
        checkpoint: RunCheckpoint,
        claim: ChainClaim | None,
        table: LakeTable | None,
    ) -> None:
        keeps = job.pipeline.output.keeps_superseded
        self.manifest = keeping_superseded(manifest, base) if keeps else manifest
        """Once it is committed, as it was written."""
        self.is_committed = False
        self.degraded: list[str] = []
        """What went wrong after the commit."""
        self._job = job
        self._base = base
        self._landed = landed
        self._checkpoint = checkpoint
        self._claim = claim
        self._table = table

    async def run(self, clock: Clock) -> None:
        """Commit, and tidy up. Raises what `publish` raises."""
        await self._commit(clock)
        manifest = self.manifest
        log.info(
            "%s %s: run %s committed generation %d with %d rows",
            manifest.pipeline,
            manifest.run_date,
            manifest.run,
            manifest.generation,
            manifest.row_count,
        )
        await self._follow(manifest)
        for warning in self.degraded:
            log.warning("%s %s: committed, but %s", manifest.pipeline, manifest.run_date, warning)

    @property
    def _kept_files(self) -> frozenset[str]:
        """Those that stand: of a mended partition all of them."""
        before = self._base.manifest
        if self._job.mended is None or before is None:
            return frozenset()
        return frozenset(file.name for file in before.files)

    async def _commit(self, clock: Clock) -> None:
        """What the checkpoint names stays for who resumes, unless the run is not ours any more."""
        state = self._job.state
        named = [landed for landed in self._landed if self._checkpoint.is_named(landed)]
        try:
            await self._note()
            published = await publish(
                self._job.target,
                self._base,
                self.manifest,
                [one for landed in self._landed for one in landed.committed],
                clock,
                shared={one.key for landed in named for one in landed.committed},
                kept=self._kept_files,
            )
        except BaseException as exc:
            if not is_kept_for(exc):
                await self._checkpoint.drop(self._landed)
                raise
            for landed in self._landed:
                if not self._checkpoint.is_named(landed):
                    await landed.discard_rejected(state)
            raise
        self.manifest, self.is_committed = published.manifest, True
        self.degraded += published.warnings
        for landed in self._landed:
            await landed.discard_rejected(state)

    async def _note(self) -> None:
        """Say that the table lacks this generation, before there may be nobody left to say it."""
        if self._table is None:
            return
        manifest = self.manifest
        generation = Behind(manifest.run_date, manifest.generation)
        try:
            await behind.note(self._job.state, manifest.system, manifest.entity, generation)
        except BronzeError as exc:  # gc looks at all dates, without a note
            log.warning("%s %s: %s", manifest.pipeline, manifest.run_date, exc)

    async def _follow(self, manifest: Manifest) -> None:
        job, degraded = self._job, self.degraded
        degraded += await hint.advance(job.state, manifest, target=job.target)
        if self._claim is not None:
            degraded += await self._claim.give_back(committed=True)
        degraded += await overrides.mark_used(job.state, manifest)
        lacking = await follow_dates(
            self._table, Stores(target=job.target, state=job.state), manifest
        )
        degraded += lacking
        if not lacking:
            degraded += (await reap(job.target, job.partition, manifest)).warnings
        degraded += await reports.sweep(
            job.state, manifest.system, manifest.entity, manifest.run_date
        )
        degraded += await self._checkpoint.committed()
