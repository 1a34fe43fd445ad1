"""The lease on a partition: it makes the message early and clear; safety never rests on it.

Two runs that both believe to hold it do no harm: the manifest's compare-and-set lets one
of them commit. So a lease may be judged wrong, lost or taken over at any time.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from typing import Final, final

import anyio
import msgspec

from bronze_engine.clock import Clock
from bronze_engine.contracts import Locking, Store
from bronze_engine.errors import BronzeError, Conflict, OutcomeUnknown, StateError, StoreError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.manifest import run_date_of
from bronze_engine.model.part import ABSENT, Expect, StoredObject, Version
from bronze_engine.model.process import Process, pid_space
from bronze_engine.model.version import check_version
from bronze_engine.shield import finish

__all__ = [
    "LEASE_SECONDS",
    "RENEW_SECONDS",
    "Holder",
    "Lease",
    "find_holder",
    "find_stale",
    "hold_lease",
    "lease_key",
    "table_lease_key",
    "this_process",
]

LEASE_SECONDS: Final = 30.0
"""Unrenewed for this long, it is taken over: three renewals may be lost to a slow store."""
RENEW_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 1.0
_SENDS: Final = 5
_RELEASE_SECONDS: Final = 5.0
"""Well within the time that a draining process has; what is not released runs out by itself."""
_FORMAT_VERSION: Final = 1


class Holder(Process, frozen=True, kw_only=True):
    """Who holds a lease. `attempt` tells two processes of one run apart."""

    run: str
    attempt: str
    since: datetime


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """The lease object of stores without locks."""

    format_version: int = _FORMAT_VERSION
    holder: Holder
    renewed_at: datetime
    """By the store's clock."""


def this_process(run: str, attempt: str, clock: Clock) -> Holder:
    return Holder(
        run=run,
        attempt=attempt,
        host=socket.gethostname(),
        pid=os.getpid(),
        space=pid_space(),
        since=clock.now(),
    )


def lease_key(system: str, entity: str, run_date: date | None) -> str:
    """The key of a partition's lease; of the whole entity's (chained windows) without a date."""
    at = "" if run_date is None else f".dt={run_date.isoformat()}"
    return f"_state/{system}/{entity}{at}.lease"


def table_lease_key(folder: str) -> str:
    """The key of the lease of a Silver table, which lies in `folder`."""
    return f"_state/{folder}.lease"


@final
class Lease:
    """A lease in force. `keep` is run in the holder's task group."""

    def __init__(self, store: Store, key: str, holder: Holder, clock: Clock) -> None:
        self.is_lost = False
        """Another run has taken it over, or renewing failed for longer than it lasts."""
        self.other: Holder | None = None
        """Who kept us out, as far as that is known."""
        self._store = store
        self._key = key
        self._holder = holder
        self._clock = clock
        self._version: Version | None = None

    async def keep(self) -> None:
        """Renew until cancelled.

        It is the run's task group that runs this, rather than a task of the context
        manager's own: a group hidden in `hold_lease` would wrap the run's errors and tie
        its cancel scope to a generator. Returns when the lease is lost; the run goes on,
        for its commit fails if another's came first.
        """
        renewed = self._clock.monotonic()
        while self._clock.monotonic() - renewed <= LEASE_SECONDS:
            await self._clock.sleep(RENEW_SECONDS)
            try:
                if not await self._renew():
                    break
            except (BronzeError, OutcomeUnknown):
                continue  # the store's fault: try again while the lease lasts
            renewed = self._clock.monotonic()
        self.is_lost = True

    async def take(self, stack: AsyncExitStack) -> bool:
        """Take the lease if it is free; `stack` gives it back."""
        if isinstance(self._store, Locking):
            return await self._lock(self._store, stack)
        found = await self._store.get(self._key)
        expect: Expect = ABSENT
        if found is not None:
            record = _decode(found.body, self._key)
            if record is not None and await _is_live(self._store, record):
                self.other = record.holder
                return False
            expect = found.version
        stack.push_async_callback(self._release)
        return await self._send(expect)

    async def _send(self, expect: Expect) -> bool:
        """Put the lease until it is known whose it is; False where it is another's.

        Sending it again is safe: it is the same condition and the same attempt.
        """
        pause = 0.1
        for _ in range(_SENDS):
            try:
                await self._put(expect)
            except (Conflict, OutcomeUnknown) as exc:
                found = await self._store.get(self._key)
                if self._is_mine(found):
                    return True
                if (ABSENT if found is None else found.version) != expect:
                    return False
                last = exc
            else:
                return True
            await self._clock.sleep(pause)
            pause *= 2
        raise StoreError(
            f"{self._key}: {_SENDS} puts in a row were neither applied nor refused for good "
            f"({last}); run again",
            key=self._key,
        )

    async def _lock(self, store: Locking, stack: AsyncExitStack) -> bool:
        note = msgspec.json.encode(self._holder)
        try:
            lock = store.lock(self._key, note, stale_seconds=LEASE_SECONDS)
            await stack.enter_async_context(lock)
        except Conflict:
            self.other = _noted(await store.lock_note(self._key))
            return False
        return True

    async def _renew(self) -> bool:
        if isinstance(self._store, Locking):
            return await self._store.touch_lock(self._key)
        try:
            await self._put(self._version or ABSENT)
        except Conflict:  # perhaps with our own renewal whose answer was lost
            return self._is_mine(await self._store.get(self._key))
        return True

    async def _put(self, expect: Expect) -> None:
        record = _Record(holder=self._holder, renewed_at=await self._store.now())
        body = msgspec.json.encode(record)
        self._version = await self._store.put(self._key, body, expect=expect)

    def _is_mine(self, found: StoredObject | None) -> bool:
        """Whether what stands there is our lease; takes its version, or its holder, along."""
        record = _decode(found.body, self._key) if found is not None else None
        if found is None or record is None:
            return False
        if record.holder.attempt != self._holder.attempt:
            self.other = record.holder
            return False
        self._version = found.version
        return True

    async def _release(self) -> None:
        await finish(self._give_back, grace_seconds=lambda: _RELEASE_SECONDS)

    async def _give_back(self) -> None:
        # Cleanup is bounded by real time, also where the clock is a test's.
        with anyio.move_on_after(_RELEASE_SECONDS, shield=True):  # noqa: TID251
            with suppress(BronzeError):  # it runs out by itself
                if self._is_mine(await self._store.get(self._key)):
                    await self._store.delete(self._key)


