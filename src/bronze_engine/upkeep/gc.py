"""Garbage collection: what dead runs have left, of all pipelines that are asked for.

    look at every partition -> by lease: fence where needed, reap, drop what a run staged beside it
        -> leases that ran out -> what trials of the stores have left

What a run has landed that can be resumed is left to it until `engine.resume_max_age` has passed.

Without `delete` it only looks. With it, each date is worked on under its lease, and a lease
that another run holds is respected; safety rests on the fence, never on the lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import final

import msgspec

from bronze_engine.config.load import Config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import BronzeError, StateError
from bronze_engine.model.checkpoint import Checkpoint
from bronze_engine.model.garbage import GcReport
from bronze_engine.model.manifest import partition_path
from bronze_engine.model.part import Staged
from bronze_engine.publish.base import read_base
from bronze_engine.publish.gc import Contents, collect_partition, find_partitions
from bronze_engine.publish.lease import find_holder, find_stale
from bronze_engine.run.leased import lease_of, under_lease
from bronze_engine.run.services import Services, Stores
from bronze_engine.run.tables import find_behind, follow_all
from bronze_engine.run.void import void_manifest
from bronze_engine.state import checkpoints, hint, reports
from bronze_engine.upkeep.collection import Collection
from bronze_engine.upkeep.table.gc import TableGarbage

__all__ = ["collect_garbage"]


class _Day(msgspec.Struct, kw_only=True):
    """What was found of one run date."""

    run_date: date
    contents: Contents | None = None
    rejected: list[Staged] = []
    has_checkpoint: bool = False
    """One that nothing can be resumed from."""


async def collect_garbage(
    config: Config, names: Sequence[str], services: Services, *, delete: bool
) -> GcReport:
    """Find, and with `delete` remove, the garbage of these pipelines. See `Engine.gc`."""
    collection = Collection(services, delete=delete)
    for name in names:
        try:
            await _Entity(collection, config.pipeline(name)).collect()
        except BronzeError as exc:  # the other pipelines are collected all the same
            collection.fault(name, exc)
    return collection.report()


@final
class _Entity:
    """The places of one pipeline."""

    def __init__(self, collection: Collection, pipeline: Pipeline) -> None:
        self.told = collection
        self.pipeline = pipeline
        self.services = collection.services
        self._dates: list[date] = []
        """Those that there are folders of."""

    async def collect(self) -> None:
        told, pipeline = self.told, self.pipeline
        stores = await self.services.stores(pipeline)
        for store in (stores.target, stores.state):
            await told.traces(store)
        by_lease: dict[str, list[_Day]] = {}
        found = await self._look(stores)
        if not await (self._follow() if told.delete else self._tell_behind()):
            return
        for day in found:
            by_lease.setdefault(lease_of(pipeline, day.run_date), []).append(day)
        stale = await find_stale(stores.state, pipeline.system, pipeline.entity)
        for key in stale:
            by_lease.setdefault(key, [])
        if told.delete and by_lease:
            single_writer = pipeline.target.single_writer
            await self.services.preflight.check(stores.target, single_writer=single_writer)
        for key, days in by_lease.items():
            work = self._remove if told.delete else self._tell
            if await work(stores, key, days) and key in stale:
                why = "its holder is gone, or has not renewed it"
                told.found("lease", stores.state, key, why, removed=told.delete)
        silver = pipeline.silver
        if silver is not None:
            await TableGarbage(told, pipeline, silver).collect(stores)

    async def _follow(self) -> bool:
        """Bring tables of other formats up to the manifests, before files that they may still
        show are removed; False where that fails."""
        pipeline = self.pipeline
        dates = [self._partition(run_date) for run_date in self._dates]
        try:
            await follow_all(pipeline, self.services, dates)
        except BronzeError as exc:
            self.told.fault(f"{pipeline.system}/{pipeline.entity}", exc)
            return False
        return True

    async def _tell_behind(self) -> bool:
        """Tell of tables of other formats that do not show what is committed."""
        pipeline = self.pipeline
        dates = [self._partition(run_date) for run_date in self._dates]
        try:
            for place in await find_behind(pipeline, self.services, dates):
                self.told.skip(
                    f"{place.root} ({place.format})",
                    "the table does not show what is committed; --delete has it follow",
                )
        except BronzeError as exc:
            self.told.fault(f"{pipeline.system}/{pipeline.entity}", exc)
        return True

    async def _look(self, stores: Stores) -> list[_Day]:
        """The dates that may have garbage, in order."""
        told, pipeline = self.told, self.pipeline
        days: dict[date, _Day] = {}
        live: dict[date, Checkpoint] = {}
        async for day, checkpoint in checkpoints.find(
            stores.state, pipeline.system, pipeline.entity
        ):
            if await self._is_live(stores, checkpoint):
                live[day] = checkpoint
                self._spare(checkpoint)
            else:
                days[day] = _Day(run_date=day, has_checkpoint=True)
        async for found in find_partitions(
            stores.target, pipeline.system, pipeline.entity, pipeline=pipeline.name, live=live
        ):
            told.unknown.extend(found.unknown)
            if found.run_date is None:
                continue
            told.partitions += 1
            self._dates.append(found.run_date)
            if found.fault is not None:
                told.fault(self._partition(found.run_date), found.fault)
            elif found.contents is not None and told.is_garbage(found.contents):
                day_of = days.setdefault(found.run_date, _Day(run_date=found.run_date))
                day_of.contents = found.contents
        async for run_date, staged in reports.find_rejected(
            stores.state, pipeline.system, pipeline.entity
        ):
            if run_date not in live:
                days.setdefault(run_date, _Day(run_date=run_date)).rejected.append(staged)
        return [days[run_date] for run_date in sorted(days)]

    async def _is_live(self, stores: Stores, checkpoint: Checkpoint) -> bool:
        """Whether a run can be resumed from it: it is not too old, and nothing was committed since.

        What else it depends on only a run can judge.
        """
        age = await stores.state.now() - checkpoint.written_at
        if age >= timedelta(seconds=self.services.resume_seconds):
            return False
        partition = self._partition(checkpoint.run_date)
        try:
            base = await read_base(
                stores.target, partition, pipeline=self.pipeline.name, adopt=True
            )
        except StateError:  # it can't be judged, so nothing of it is touched
            return True
        return checkpoint.generation == base.generation + 1

    def _spare(self, checkpoint: Checkpoint) -> None:
        until = checkpoint.written_at + timedelta(seconds=self.services.resume_seconds)
        self.told.skip(
            self._partition(checkpoint.run_date),
            f"run {checkpoint.run} has landed {len(checkpoint.slices)} slices of it, and can be"
            f" resumed until {until:%Y-%m-%dT%H:%M:%SZ} (engine.resume_max_age)",
        )

    async def _tell(self, stores: Stores, key: str, days: Sequence[_Day]) -> bool:
        """False where another run holds the lease."""
        holder = await find_holder(stores.state, key)
        if holder is not None:
            self.told.held(key, holder.run, holder.host)
            return False
        for day in days:
            if day.contents is not None:
                self.told.entries(stores.target, day.contents)
            self._tell_rejected(stores, day, removed=False)
            if day.has_checkpoint:
                self._tell_checkpoint(stores, day, removed=False)
        return True

    async def _remove(self, stores: Stores, key: str, days: Sequence[_Day]) -> bool:
        """The same; taking a lease that has run out and giving it back removes that too."""
        table = await self.services.table(self.pipeline, self.pipeline.output)

        async def work() -> None:
            if table is not None:  # a run may have committed, and died, since it was looked at
                await table.follow([self._partition(day.run_date) for day in days])
            for day in days:
                try:
                    await self._remove_day(stores, day)
                except BronzeError as exc:
                    self.told.fault(self._partition(day.run_date), exc)

        try:
            await under_lease(stores, key, self.told.identity, self.services, work)
        except StateError as exc:
            self.told.held(key, exc.context.get("run"), exc.context.get("host"))
            return False
        return True

    async def _remove_day(self, stores: Stores, day: _Day) -> None:
        told, services, pipeline = self.told, self.services, self.pipeline
        system, entity = pipeline.system, pipeline.entity
        checkpoint, _ = await checkpoints.read(stores.state, system, entity, day.run_date)
        live = checkpoint
        if checkpoint is not None and not await self._is_live(stores, checkpoint):
            live = None
        if live is not None and day.has_checkpoint:  # a run was broken off meanwhile
            return
        if day.contents is not None:
            void = void_manifest(
                self.pipeline,
                day.run_date,
                run=told.identity.run,
                attempt=told.identity.attempt,
                written_at=services.clock.now(),
            )
            done = await collect_partition(
                stores.target,
                void,
                services.clock,
                live=live,
                grace_seconds=services.grace_seconds,
            )
            told.collected(stores.target, done)
            fenced = None if done.fenced is None else done.fenced.manifest
            if fenced is not None and fenced.status == "committed":
                await hint.advance(stores.state, fenced, target=stores.target)
        if live is not None:
            return
        for staged in day.rejected:
            await stores.state.discard(staged)
        self._tell_rejected(stores, day, removed=True)
        if checkpoint is not None:
            await checkpoints.remove(stores.state, system, entity, day.run_date)
            self._tell_checkpoint(stores, day, removed=True)

    def _tell_rejected(self, stores: Stores, day: _Day, *, removed: bool) -> None:
        why = "the run that rejected these records was killed"
        for staged in day.rejected:
            self.told.found("rejected", stores.state, staged.key, why, removed=removed)

    def _tell_checkpoint(self, stores: Stores, day: _Day, *, removed: bool) -> None:
        key = checkpoints.key_of(self.pipeline.system, self.pipeline.entity, day.run_date)
        why = "its run was broken off too long ago to be resumed, or another has committed since"
        self.told.found("checkpoint", stores.state, key, why, removed=removed)

    def _partition(self, run_date: date) -> str:
        return partition_path(self.pipeline.system, self.pipeline.entity, run_date)
