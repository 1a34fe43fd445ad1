"""The commit of a run of Silver, and what follows from it: nothing after it fails the run."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import final

from bronze_engine.clock import Clock
from bronze_engine.contracts import LakeTable, Store
from bronze_engine.errors import BronzeError, OutcomeUnknown
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.part import Staged
from bronze_engine.publish.base import Base, keeping_superseded
from bronze_engine.publish.checksums import checksums_of, write_checksums
from bronze_engine.publish.commit import publish
from bronze_engine.publish.reap import reap
from bronze_engine.run.tables import follow
from bronze_engine.silver.job import Job

__all__ = ["Publishing", "mend"]

log = logging.getLogger(__name__)


async def mend(store: Store, base: Base, table: LakeTable | None) -> tuple[str, ...]:
    """What a run that committed `base` may have left undone, for one that has nothing to commit:
    the table of another format, the checksums, and the files that it has replaced.

    Hold the lease. Returns warnings; raises nothing of the stores.
    """
    behind = await follow(table, [base.partition])
    if behind:
        return behind
    try:
        found = await store.get(base.manifest_key)
        if found is None or found.version != base.version:
            return ()  # another run is at it
        manifest = decode_manifest(found.body, base.manifest_key)
        await write_checksums(store, base.partition, checksums_of(manifest, found.body))
    except (BronzeError, OutcomeUnknown) as exc:
        return (f"the checksums of {base.partition} were not looked at: {exc}",)
    return (await reap(store, base.partition, manifest)).warnings


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
