"""The slices of a run, landed: those that an earlier process has not landed already.

One after another where each takes up the layout that the one before has left, else side by
side. Each that is landed is written into the checkpoint before the next one is read.
"""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, final

import anyio

from bronze_engine.contracts import Source, SourceType
from bronze_engine.errors import ExtractError, SnapshotLost
from bronze_engine.flow import ungrouped
from bronze_engine.land.job import Job
from bronze_engine.land.landed import Landed
from bronze_engine.land.slice import land_slice
from bronze_engine.model.layout import Layout
from bronze_engine.model.slice import Slice
from bronze_engine.run.account import Account
from bronze_engine.run.checkpoint import RunCheckpoint, StaleCheckpoint
from bronze_engine.run.mend import open_quarantine
from bronze_engine.run.replay import open_source
from bronze_engine.run.seats import Seats
from bronze_engine.run.services import Services

__all__ = ["Reading"]

log = logging.getLogger(__name__)

READS: Final = 3
"""How often a snapshot of the source may be lost before the run gives up."""


@final
class Reading:
    """The reading of one run's source. `slice_bytes` is what one slice holds at the least."""

    def __init__(
        self,
        job: Job,
        services: Services,
        account: Account,
        checkpoint: RunCheckpoint,
        slice_bytes: int,
    ) -> None:
        self._job = job
        self._services = services
        self._account = account
        self._checkpoint = checkpoint
        self._slice_bytes = slice_bytes
        self.landed: list[Landed] = list(checkpoint.landed)
        """In the order of the plan."""

    async def run(self) -> str:
        """Land every slice; returns where the rows came from, without secrets.

        Raises StaleCheckpoint, with nothing read, where the source is not what it was when
        the run was broken off.
        """
        job, name = self._job, self._job.pipeline.name
        source_type = await self._services.source_type(job.pipeline)
        for reading in range(1, READS + 1):
            try:
                async with self._open(source_type) as source:
                    self._account.phase("reading")
                    await self._land(source_type, source)
                    return source.preview().location
            except SnapshotLost as exc:
                await self._checkpoint.drop(self.landed)
                self.landed.clear()
                job.threshold.reset()
                if job.rules is not None:
                    job.rules.release()
                job.written.rows = 0
                if reading == READS:
                    raise ExtractError(
                        f"{name}: the source's snapshot was lost {READS} times in a row: {exc};"
                        " run again when the source is quiet"
                    ) from exc
                job.resources.tally.retries += 1
                log.warning("%s: %s; the run starts over", name, exc)
        raise AssertionError("the loop returns or raises")

    def _open(self, source_type: SourceType[Any]) -> AbstractAsyncContextManager[Source]:
        job = self._job
        if job.mended is not None:
            return open_quarantine(job, job.mended)
        return open_source(source_type, job)

    async def _land(self, source_type: SourceType[Any], source: Source) -> None:
        at_once = source_type.slices_at_once(self._job.pipeline.source)
        if at_once == 1 or self._job.replayed is not None or self._job.mended is not None:
            await self._in_turn(source)
        else:
            await self._side_by_side(source, at_once)
        await self._checkpoint.end()

    async def _in_turn(self, source: Source) -> None:
        layout = self._checkpoint.layout  # else the decoder starts from the base
        head = 0
        async for first in source.slices():
            if not head:
                self._checkpoint.check(source.token)
            piece = self._checkpoint.place(head, first)
            while piece is not None:
                landed, piece = await self._one(source, head, piece, layout)
                layout = landed.layout or layout
            head += 1
        self._see_all(head)

    async def _side_by_side(self, source: Source, at_once: int) -> None:
        """For sources whose slices have one layout: none waits for another's."""
        if self._job.memory is not None:
            await self._job.memory.use()  # the seats hold more than what a lender keeps
        seats = Seats(self._services.budget, self._slice_bytes, at_once)

        async def land(head: int, piece: Slice | None) -> None:
            while piece is not None:
                _, piece = await self._one(source, head, piece, None)
            seats.give_back()

        head = 0
        is_whole = False
        try:
            with ungrouped(), seats:
                async with anyio.create_task_group() as tasks:
                    async for first in source.slices():
                        if not head:
                            self._checkpoint.check(source.token)
                        await seats.take()
                        tasks.start_soon(land, head, self._checkpoint.place(head, first))
                        head += 1
                    is_whole = True
        finally:
            self.landed.sort(key=lambda landed: landed.index)
        if not is_whole:  # a task group takes the cancellation of its body for its own
            raise ExtractError(
                "the listing of slices broke off: something that the source waits for was "
                "cancelled, and not by whoever runs it. Run again"
            )
        self._see_all(head)

    async def _one(
        self, source: Source, head: int, piece: Slice, layout: Layout | None
    ) -> tuple[Landed, Slice | None]:
        await self._checkpoint.begin()
        landed, following = await land_slice(self._job, source, piece, layout)
        self.landed.append(landed)
        await self._checkpoint.note(landed, head, following)
        return landed, following

    def _see_all(self, heads: int) -> None:
        """Refuse to publish slices that the source does not list any more."""
        if self._checkpoint.landed and not heads:
            raise StaleCheckpoint("the source lists nothing any more")
