"""Runs that were killed before their commit, or that only seem to have been, and gc after them."""

from __future__ import annotations

from typing import final

from bronze_engine.clock import Clock
from bronze_engine.contracts import Store
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.part import Staged
from bronze_engine.publish.base import Base, read_base
from bronze_engine.publish.commit import Published, publish
from bronze_engine.publish.gc import Collected, collect_partition
from bronze_engine.testing.stores import keys_of, staged_keys

from .runs import MANIFEST_KEY, PARTITION, PIPELINE, stage_run, void_manifest, whole_run

__all__ = ["DeadRun", "collect", "garbage_in", "leave", "manifest_in"]


async def collect(store: Store, clock: Clock, attempt: str = "gc-1-attempt") -> Collected:
    return await collect_partition(store, void_manifest(attempt), clock, grace_seconds=lambda: 10.0)


async def manifest_in(store: Store) -> Manifest | None:
    found = await store.get(MANIFEST_KEY)
    return None if found is None else decode_manifest(found.body, MANIFEST_KEY)


@final
class DeadRun:
    """A run that was killed before its commit, or that only seems to have been."""

    def __init__(self, store: Store, base: Base, clock: Clock) -> None:
        self._store = store
        self._base = base
        self._clock = clock
        self._manifest: Manifest
        self._staged: list[Staged]

    async def die(self, completed: int) -> None:
        self._manifest, self._staged = await stage_run(self._store, self._base, "dead")
        for staged in self._staged[:completed]:
            await self._store.complete(staged)

    async def wake(self, store: Store | None = None) -> Published:
        return await publish(
            store or self._store, self._base, self._manifest, self._staged, self._clock
        )


async def leave(store: Store, clock: Clock, completed: int, *, again: bool) -> DeadRun:
    """A partition with a dead run in it, committed by r0 before if `again`."""
    if again:
        await whole_run(store, "r0", clock)
    dead = DeadRun(store, await read_base(store, PARTITION, pipeline=PIPELINE), clock)
    await dead.die(completed)
    return dead


async def garbage_in(store: Store) -> list[str]:
    manifest = await manifest_in(store)
    names = frozenset[str]() if manifest is None else manifest.names
    visible = [key.removeprefix(f"{PARTITION}/") for key in await keys_of(store, f"{PARTITION}/")]
    left = [name for name in visible if name not in names and not name.startswith("_")]
    quarantine = [name for name in visible if name.startswith("_quarantine/")]
    left += [name for name in quarantine if name not in names]
    return left + [f"[{key}]" for key in await staged_keys(store, f"{PARTITION}/")]
