"""What one garbage collection has found, and what it tells of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, ForeignManifest, StoreError
from bronze_engine.model.garbage import Fenced, Garbage, GcFault, GcReport, Kind, Skipped
from bronze_engine.model.manifest import run_date_of
from bronze_engine.model.part import Staged
from bronze_engine.publish.entries import Entry
from bronze_engine.publish.gc import Collected, Contents
from bronze_engine.publish.traces import find_traces
from bronze_engine.run.services import Identity, Services

__all__ = ["Collection"]


@final
class Collection:
    """What is told of all pipelines together."""

    def __init__(self, services: Services, *, delete: bool) -> None:
        self.services = services
        self.delete = delete
        new = Identity.new(services.clock)
        self.identity = msgspec.structs.replace(new, run=f"gc-{new.run}")
        self.partitions = 0
        self.garbage: list[Garbage] = []
        self.fenced: list[Fenced] = []
        self.skipped: list[Skipped] = []
        self.unknown: list[str] = []
        self.faults: list[GcFault] = []
        self._stores: set[str] = set()

    def found(
        self,
        kind: Kind,
        store: Store,
        key: str,
        why: str,
        *,
        size_bytes: int | None = None,
        removed: bool = False,
    ) -> None:
        self.garbage.append(
            Garbage(
                kind=kind,
                store=store.url,
                key=key,
                size_bytes=size_bytes,
                why=why,
                removed=removed,
            )
        )

    def entries(self, store: Store, contents: Contents, removed: Iterable[Entry] = ()) -> None:
        """Tell what lies in one partition, and which of it is gone now."""
        partition, generation = contents.base.partition, contents.base.generation
        gone = {_identity(entry): entry for entry in removed}
        known = {_identity(entry): entry for entry in (*contents.dead, *contents.undecided)}
        for identity, entry in (known | gone).items():
            assert entry.file is not None  # noqa: S101  # others are not garbage
            number = entry.file.generation
            self.found(
                "staged" if entry.staged else entry.file.kind,
                store,
                f"{partition}/{entry.name}",
                f"of generation {number}, and the manifest of generation {generation} does not"
                " name it"
                if number <= generation
                else f"of generation {number}, which run {entry.file.run} did not commit",
                size_bytes=entry.size_bytes,
                removed=identity in gone,
            )

    async def traces(self, store: Store) -> None:
        """What trials have left in a store; once for each, however many pipelines land there."""
        if store.url in self._stores:
            return
        self._stores.add(store.url)
        async for trace in find_traces(store):
            if self.delete:
                await (
                    store.discard(trace) if isinstance(trace, Staged) else store.delete(trace.key)
                )
            size = None if isinstance(trace, Staged) else trace.size_bytes
            why = "a trial of this store that was killed left it"
            self.found("trial", store, trace.key, why, size_bytes=size, removed=self.delete)

    def held(self, key: str, run: object, host: object) -> None:
        """Tell of a lease that another run holds."""
        who = f"run {run} works on it (host {host})" if run else "another run works on it"
        self.skip(key.removeprefix("_state/").removesuffix(".lease"), who)

    def is_garbage(self, contents: Contents) -> bool:
        """Whether there is something to remove; what is of no run that could be at work is told."""
        if not contents.beyond:
            return bool(contents.dead or contents.undecided)
        newest = max(entry.file.generation for entry in contents.beyond if entry.file is not None)
        at = f"is of generation {contents.base.generation}" if contents.base.manifest else "is gone"
        partition = contents.base.partition
        is_dated = run_date_of(partition.rpartition("/")[2]) is not None
        step = "run the pipeline for that date" if is_dated else "`bronze silver NAME --rebuild`"
        self.skip(
            partition,
            f"it has files of generation {newest} and its manifest {at}: was that removed, or an"
            f" older one restored? Restore the newest, or {step}",
        )
        return False

    def collected(self, store: Store, done: Collected) -> None:
        """Tell what was removed in one place, and behind which fence."""
        partition = done.contents.base.partition
        if self.is_garbage(done.contents):
            self.entries(store, done.contents, done.reaped.entries)
        if done.fenced is not None:
            manifest = done.fenced.manifest
            self.fenced.append(
                Fenced(partition=partition, generation=manifest.generation, run=manifest.run)
            )
        for warning in done.reaped.warnings:
            self.fault(partition, StoreError(warning))

    def skip(self, place: str, reason: str) -> None:
        self.skipped.append(Skipped(place=place, reason=reason))

    def fault(self, place: str, error: BronzeError) -> None:
        """Tell of what kept a place from being looked at; of another pipeline's, that it is
        theirs: the dates from before a renaming are no fault of each gc that comes after it."""
        if isinstance(error, ForeignManifest):
            self.skip(place, error.message.removeprefix(f"{place} "))
            return
        self.faults.append(GcFault(place=place, fault=str(error), exit_code=error.exit_code))

    def report(self) -> GcReport:
        return GcReport(
            deleted=self.delete,
            partitions=self.partitions,
            garbage=tuple(self.garbage),
            fenced=tuple(self.fenced),
            skipped=tuple(self.skipped),
            unknown=tuple(self.unknown),
            faults=tuple(self.faults),
        )


def _identity(entry: Entry) -> tuple[str, str | None]:
    return entry.name, entry.staged.token if entry.staged is not None else None
