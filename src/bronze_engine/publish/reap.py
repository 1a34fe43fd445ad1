"""Remove what runs that can no longer commit have left in a partition."""

from __future__ import annotations

from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError
from bronze_engine.flow import each
from bronze_engine.model.manifest import Manifest
from bronze_engine.publish.entries import Entry, Named, scan_entries

__all__ = ["Reaped", "reap"]

_AT_ONCE: Final = 8


class Reaped(msgspec.Struct, frozen=True, kw_only=True):
    """What a reap did."""

    entries: tuple[Entry, ...] = ()
    """What was removed, by name; staged files included."""
    warnings: tuple[str, ...] = ()

    @property
    def removed(self) -> tuple[str, ...]:
        """Names relative to the partition, in order."""
        return tuple(entry.name for entry in self.entries)


async def reap(store: Store, partition: str, manifest: Manifest) -> Reaped:
    """Remove files and staged uploads of `manifest.generation` and before that it does not name.

    `manifest` must be committed (a void one too): then a run that staged files of its
    generation or an earlier one can't commit any more, so no clock is asked. Later
    generations, and names that can't be parsed, are never touched. Never raises for the
    store's faults: they are warnings, and the next run reaps again.
    """
    named = Named.of(manifest)
    removed: list[Entry] = []
    warnings: list[str] = []

    async def remove(entry: Entry) -> None:
        try:
            if entry.staged is None:
                await store.delete(f"{partition}/{entry.name}")
            else:
                await store.discard(entry.staged)
        except BronzeError as exc:
            warnings.append(f"{partition}/{entry.name} was not removed: {exc}")
        else:
            removed.append(entry)

    dead: list[Entry] = []
    try:
        async for entry in scan_entries(store, partition):
            is_dead = entry.file is not None and entry.file.generation <= manifest.generation
            if is_dead and not named.has(entry):
                dead.append(entry)
    except BronzeError as exc:
        warnings.append(f"{partition} was not listed for reaping: {exc}")
    await each(dead, remove, at_once=_AT_ONCE)
    removed.sort(key=lambda entry: entry.name)
    return Reaped(entries=tuple(removed), warnings=tuple(sorted(warnings)))
