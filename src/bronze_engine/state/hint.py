"""The hint `_state/{system}/{entity}.json`: where an entity stands, for a quick look.

It follows the manifests and never leads: a plan reads the manifests, and wherever the two
disagree the hint is wrong and is written anew.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, Conflict, OutcomeUnknown, StoreError
from bronze_engine.flow import each
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import ABSENT
from bronze_engine.model.version import check_version
from bronze_engine.model.window import Window
from bronze_engine.state.partitions import committed_dates, read_partition

__all__ = [
    "FORMAT_VERSION",
    "Hint",
    "Rebuilt",
    "advance",
    "hint_of",
    "key_of",
    "read",
    "rebuild",
]

FORMAT_VERSION: Final = 1
_TRIES: Final = 10
_AT_ONCE: Final = 16


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """The newest commit of an entity: of its newest epoch the newest date."""

    format_version: int = FORMAT_VERSION
    pipeline: str
    system: str
    entity: str
    epoch: int
    run_date: date
    generation: int
    run: str
    watermark: Window | None = None

    @property
    def place(self) -> tuple[int, date, int]:
        """What never goes back."""
        return self.epoch, self.run_date, self.generation


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """The hint before and after it was made anew from the manifests."""

    key: str
    dates: int
    """Committed ones that were read."""
    before: Hint | None
    """None also where what stood there could not be read."""
    after: Hint | None
    """None where nothing is committed."""


def key_of(system: str, entity: str) -> str:
    return f"_state/{system}/{entity}.json"


async def read(store: Store, system: str, entity: str) -> Hint | None:
    """The hint, or None where there is none or it can't be read: it can be rebuilt.

    Raises StateError (STATE001) where a newer bronze-engine wrote it.
    """
    found = await store.get(key_of(system, entity))
    return None if found is None else _decode(found.body, key_of(system, entity))


async def advance(
    store: Store, manifest: Manifest, *, target: Store | None = None
) -> tuple[str, ...]:
    """Let the hint in `store` follow a commit, by compare-and-set; returns warnings.

    A hint of a later commit is left alone, provided that its manifest bears it out;
    manifests are read from `target` where they do not lie in `store`. Never raises for
    the store's faults: the commit has happened, and the next one brings the hint along.
    """
    try:
        await _advance(store, manifest, target or store)
    except BronzeError as exc:
        return (f"{key_of(manifest.system, manifest.entity)} was not advanced: {exc}",)
    return ()


async def _advance(store: Store, manifest: Manifest, target: Store) -> None:
    key = key_of(manifest.system, manifest.entity)
    mine = hint_of(manifest)
    body = _encode(mine)
    for _ in range(_TRIES):
        found = await store.get(key)
        if found is not None:
            hint = _decode(found.body, key)
            if hint == mine:
                return
            if hint is not None and hint.place >= mine.place and await _is_true(target, hint):
                return
        try:
            await store.put(key, body, expect=ABSENT if found is None else found.version)
        except (Conflict, OutcomeUnknown):  # what stands there now tells what became of it
            continue
        return
    raise StoreError(f"{key} was not written in {_TRIES} tries", key=key)


async def rebuild(
    store: Store, system: str, entity: str, *, target: Store | None = None
) -> Rebuilt:
    """Make the hint in `store` anew from all manifests of the entity, `_AT_ONCE` side by side.

    A run that commits meanwhile is not overwritten: the manifests are read again. Raises
    StateError for a manifest that can't be read and for a hint of a newer bronze-engine,
    StoreError.
    """
    key = key_of(system, entity)
    for _ in range(_TRIES):
        found = await store.get(key)
        before = None if found is None else _decode(found.body, key)
        after, dates = await _newest(target or store, system, entity)
        rebuilt = Rebuilt(key=key, dates=dates, before=before, after=after)
        if after is None:
            await store.delete(key)
            return rebuilt
        if before == after:
            return rebuilt
        body = _encode(after)
        with suppress(Conflict, OutcomeUnknown):  # then the next look tells what became of it
            await store.put(key, body, expect=ABSENT if found is None else found.version)
            return rebuilt
    raise StoreError(f"{key} was not written in {_TRIES} tries", key=key)


async def _newest(target: Store, system: str, entity: str) -> tuple[Hint | None, int]:
    """The hint as the manifests have it, and how many dates are committed."""
    newest: Hint | None = None
    count = 0

    async def look(day: date) -> None:
        nonlocal newest, count
        manifest = await read_partition(target, system, entity, day)
        if manifest is None:
            return
        count += 1
        hint = hint_of(manifest)
        if newest is None or hint.place > newest.place:
            newest = hint

    await each(await committed_dates(target, system, entity), look, at_once=_AT_ONCE)
    return newest, count


async def _is_true(target: Store, hint: Hint) -> bool:
    manifest = await read_partition(target, hint.system, hint.entity, hint.run_date)
    return manifest is not None and hint_of(manifest).place >= hint.place


def hint_of(manifest: Manifest) -> Hint:
    """What the hint says after this commit."""
    return Hint(
        pipeline=manifest.pipeline,
        system=manifest.system,
        entity=manifest.entity,
        epoch=manifest.epoch,
        run_date=manifest.run_date,
        generation=manifest.generation,
        run=manifest.run,
        watermark=manifest.watermark,
    )


def _encode(hint: Hint) -> bytes:
    return msgspec.json.format(msgspec.json.encode(hint)) + b"\n"


def _decode(body: bytes, key: str) -> Hint | None:
    try:
        hint = msgspec.json.decode(body, type=Hint)
    except DAMAGED:
        return None
    check_version(key, hint.format_version, FORMAT_VERSION)
    return hint
