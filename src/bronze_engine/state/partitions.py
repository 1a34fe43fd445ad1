"""What the partitions of an entity say of themselves: the only truth about its history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final

from bronze_engine.contracts import Store
from bronze_engine.flow import each
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest, partition_path, run_date_of
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.state.months import month_prefixes

__all__ = [
    "committed_dates",
    "find_manifests",
    "max_epoch",
    "newest_before",
    "read_dates",
    "read_neighbours",
    "read_partition",
]

_AT_ONCE: Final = 16


async def read_partition(store: Store, system: str, entity: str, run_date: date) -> Manifest | None:
    """The committed manifest of one date; a void one is as good as none.

    Raises StateError (STATE001) where it can't be read or is of a newer format.
    """
    key = f"{partition_path(system, entity, run_date)}/{MANIFEST_NAME}"
    found = await store.get(key)
    if found is None:
        return None
    manifest = decode_manifest(found.body, key)
    return manifest if manifest.status == "committed" else None


async def committed_dates(
    store: Store, system: str, entity: str, *, since: date = date.min, until: date = date.max
) -> tuple[date, ...]:
    """The dates that have a manifest, in order, found by listing keys alone; some may be void.

    From `since` to `until`, both included: where they are near only their months are listed.
    """
    return tuple(await find_manifests(store, system, entity, since=since, until=until))


async def find_manifests(
    store: Store, system: str, entity: str, *, since: date = date.min, until: date = date.max
) -> dict[date, datetime]:
    """The same dates, and when the store says that the manifest of each was written."""
    prefix = f"{system}/{entity}/"
    found: dict[date, datetime] = {}
    for month in month_prefixes(since, until):
        async for info in store.scan(f"{prefix}dt={month}"):
            folder, _, name = info.key.removeprefix(prefix).partition("/")
            day = run_date_of(folder)
            if name == MANIFEST_NAME and day is not None and since <= day <= until:
                found[day] = info.modified
    return found


async def read_neighbours(store: Store, system: str, entity: str, run_date: date) -> Neighbours:
    """Read the manifests around `run_date`.

    One listing of the entity, and then as many reads as there are neighbours (more only
    past void ones). Raises StateError (STATE001) for a manifest that can't be read.
    """
    dates = await committed_dates(store, system, entity)

    async def first(candidates: Sequence[date]) -> Manifest | None:
        for day in candidates:
            manifest = await read_partition(store, system, entity, day)
            if manifest is not None:
                return manifest
        return None

    earlier = await first([day for day in reversed(dates) if day < run_date])
    own = await first([day for day in dates if day == run_date])
    later = await first([day for day in dates if day > run_date])
    newest = dates[-1] if dates else None
    known = [each for each in (earlier, own, later) if each is not None]
    last = next((each for each in known if each.run_date == newest), None)
    if last is None:
        last = await first(dates[::-1])
    return Neighbours(earlier=earlier, own=own, later=later, last=last)


async def read_dates(
    store: Store, system: str, entity: str, run_dates: Collection[date]
) -> dict[date, Manifest]:
    """The committed manifests of these dates, of those that have one."""
    found: dict[date, Manifest] = {}

    async def read(day: date) -> None:
        manifest = await read_partition(store, system, entity, day)
        if manifest is not None:
            found[day] = manifest

    days = sorted(run_dates)
    if len(days) > _AT_ONCE:  # one listing is cheaper than looking for each
        standing = await committed_dates(store, system, entity, since=days[0], until=days[-1])
        days = [day for day in standing if day in run_dates]
    await each(days, read, at_once=_AT_ONCE)
    return found


async def newest_before(
    store: Store, system: str, entity: str, run_date: date, count: int
) -> list[Manifest]:
    """The committed manifests of the last `count` dates before `run_date`, the newest first."""
    found: list[Manifest] = []
    for day in reversed(await committed_dates(store, system, entity)):
        if day >= run_date:
            continue
        if len(found) == count:
            break
        manifest = await read_partition(store, system, entity, day)
        if manifest is not None:
            found.append(manifest)
    return found


async def max_epoch(store: Store, system: str, entity: str) -> int:
    """The highest epoch that any committed manifest of the entity has; 0 where there is none.

    Reads every manifest, `_AT_ONCE` side by side, because an old date that was loaded
    anew may have begun the newest epoch. Only a load that begins an epoch needs this.
    """
    epochs = [0]

    async def read(day: date) -> None:
        manifest = await read_partition(store, system, entity, day)
        if manifest is not None:
            epochs.append(manifest.epoch)

    await each(await committed_dates(store, system, entity), read, at_once=_AT_ONCE)
    return max(epochs)
