"""The override of an entity, `_state/{system}/{entity}.override`: where the next window begins.

It is written by compare-and-set, used by one commit, which its manifest records, and marked
as used after that. Where the mark was lost the manifest tells: see `pending`.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, Conflict, OutcomeUnknown, StateError, StoreError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.model.override import Override
from bronze_engine.model.part import ABSENT, Expect
from bronze_engine.model.version import check_version

__all__ = ["FORMAT_VERSION", "Kept", "Use", "key_of", "mark_used", "pending", "put", "read"]

FORMAT_VERSION: Final = 1
_TRIES: Final = 10


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """The commit that an override went into."""

    run_date: date
    generation: int
    run: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An override as it lies in the store."""

    format_version: int = FORMAT_VERSION
    override: Override
    used_by: Use | None = None


def key_of(system: str, entity: str) -> str:
    return f"_state/{system}/{entity}.override"


async def read(store: Store, system: str, entity: str) -> Kept | None:
    """The last override that was made, used or not.

    Raises StateError (STATE001) for one that can't be read, because it may not be passed over:
    a person has asked for it.
    """
    key = key_of(system, entity)
    found = await store.get(key)
    return None if found is None else _decode(found.body, key)


def pending(kept: Kept | None, around: Neighbours) -> Override | None:
    """The override that a run between these manifests is to use.

    Only the newest date uses one: an older date runs again over its own window. A commit that
    came after it was made, and one that has used it, leave nothing to use.
    """
    if kept is None or kept.used_by is not None or around.later is not None:
        return None
    override = kept.override
    newest = around.own or around.earlier
    if newest is None:
        return override if override.after is None else None
    is_used = newest.override is not None and newest.override.id == override.id
    stands = (newest.run_date, newest.epoch) == (override.after, override.epoch)
    return override if stands and not is_used else None


async def put(store: Store, system: str, entity: str, override: Override) -> None:
    """Write an override in place of what is there. Raises StateError, StoreError."""
    key = key_of(system, entity)
    for _ in range(_TRIES):
        found = await store.get(key)
        before = None if found is None else _decode(found.body, key)
        if before is not None and before.override.id == override.id:
            return
        expect: Expect = ABSENT if found is None else found.version
        if await _sent(store, key, Kept(override=override), expect):
            return
    raise StoreError(f"{key} was not written in {_TRIES} tries", key=key)


async def mark_used(store: Store, manifest: Manifest) -> tuple[str, ...]:
    """Let the override in `store` be known as used, where this commit used it; returns warnings.

    Never raises for the store's faults: the manifest says it, too.
    """
    if manifest.override is None:
        return ()
    key = key_of(manifest.system, manifest.entity)
    use = Use(run_date=manifest.run_date, generation=manifest.generation, run=manifest.run)
    try:
        for _ in range(_TRIES):
            found = await store.get(key)
            kept = None if found is None else _decode(found.body, key)
            if found is None or kept is None or kept.override.id != manifest.override.id:
                return ()
            if kept.used_by is not None:
                return ()
            marked = msgspec.structs.replace(kept, used_by=use)
            if await _sent(store, key, marked, found.version):
                return ()
    except BronzeError as exc:
        return (f"{key} was not marked as used: {exc}",)
    return (f"{key} was not marked as used in {_TRIES} tries",)


async def _sent(store: Store, key: str, kept: Kept, expect: Expect) -> bool:
    """False where what stands there has to tell what became of it."""
    body = msgspec.json.format(msgspec.json.encode(kept)) + b"\n"
    try:
        await store.put(key, body, expect=expect)
    except (Conflict, OutcomeUnknown):
        return False
    return True


def _decode(body: bytes, key: str) -> Kept:
    try:
        kept = msgspec.json.decode(body, type=Kept)
    except DAMAGED as exc:
        raise StateError(
            f"{key} is no override ({exc}); remove it, and set the watermark again", key=key
        ) from exc
    check_version(key, kept.format_version, FORMAT_VERSION)
    return kept
