"""The garbage of a Silver table: a folder like a partition's, under one lease, and without
checkpoints: what a run has staged is of no use to another."""

from __future__ import annotations

from typing import final

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.errors import BronzeError, StateError
from bronze_engine.model.part import Staged
from bronze_engine.model.silver import table_path
from bronze_engine.publish.gc import Contents, collect_partition, look_at
from bronze_engine.publish.lease import find_holder, find_stale, table_lease_key
from bronze_engine.run.leased import under_lease
from bronze_engine.run.services import Stores
from bronze_engine.run.void import void_manifest
from bronze_engine.state import reports
from bronze_engine.upkeep.collection import Collection

__all__ = ["TableGarbage"]


@final
class TableGarbage:
    """Of the table of one pipeline."""

    def __init__(self, collection: Collection, pipeline: Pipeline, silver: Silver) -> None:
        self._told = collection
        self._pipeline = pipeline
        self._output = silver.output
        self._folder = table_path(silver.path, pipeline.system, pipeline.entity)
        self._services = collection.services

    async def collect(self, stores: Stores) -> None:
        """Find, and with `delete` remove it. A fault of the table is told, and raised nowhere."""
        told = self._told
        try:
            contents = await look_at(stores.target, self._folder, pipeline=self._pipeline.name)
            rejected = await self._rejected(stores)
            key = table_lease_key(self._folder)
            above, _, name = self._folder.rpartition("/")
            is_stale = key in await find_stale(stores.state, above, name)
            told.unknown.extend(f"{self._folder}/{name}" for name in contents.unknown)
            if contents.base.manifest is not None:
                told.partitions += 1
            if not (told.is_garbage(contents) or rejected or is_stale):
                return
            if told.delete:
                single_writer = self._pipeline.target.single_writer
                await self._services.preflight.check(stores.target, single_writer=single_writer)
                is_free = await self._remove(stores, key)
            else:
                is_free = await self._tell(stores, key, contents, rejected)
            if is_free and is_stale:
                why = "its holder is gone, or has not renewed it"
                told.found("lease", stores.state, key, why, removed=told.delete)
        except BronzeError as exc:
            told.fault(self._folder, exc)

    async def _tell(
        self, stores: Stores, key: str, contents: Contents, rejected: list[Staged]
    ) -> bool:
        """False where another run holds the lease."""
        holder = await find_holder(stores.state, key)
        if holder is not None:
            self._told.held(key, holder.run, holder.host)
            return False
        self._told.entries(stores.target, contents)
        self._tell_rejected(stores, rejected, removed=False)
        return True

    async def _remove(self, stores: Stores, key: str) -> bool:
        """The same; taking a lease that has run out and giving it back removes that too."""
        told, services = self._told, self._services
        table = await services.table(self._pipeline, self._output)

        async def work() -> None:
            if table is not None:  # a run may have committed, and died, since it was looked at
                await table.follow([self._folder])
            void = void_manifest(
                self._pipeline,
                services.today(),
                run=told.identity.run,
                attempt=told.identity.attempt,
                written_at=services.clock.now(),
            )
            done = await collect_partition(
                stores.target,
                void,
                services.clock,
                partition=self._folder,
                grace_seconds=services.grace_seconds,
            )
            told.collected(stores.target, done)
            rejected = await self._rejected(stores)
            for staged in rejected:
                await stores.state.discard(staged)
            self._tell_rejected(stores, rejected, removed=True)

        try:
            await under_lease(stores, key, told.identity, services, work)
        except StateError as exc:
            told.held(key, exc.context.get("run"), exc.context.get("host"))
            return False
        return True

    async def _rejected(self, stores: Stores) -> list[Staged]:
        """Records that a run kept aside, and was still writing when it was killed."""
        system = reports.silver_system(self._pipeline.system)
        found = reports.find_rejected(stores.state, system, self._pipeline.entity)
        return [staged async for _, staged in found]

    def _tell_rejected(self, stores: Stores, rejected: list[Staged], *, removed: bool) -> None:
        why = "the run that rejected these records was killed"
        for staged in rejected:
            self._told.found("rejected", stores.state, staged.key, why, removed=removed)
