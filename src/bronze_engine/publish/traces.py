"""Objects that only try a store out, and what a killed trial has left of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from bronze_engine.contracts import Store
from bronze_engine.model.part import ObjectInfo, Staged

__all__ = ["PREFLIGHT_PREFIX", "PROBE_PREFIX", "find_races", "find_traces"]

PREFLIGHT_PREFIX: Final = "_state/preflight-"
"""One object a race."""
PROBE_PREFIX: Final = "_state/probe-"
"""`_state/probe-{id}/{name}`: of one probe, whose `mark` is written first and removed last."""

_PREFLIGHT_AGE: Final = timedelta(minutes=1)
"""A race takes milliseconds; an object of this age belongs to one that was killed."""
_PROBE_AGE: Final = timedelta(minutes=15)
"""A probe of a store that throttles may take minutes."""


async def find_races(store: Store) -> AsyncIterator[ObjectInfo]:
    """What killed preflights have left in a store, by the store's own clock."""
    now = await store.now()
    async for info in store.scan(PREFLIGHT_PREFIX):
        if now - info.modified > _PREFLIGHT_AGE:
            yield info


async def find_traces(store: Store) -> AsyncIterator[ObjectInfo | Staged]:
    """The same of all trials, staged files included."""
    async for info in find_races(store):
        yield info
    now = await store.now()
    probed = [info async for info in store.scan(PROBE_PREFIX)]
    live = {_probe(info.key) for info in probed if now - info.modified <= _PROBE_AGE}
    for info in probed:
        if _probe(info.key) not in live:
            yield info
    async for staged in store.scan_staged(PROBE_PREFIX):
        if _probe(staged.key) not in live:
            yield staged


def _probe(key: str) -> str:
    return key.removeprefix(PROBE_PREFIX).partition("/")[0]
