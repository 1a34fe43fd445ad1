"""The requests of each day, counted under `_state/_quotas/` for all processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Final, final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import Conflict, OutcomeUnknown, StateError, StoreError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.part import ABSENT
from bronze_engine.model.version import check_version

__all__ = ["QuotaLedger", "quota_key"]

FORMAT_VERSION: Final = 1
_TRIES: Final = 20


class _Counted(msgspec.Struct, frozen=True, kw_only=True):
    format_version: int = FORMAT_VERSION
    day: date
    taken: int


def quota_key(name: str) -> str:
    return f"_state/_quotas/{name}.json"


@final
class QuotaLedger:
    """Counts by compare-and-set; the store is opened when a quota is first asked for.

    A block whose put has lost its answer counts as taken: fewer requests are sent than
    there could be, never more. Nothing rebuilds the count of a day; removing the object
    begins it anew.
    """

    def __init__(self, open_store: Callable[[], Awaitable[Store]]) -> None:
        self._open_store = open_store

    async def take(self, name: str, day: date, limit: int, count: int) -> int:
        """Take `count` of the day's `limit`, or what is left of it; how many were taken.

        A later day than ours, by a clock that is ahead, counts as the day. Raises StateError
        for an object that can't be read, StoreError for a store that fails.
        """
        granted = 0

        def taking(counted: _Counted | None) -> _Counted | None:
            nonlocal granted
            of_day = max(day, counted.day) if counted else day
            taken = counted.taken if counted and counted.day == of_day else 0
            granted = max(0, min(count, limit - taken))
            return _Counted(day=of_day, taken=taken + granted) if granted else None

        await self._update(quota_key(name), taking)
        return granted

    async def give_back(self, name: str, day: date, count: int) -> None:
        """Return what was taken and not used; nothing where the day is over."""

        def giving(counted: _Counted | None) -> _Counted | None:
            if counted is None or counted.day != day:
                return None
            return _Counted(day=day, taken=max(0, counted.taken - count))

        await self._update(quota_key(name), giving)

    async def _update(self, key: str, change: Callable[[_Counted | None], _Counted | None]) -> None:
        store = await self._open_store()
        for _ in range(_TRIES):
            found = await store.get(key)
            changed = change(None if found is None else _decode(found.body, key))
            if changed is None:
                return
            body = msgspec.json.encode(changed) + b"\n"
            try:
                await store.put(key, body, expect=ABSENT if found is None else found.version)
            except (Conflict, OutcomeUnknown):  # somebody else was first, or it counts as taken
                continue
            return
        raise StoreError(f"{key} was not written in {_TRIES} tries", key=key)


def _decode(body: bytes, key: str) -> _Counted:
    try:
        counted = msgspec.json.decode(body, type=_Counted)
    except DAMAGED as exc:
        raise StateError(
            f"{key} is no count of a daily quota: {exc}; remove it, and today's count begins anew",
            key=key,
        ) from exc
    check_version(key, counted.format_version, FORMAT_VERSION)
    return counted
