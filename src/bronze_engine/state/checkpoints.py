"""Checkpoints `_state/{system}/{entity}.dt=YYYY-MM-DD.checkpoint`, each owned by one attempt.

Every write is a compare-and-set against what the owner wrote last, so a process that was
thought dead learns with its next slice that another has taken its run over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import Conflict, OutcomeUnknown, StateError, StoreError
from bronze_engine.model.checkpoint import FORMAT_VERSION, Checkpoint
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.manifest import run_date_of
from bronze_engine.model.part import ABSENT, Expect, Version
from bronze_engine.model.version import check_version

__all__ = ["find", "key_of", "read", "remove", "write"]

_SUFFIX: Final = ".checkpoint"
_SENDS: Final = 5


def key_of(system: str, entity: str, run_date: date) -> str:
    return f"_state/{system}/{entity}.dt={run_date.isoformat()}{_SUFFIX}"


async def read(
    store: Store, system: str, entity: str, run_date: date
) -> tuple[Checkpoint | None, Expect]:
    """The checkpoint of a date, and what its next write expects.

    None where there is none, and where it can't be read: nobody can resume from it then.
    Raises StateError (STATE001) where a newer bronze-engine wrote it.
    """
    key = key_of(system, entity, run_date)
    found = await store.get(key)
    if found is None:
        return None, ABSENT
    return _decode(found.body, key), found.version


async def write(store: Store, checkpoint: Checkpoint, expect: Expect) -> tuple[Version, int]:
    """Write it over what is expected there; returns what the next write expects, and its size.

    Raises StateError (STATE001) where another process wrote or removed it meanwhile, and
    StoreError where the store failed: nothing has changed then.
    """
    key = key_of(checkpoint.system, checkpoint.entity, checkpoint.run_date)
    body = msgspec.json.encode(checkpoint)
    for _ in range(_SENDS):
        try:
            return await store.put(key, body, expect=expect), len(body)
        except (Conflict, OutcomeUnknown):
            found = await store.get(key)
        if found is not None and found.body == body:
            return found.version, len(body)  # ours, whose answer was lost
        if (ABSENT if found is None else found.version) != expect:
            raise _taken(checkpoint, None if found is None else _decode(found.body, key), key)
    raise StoreError(
        f"{key}: {_SENDS} puts in a row were neither applied nor refused for good; run again",
        key=key,
    )


async def remove(store: Store, system: str, entity: str, run_date: date) -> None:
    """Remove it, whatever it holds; idempotent. Hold the lease."""
    await store.delete(key_of(system, entity, run_date))


async def find(store: Store, system: str, entity: str) -> AsyncIterator[tuple[date, Checkpoint]]:
    """The checkpoints of an entity; those that can't be read are none."""
    prefix = f"_state/{system}/{entity}."
    async for info in store.scan(prefix):
        folder = info.key.removeprefix(prefix)
        day = run_date_of(folder.removesuffix(_SUFFIX)) if folder.endswith(_SUFFIX) else None
        if day is None:
            continue
        checkpoint, _ = await read(store, system, entity, day)
        if checkpoint is not None:
            yield day, checkpoint


def _taken(mine: Checkpoint, other: Checkpoint | None, key: str) -> StateError:
    if other is None:
        return StateError(
            f"{key}: the checkpoint of run {mine.run} was removed while it was at work; nothing of"
            " this attempt is published, run again",
            key=key,
            run=mine.run,
        )
    return StateError(
        f"{key}: attempt {other.attempt} of run {other.run} has taken over what attempt"
        f" {mine.attempt} of run {mine.run} was doing; nothing of this attempt is published, let"
        " that one end",
        key=key,
        run=other.run,
    )


def _decode(body: bytes, key: str) -> Checkpoint | None:
    try:
        head = msgspec.json.decode(body, type=_Versioned)
        check_version(key, head.format_version, FORMAT_VERSION)
        return msgspec.json.decode(body, type=Checkpoint)
    except DAMAGED:
        return None


class _Versioned(msgspec.Struct):
    """Read first: a newer one may have other keys."""

    format_version: int
