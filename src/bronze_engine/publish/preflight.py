"""Does this store keep the promises that the commit rests on? Asked before the first run.

A store that ignores conditions on puts (an old gateway, a cache in front of it), or a
file system whose locks exclude nobody, would let two runs commit over each other in
silence. Both are found out here in a few milliseconds.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Final, final

import anyio

from bronze_engine.contracts import Locking, Store
from bronze_engine.errors import Conflict, OutcomeUnknown, StoreError
from bronze_engine.flow import ungrouped
from bronze_engine.model.part import ABSENT, Expect, Version
from bronze_engine.publish.traces import PREFLIGHT_PREFIX, find_races
from bronze_engine.shield import finish

__all__ = ["Preflight", "race_puts"]

_RACERS: Final = 4
_RACES: Final = 3
_CLEANUP_SECONDS: Final = 5.0


@final
class Preflight:
    """Remembers which stores have passed: one a process, held by the engine."""

    def __init__(self) -> None:
        self._passed: set[Store] = set()
        """Not by their URLs: two servers may have a bucket of one name."""
        self._lock = anyio.Lock()

    async def check(self, store: Store, *, single_writer: bool = False) -> None:
        """Race conditional puts, and try the locks with a second process, once a store.

        Raises StoreError (STG001) where more or fewer than one put wins, or where a lock
        lets another process in. `single_writer` accepts such a store: then the user has
        promised that nobody else writes there. Cancelled, it leaves nothing; killed, one
        small object under `_state/`, which a later preflight removes.
        """
        if single_writer:
            return
        async with self._lock:
            if store in self._passed:
                return
            await _sweep(store)
            await _race(store)
            if isinstance(store, Locking) and not await store.excludes():
                raise StoreError(
                    f"{store.url}: a lock here does not keep a second process out (a network "
                    "mount?); choose another target, or set single_writer = true on the "
                    "store if no other process writes there",
                    store=store.url,
                )
            self._passed.add(store)


async def _race(store: Store) -> None:
    """Absent, then a version: stores are known that honour one condition and not the other."""
    for attempt in range(1, _RACES + 1):
        key = f"{PREFLIGHT_PREFIX}{secrets.token_hex(8)}"
        try:
            version = await race_puts(store, key, ABSENT)
            await race_puts(store, key, version)
        except OutcomeUnknown as exc:  # who has won can't be told; another race can
            if attempt == _RACES:
                raise StoreError(
                    f"{store.url}: it lost the answer to a put in each of {_RACES} races ({exc}); "
                    "run again",
                    store=store.url,
                ) from exc
        else:
            return
        finally:
            await finish(store.delete, key, grace_seconds=lambda: _CLEANUP_SECONDS)


async def race_puts(store: Store, key: str, expect: Expect) -> Version:
    """Let several conditional puts of one key race; the version of the one that won.

    Raises StoreError where not exactly one did, OutcomeUnknown where an answer was lost.
    """
    won: list[Version] = []

    async def put(number: int) -> None:
        with suppress(Conflict):
            won.append(await store.put(key, f"{expect} {number}".encode(), expect=expect))

    with ungrouped():
        async with anyio.create_task_group() as tasks:
            for number in range(_RACERS):
                tasks.start_soon(put, number)
    if len(won) != 1:
        raise StoreError(
            f"{store.url}: of {_RACERS} conditional puts {len(won)} won where one should: the "
            "store ignores conditions, so runs could overwrite each other; use one that "
            "honours them, or set single_writer = true if no other process writes there",
            store=store.url,
        )
    return won[0]


async def _sweep(store: Store) -> None:
    async for info in find_races(store):
        await store.delete(info.key)
