"""The commit of a run of Silver, and what follows from it: nothing after it fails the run."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import final

from bronze_engine.clock import Clock
from bronze_engine.contracts import LakeTable
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import Staged
from bronze_engine.publish.base import keeping_superseded
from bronze_engine.publish.commit import publish
from bronze_engine.publish.reap import reap
from bronze_engine.run.tables import follow
from bronze_engine.silver.job import Job

__all__ = ["Publishing"]

log = logging.getLogger(__name__)


@final
class Publishing:
    """One run's. What it has come to stands in it, whoever is cancelled meanwhile."""

    def __init__(
        self,
        job: Job,
        manifest: Manifest,
        staged: Sequence[Staged],
        kept: Collection[str],
        table: LakeTable | None,
    ) -> None:
        keeps = job.silver.output.keeps_superseded
        self.manifest = keeping_superseded(manifest, job.base) if keeps else manifest
        """Once it is committed, as it was written."""
        self.is_committed = False
        self.degraded: list[str] = []
        """What went wrong after the commit."""
        self._store = job.stores.target
        self._base = job.base
        self._staged = staged
        self._kept = kept
        self._table = table

    async def run(self, clock: Clock) -> None:
        """Commit, and tidy up. Raises what `publish` raises."""
        published = await publish(
            self._store, self._base, self.manifest, self._staged, clock, kept=self._kept
        )
        self.manifest, self.is_committed = published.manifest, True
        self.degraded += published.warnings
        manifest = self.manifest
        log.info(
            "%s: run %s committed generation %d of %s with %d rows",
            manifest.pipeline,
            manifest.run,
            manifest.generation,
            self._base.partition,
            manifest.row_count,
        )
        behind = await follow(self._table, [self._base.partition])
        self.degraded += behind
        if not behind:
            self.degraded += (await reap(self._store, self._base.partition, manifest)).warnings
        for warning in self.degraded:
            log.warning("%s: committed, but %s", manifest.pipeline, warning)
