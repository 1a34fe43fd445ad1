"""Garbage of an entity's partitions: found by looking, removed behind a fence.

What a manifest of generation g does not name is, by the generation in its name,

    <= g     dead: the run that wrote it can't commit any more
    g + 1    of a run that died, or of one at work; dead once a fence stands at g + 1
    > g + 1  of no run that began from this manifest: one that is newer was lost, or an
             older one restored, and then these may be the data; such a partition is left alone

and without a generation it is not ours. Where there is no manifest, g is 0. What is of g + 1
stays where a run can be resumed that would commit it: a fence would end that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Final

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, StateError
from bronze_engine.flow import each
from bronze_engine.model.checkpoint import Checkpoint
from bronze_engine.model.manifest import (
    CHECKSUMS_NAME,
    DELTA_LOG,
    MANIFEST_NAME,
    Manifest,
    partition_path,
    run_date_of,
)
from bronze_engine.model.part import ObjectInfo, Staged
from bronze_engine.publish.base import Base, read_base
from bronze_engine.publish.commit import Published
from bronze_engine.publish.entries import Entry, Named, entry_of, scan_entries
from bronze_engine.publish.fence import fence
from bronze_engine.publish.reap import Reaped, reap
from bronze_engine.shield import finish

__all__ = [
    "Collected",
    "Contents",
    "collect_partition",
    "find_partitions",
    "look_at",
    "sort_entries",
]

_AT_ONCE: Final = 16
_DERIVED: Final = frozenset({MANIFEST_NAME, CHECKSUMS_NAME})


_NONE: Final[Mapping[date, Checkpoint]] = MappingProxyType({})

_Folder = tuple[str, Sequence[ObjectInfo | Staged]]
"""A folder below an entity, and what lies in it."""


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in a partition beyond what its manifest names."""

    base: Base
    dead: tuple[Entry, ...] = ()
    undecided: tuple[Entry, ...] = ()
    """Of the next generation: only a fence makes them dead. None where a run can be resumed."""
    beyond: tuple[Entry, ...] = ()
    unknown: tuple[str, ...] = ()
    """Names that are not ours."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One folder below an entity."""

    run_date: date | None
    """None where the folder is no partition: then all its names are not ours."""
    contents: Contents | None = None
    unknown: tuple[str, ...] = ()
    fault: BronzeError | None = None
    """Why its manifest can't be judged; nothing in it is garbage then."""


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to one partition."""

    contents: Contents
    """As it was found under the lease."""
    fenced: Published | None = None
    reaped: Reaped = Reaped()


def sort_entries(base: Base, entries: Iterable[Entry], live: Checkpoint | None = None) -> Contents:
    """Tell what the manifest does not name by what it is. `live` is what can be resumed."""
    generation = base.generation
    is_live = live is not None and live.generation == generation + 1
    named = Named() if base.manifest is None else Named.of(base.manifest)
    dead, undecided, beyond, unknown = [], [], [], []
    for entry in entries:
        if named.has(entry) or (entry.name in _DERIVED and entry.staged is None):
            continue
        if entry.file is None:
            unknown.append(entry.name)
        elif base.manifest is not None and entry.file.generation <= generation:
            dead.append(entry)
        elif entry.file.generation <= generation + 1:
            undecided.append(entry)
        else:
            beyond.append(entry)
    return Contents(
        base=base,
        dead=tuple(dead),
        undecided=() if is_live else tuple(undecided),
        beyond=tuple(beyond),
        unknown=tuple(unknown),
    )


async def find_partitions(
    store: Store,
    system: str,
    entity: str,
    *,
    pipeline: str,
    live: Mapping[date, Checkpoint] = _NONE,
) -> AsyncIterator[Found]:
    """Look at every folder of an entity; two listings, and one read a partition. `live` says by
    date what can be resumed.

    A folder is listed before its manifest is read: what a commit in between adds or
    supersedes is then judged by the newer manifest. Raises StoreError where the entity
    can't be listed.
    """
    prefix = f"{system}/{entity}/"
    staged: dict[str, list[Staged]] = {}
    async for one in store.scan_staged(prefix):
        staged.setdefault(_folder(one.key, prefix), []).append(one)
    group: list[_Folder] = []
    async for folder, infos in _by_folder(store.scan(prefix), prefix):
        group.append((folder, [*infos, *staged.pop(folder, ())]))
        if len(group) == _AT_ONCE:
            for found in await _look(store, prefix, group, pipeline, live):
                yield found
            group = []
    group += sorted(staged.items())
    for found in await _look(store, prefix, group, pipeline, live):
        yield found


async def look_at(store: Store, partition: str, *, pipeline: str) -> Contents:
    """What lies in the folder of a curated table. Raises what `read_base` does."""
    entries = [entry async for entry in scan_entries(store, partition)]
    base = await read_base(store, partition, pipeline=pipeline)
    _check_place(base, None)
    return sort_entries(base, entries)


async def collect_partition(
    store: Store,
    void: Manifest,
    clock: Clock,
    *,
    partition: str | None = None,
    live: Checkpoint | None = None,
    grace_seconds: Callable[[], float],
) -> Collected:
    """Remove what is garbage in one partition, behind a fence where that is needed.

    Interrupted anywhere, the partition is as readable as before, and the next run or gc
    finishes. `void` is the manifest that a partition without one is fenced with, and says which it
    is unless `partition` does; `live` is what can be resumed. Hold the lease: a fence ends a run
    that is at work. Raises StateError, StoreError, CommitUnknown before anything was removed; what
    could not be removed is in the warnings.
    """
    run_date = void.run_date if partition is None else None
    if partition is None:
        partition = partition_path(void.system, void.entity, void.run_date)
    base = await read_base(store, partition, pipeline=void.pipeline)
    _check_place(base, run_date)
    found = sort_entries(base, [entry async for entry in scan_entries(store, partition)], live)
    manifest, fenced = base.manifest, None
    if found.beyond:
        return Collected(contents=found)
    if found.undecided:
        fenced = await finish(fence, store, base, void, clock, grace_seconds=grace_seconds)
        manifest = fenced.manifest
    if manifest is None or not (found.dead or found.undecided):
        return Collected(contents=found)
    reaped = await reap(store, partition, manifest)
    return Collected(contents=found, fenced=fenced, reaped=reaped)


async def _look(
    store: Store,
    prefix: str,
    folders: Sequence[_Folder],
    pipeline: str,
    live: Mapping[date, Checkpoint],
) -> list[Found]:
    """Look at some folders side by side; in their order."""
    looked: dict[int, Found] = {}

    async def look(place: int) -> None:
        looked[place] = await _find(store, prefix, *folders[place], pipeline, live)

    await each(range(len(folders)), look, at_once=_AT_ONCE)
    return [looked[place] for place in range(len(folders))]


async def _find(
    store: Store,
    prefix: str,
    folder: str,
    found: Iterable[ObjectInfo | Staged],
    pipeline: str,
    live: Mapping[date, Checkpoint],
) -> Found:
    run_date = run_date_of(folder)
    if folder == DELTA_LOG:
        return Found(run_date=None)
    if run_date is None:
        return Found(run_date=None, unknown=tuple(one.key for one in found))
    partition = f"{prefix}{folder}"
    entries = [entry_of(one, partition) for one in found]
    try:
        base = await read_base(store, partition, pipeline=pipeline)
        _check_place(base, run_date)
    except StateError as exc:
        return Found(run_date=run_date, fault=exc)
    contents = sort_entries(base, entries, live.get(run_date))
    unknown = tuple(f"{partition}/{name}" for name in contents.unknown)
    return Found(run_date=run_date, contents=contents, unknown=unknown)


def _check_place(base: Base, run_date: date | None) -> None:
    """Raise StateError for a manifest that belongs elsewhere, put there by hand: by what it names
    the files of this folder would all be garbage. `run_date` is None of a curated table."""
    manifest = base.committed
    if manifest is None:
        return
    if run_date is None and manifest.silver is None:
        is_of = f"a date of Bronze ({manifest.run_date})"
    elif run_date is not None and manifest.silver is not None:
        is_of = "a curated table"
    elif run_date is not None and manifest.run_date != run_date:
        is_of = str(manifest.run_date)
    else:
        return
    raise StateError(
        f"{base.manifest_key} is the manifest of {is_of}; put the right one back, and nothing here"
        " is removed until then",
        partition=base.partition,
    )


async def _by_folder(
    infos: AsyncIterator[ObjectInfo], prefix: str
) -> AsyncIterator[tuple[str, list[ObjectInfo]]]:
    """The objects below `prefix` by the first folder of their keys; one folder is held at a time.

    Keys come in order, so those of a folder are together.
    """
    current, held = "", list[ObjectInfo]()
    async for info in infos:
        folder = _folder(info.key, prefix)
        if folder != current and held:
            yield current, held
            held = []
        current = folder
        held.append(info)
    if held:
        yield current, held


def _folder(key: str, prefix: str) -> str:
    """The folder of a key; empty for one that lies in none."""
    return key.removeprefix(prefix).rpartition("/")[0].partition("/")[0]
