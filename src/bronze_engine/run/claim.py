"""The claim of a chained run: taken before it plans, given back when its commit is certain.

    take -> fence whoever claimed before -> (survey) -> confirm -> (read, commit) -> give back

Confirming is what makes it safe: it succeeds only while nobody has taken the claim over, and
by then the manifest that the commit expects has been read. Whoever takes over later changes
that manifest first, so of two runs one plans after the other's commit, or the other has none.
"""

from __future__ import annotations

import logging
from datetime import date
from typing import Final, final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import BronzeError, StateError
from bronze_engine.model.manifest import partition_path
from bronze_engine.model.window import Window
from bronze_engine.publish.base import read_base
from bronze_engine.publish.fence import fence
from bronze_engine.run.services import Identity, Services, Stores
from bronze_engine.run.void import void_manifest
from bronze_engine.shield import finish
from bronze_engine.state import claims, hint
from bronze_engine.state.claims import Claim, Claimant, Held

__all__ = ["ChainClaim"]

log = logging.getLogger(__name__)

_FENCES: Final = 5
"""Each try that fails lost to another commit; the one that is kept out has one at the most."""


@final
class ChainClaim:
    """One run's claim on the windows of an entity."""

    def __init__(
        self,
        pipeline: Pipeline,
        run_date: date,
        stores: Stores,
        services: Services,
        identity: Identity,
    ) -> None:
        self._pipeline = pipeline
        self._me = Claimant(run=identity.run, attempt=identity.attempt, run_date=run_date)
        self._stores = stores
        self._services = services
        self._held: Held | None = None

    async def take(self) -> None:
        """Claim the entity, and keep out whoever claimed it before.

        A claimant of the same date needs no fence: of it and this run only one can commit.
        Raises StateError (STATE001) where another run claims it at the same time, StoreError;
        the claimants before are then still known to the next run.
        """
        pipeline = self._pipeline
        self._held = await claims.take(
            self._stores.state,
            pipeline.system,
            pipeline.entity,
            self._me,
            self._services.clock.now(),
        )
        for before in self._held.claim.unfenced:
            if before.run_date != self._me.run_date:
                await self._fence(before)

    async def confirm(self, window: Window | None) -> None:
        """Record the window that was planned, after the manifests were read.

        Raises StateError (STATE001) naming both dates where another run has taken the claim
        over: what was planned may no longer be true.
        """
        held = self._taken()
        await held.write(
            msgspec.structs.replace(
                held.claim,
                low=None if window is None else window.low,
                cap=None if window is None else window.high,
                unfenced=self._of_this_date(),
                written_at=self._services.clock.now(),
            )
        )

    async def give_back(self, *, committed: bool) -> tuple[str, ...]:
        """Free the claim: the run has committed, or certainly never will. Returns warnings.

        Not to be called where a commit may be on its way: then the claim stays, and the next
        run fences this date.
        """
        if self._held is None:
            return ()
        # Our commit keeps the others of this date out, as it has changed what they expect.
        unfenced = () if committed else self._held.claim.unfenced
        free = Claim(unfenced=unfenced, written_at=self._services.clock.now())
        try:
            await self._held.write(free)
        except BronzeError as exc:
            return (f"the claim on its windows was not given back: {exc}",)
        return ()

    def _of_this_date(self) -> tuple[Claimant, ...]:
        before = self._taken().claim.unfenced
        return tuple(one for one in before if one.run_date == self._me.run_date)

    def _taken(self) -> Held:
        assert self._held is not None  # noqa: S101  # take() comes first
        return self._held

    async def _fence(self, before: Claimant) -> None:
        pipeline, services, target = self._pipeline, self._services, self._stores.target
        partition = partition_path(pipeline.system, pipeline.entity, before.run_date)
        void = void_manifest(
            pipeline,
            before.run_date,
            run=f"fence-{self._me.run}",
            attempt=self._me.attempt,
            written_at=services.clock.now(),
        )
        for _ in range(_FENCES):
            base = await read_base(target, partition, pipeline=pipeline.name, adopt=True)
            lineage = () if base.manifest is None else base.manifest.lineage
            if any(each.attempt == before.attempt for each in lineage):
                return  # it has committed, and has nothing more to send
            try:
                fenced = await finish(
                    fence, target, base, void, services.clock, grace_seconds=services.grace_seconds
                )
            except StateError:
                continue  # its commit came first, or another fence
            manifest = fenced.manifest
            log.warning(
                "%s %s: run %s claimed this date and did not end; its commit is kept out by"
                " generation %d",
                pipeline.name,
                before.run_date,
                before.run,
                manifest.generation,
            )
            if manifest.status == "committed":
                await hint.advance(self._stores.state, manifest, target=target)
            return
        raise StateError(
            f"{partition} changes whenever run {before.run}, which claimed it, is to be kept out;"
            " run again",
            partition=partition,
            run=before.run,
        )
