"""A store that fails where it is told to: at its n-th operation, before or after it acts.

    store = inject(MemoryStore(), at=7, fault="fail_after")

Enumerate `at` from 1 until `store.script.fired` stays false, and every operation has failed
once in every way. Operations are counted over all tasks, in the order in which they begin.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, Literal, final

import anyio.lowlevel

from bronze_engine.contracts import Locking, Store, Upload
from bronze_engine.errors import OutcomeUnknown, StoreError
from bronze_engine.model.part import (
    DataFile,
    Expect,
    ObjectInfo,
    Part,
    Staged,
    StoredObject,
    Version,
)

__all__ = ["Fault", "FaultyLockingStore", "FaultyStore", "Script", "inject"]

Fault = Literal[
    "fail_before", "fail_after", "lost", "cancel_before", "cancel_after",
    "die_before", "die_after", "kill_before", "kill_after", "stop_before", "stop_after",
]  # fmt: skip
"""`before` leaves the operation undone, `after` has done it. `fail`: StoreError, or, of a
put or a completion that was done, OutcomeUnknown, as the contract has it. `lost`: one of
those two was not done, and says OutcomeUnknown all the same. `cancel`: the script's
`cancel` is called, and the operation is a cancellation point. `die`: StoreError, from this
operation on in every one, and none is done: a process that is gone, as a store sees it.
`kill`, `stop`: SIGKILL or
SIGSTOP to this process; once it is told to continue, it goes on as if nothing had been."""

_ANSWERED: Final = frozenset({"put", "complete"})
"""Operations of which the contract knows a lost answer."""
_SIGNALS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@final
class Script:
    """Counts operations and fires once, at the `at`-th. `at=0` never fires: it only records.

    In place of a number, `when` may say of a method and a key whether that is the operation.
    """

    def __init__(
        self,
        at: int = 0,
        fault: Fault = "fail_before",
        *,
        cancel: Callable[[], None] = lambda: None,
        when: Callable[[str, str], bool] = lambda _method, _key: False,
    ) -> None:
        self.at = at
        self.when = when
        self.fault = fault
        self.cancel = cancel
        self.operations: list[tuple[str, str]] = []
        """What was begun, in order: the method and the key."""
        self.fired = False
        self.is_dead = False

    @asynccontextmanager
    async def step(self, method: str, key: str) -> AsyncIterator[None]:
        """Around one operation."""
        if self.is_dead:
            raise StoreError(f"{method} of {key} by a process that is gone")
        self.operations.append((method, key))
        if not self.at and self.when(method, key):
            self.at = len(self.operations)
        is_mine = len(self.operations) == self.at
        if is_mine and not self.fault.endswith("_after"):
            await self._fire(method, key)
        try:
            yield
        except BaseException:
            if is_mine and self.fault in {"kill_after", "stop_after"}:
                await self._fire(method, key)  # a refusal is an answer too
            raise
        if is_mine and self.fault.endswith("_after"):
            await self._fire(method, key)

    async def _fire(self, method: str, key: str) -> None:
        self.fired = True
        kind = self.fault.partition("_")[0]
        if kind in _SIGNALS:
            os.kill(os.getpid(), _SIGNALS[kind])
            return
        if kind == "cancel":
            self.cancel()
            await anyio.lowlevel.checkpoint()
            return
        self.is_dead = kind == "die"
        told = f"injected {self.fault} in {method} of {key}"
        if self.fault in {"lost", "fail_after"} and method in _ANSWERED:
            raise OutcomeUnknown(told)
        raise StoreError(told)


def inject(
    store: Store,
    at: int = 0,
    fault: Fault = "fail_before",
    *,
    cancel: Callable[[], None] = lambda: None,
    when: Callable[[str, str], bool] = lambda _method, _key: False,
) -> FaultyStore:
    """Wrap a store. The wrapper has locks exactly where the store has them."""
    script = Script(at, fault, cancel=cancel, when=when)
    if isinstance(store, Locking):
        return FaultyLockingStore(store, script, store)
    return FaultyStore(store, script)


class FaultyStore:
    """`contracts.Store` over another one, with a script."""

    def __init__(self, store: Store, script: Script) -> None:
        self.script = script
        self._store = store

    @property
    def url(self) -> str:
        return self._store.url

    async def get(self, key: str, /) -> StoredObject | None:
        async with self.script.step("get", key):
            return await self._store.get(key)

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self.script.step("read", key):
            pass
        async with self._store.read(key, start=start, length=length) as chunks:
            yield chunks

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        async with self.script.step("put", key):
            return await self._store.put(key, body, expect=expect)

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Upload]:
        async with self._store.stage(key) as upload:
            async with self.script.step("stage", key):
                pass
            yield _FaultyUpload(upload, key, self.script)

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        async with self.script.step("complete", staged.key):
            return await self._store.complete(staged)

    async def discard(self, staged: Staged, /) -> None:
        async with self.script.step("discard", staged.key):
            await self._store.discard(staged)

    async def delete(self, key: str, /) -> None:
        async with self.script.step("delete", key):
            await self._store.delete(key)

    async def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        async with self.script.step("scan", prefix):
            found = [info async for info in self._store.scan(prefix)]
        for info in found:
            yield info

    async def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        async with self.script.step("scan_staged", prefix):
            found = [staged async for staged in self._store.scan_staged(prefix)]
        for staged in found:
            yield staged

    async def now(self) -> datetime:
        async with self.script.step("now", ""):
            return await self._store.now()


class FaultyLockingStore(FaultyStore):
    """The same over a store with locks."""

    def __init__(self, store: Store, script: Script, locking: Locking) -> None:
        super().__init__(store, script)
        self._locking = locking

    @asynccontextmanager
    async def lock(
        self, key: str, note: bytes, /, *, stale_seconds: float = math.inf
    ) -> AsyncIterator[None]:
        async with self._locking.lock(key, note, stale_seconds=stale_seconds):
            async with self.script.step("lock", key):
                pass
            yield

    async def touch_lock(self, key: str, /) -> bool:
        async with self.script.step("touch_lock", key):
            return await self._locking.touch_lock(key)

    async def lock_note(self, key: str, /) -> bytes | None:
        async with self.script.step("lock_note", key):
            return await self._locking.lock_note(key)

    async def excludes(self) -> bool:
        async with self.script.step("excludes", ""):
            return await self._locking.excludes()


@final
class _FaultyUpload:
    def __init__(self, upload: Upload, key: str, script: Script) -> None:
        self._upload = upload
        self._key = key
        self._script = script

    async def part(self, part: Part, /) -> None:
        async with self._script.step("part", self._key):
            await self._upload.part(part)

    async def settle(self) -> None:
        async with self._script.step("settle", self._key):
            await self._upload.settle()

    async def seal(self, file: DataFile, /) -> Staged:
        async with self._script.step("seal", self._key):
            return await self._upload.seal(file)