@asynccontextmanager
async def hold_lease(
    store: Store, key: str, holder: Holder, clock: Clock, *, wait_seconds: float = 0.0
) -> AsyncIterator[Lease]:
    """Hold the lease `key` for the body.

    A stale lease, and one whose process is dead on this host, is taken over. Held by
    another: StateError (STATE001) naming run, host, pid and age, at once or after
    `wait_seconds` of trying. Cancelled or failed, the lease is given back all the same;
    where the store can't be reached for that, it runs out after LEASE_SECONDS.
    """
    deadline = clock.monotonic() + wait_seconds
    async with AsyncExitStack() as stack:
        while True:
            lease = Lease(store, key, holder, clock)
            if await lease.take(stack):
                break
            if clock.monotonic() >= deadline:
                raise _held(key, lease.other, clock.now())
            await clock.sleep(min(_POLL_SECONDS, deadline - clock.monotonic()))
        yield lease


async def find_holder(store: Store, key: str) -> Holder | None:
    """Who holds the lease now; None where it is free, stale, or its process is dead. Only reads.

    Raises StateError where a newer bronze-engine wrote it.
    """
    if isinstance(store, Locking):
        return _noted(await store.lock_note(key))
    found = await store.get(key)
    record = None if found is None else _decode(found.body, key)
    return record.holder if record is not None and await _is_live(store, record) else None


async def find_stale(store: Store, system: str, entity: str) -> tuple[str, ...]:
    """The keys of an entity's leases that nobody holds any more; none where locks do the work."""
    prefix = f"_state/{system}/{entity}."
    keys: list[str] = []
    async for info in store.scan(prefix):
        day, dot, suffix = info.key.removeprefix(prefix).rpartition(".")
        if suffix != "lease" or (dot and run_date_of(day) is None):
            continue
        found = await store.get(info.key)
        record = None if found is None else _decode(found.body, info.key)
        if found is not None and (record is None or not await _is_live(store, record)):
            keys.append(info.key)
    return tuple(keys)


def _held(key: str, other: Holder | None, now: datetime) -> StateError:
    place = key.removeprefix("_state/").removesuffix(".lease")
    if other is None:
        return StateError(f"another run works on {place} or has just ended; run again", key=key)
    age = max(0, round((now - other.since).total_seconds()))
    return StateError(
        f"run {other.run} works on {place}: host {other.host}, pid {other.pid}, for {age} s; "
        "wait until it has ended, or pass --wait 60s",
        key=key,
        run=other.run,
        host=other.host,
        pid=other.pid,
        age_seconds=age,
    )


async def _is_live(store: Store, record: _Record) -> bool:
    age = await store.now() - record.renewed_at
    return age < timedelta(seconds=LEASE_SECONDS) and not record.holder.is_dead()


def _noted(note: bytes | None) -> Holder | None:
    """Who wrote the note of a lock; None between locking and writing it, and afterwards."""
    try:
        return msgspec.json.decode(note or b"", type=Holder)
    except DAMAGED:
        return None


def _decode(body: bytes, key: str) -> _Record | None:
    """The lease, or None where it can't be read: then nobody can rely on holding it."""
    try:
        record = msgspec.json.decode(body, type=_Record)
    except DAMAGED:
        return None
    check_version(key, record.format_version, _FORMAT_VERSION)
    return record
