"""Where files go: staged while they are written, whole and invisible, then completed."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.stores.store import CustomStore, RemoteStoreConfig, StoreConfig
from bronze_engine.contracts.lent import Limits
from bronze_engine.model.part import (
    DataFile,
    Expect,
    ObjectInfo,
    Part,
    Staged,
    StoredObject,
    Version,
)
from bronze_engine.workers import Workers

__all__ = ["Locking", "Store", "StoreResources", "StoreType", "Telling", "Upload"]

C_contra = TypeVar("C_contra", contravariant=True)


class StoreResources(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever opens a store lends it."""

    clock: Clock
    workers: Workers
    limits: Callable[[RemoteStoreConfig | CustomStore, str], Limits]
    """The limits of a store's group; the text is its component in metrics (`S3Storage`)."""
    open_store: Callable[[StoreConfig], AbstractAsyncContextManager[Store]]
    """Opens a store that lies within another one: it belongs to whoever enters it."""


class StoreType(Protocol[C_contra]):
    """A kind of store, found by its tag; third parties register one by entry point."""

    def open(
        self, config: C_contra, resources: StoreResources, /
    ) -> AbstractAsyncContextManager[Store]:
        """Open a store. It is shared by all runs that land there, and left with the engine."""
        ...


class Upload(Protocol):
    """A file on its way into the store."""

    async def part(self, part: Part, /) -> None:
        """Accept one part, in any order; waits while enough parts are out; retries the part.

        The part may still be on its way when this returns: what became of it is told by a
        later `part`, or by `seal`.
        """
        ...

    async def settle(self) -> None:
        """Wait until no part is on its way: what each took of memory is free again."""
        ...

    async def seal(self, file: DataFile, /) -> Staged:
        """Wait for all parts. The file is whole now, and still invisible."""
        ...


class Store(Protocol):
    """Objects by key. Keys are relative, with `/` between their segments.

    Every method raises StoreError (STG001) for what the store refuses or fails.
    """

    @property
    def url(self) -> str:
        """Where it is, for people, without secrets."""
        ...

    async def get(self, key: str, /) -> StoredObject | None:
        """A small object whole, or None where there is none."""
        ...

    def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A large object as a stream of chunks of at most 1 MiB."""
        ...

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        """Write a small object if its version is as expected.

        Raises Conflict when it is not (nothing was written) and OutcomeUnknown when the
        answer was lost (perhaps written). After any other error nothing was written.
        """
        ...

    def stage(self, key: str, /) -> AbstractAsyncContextManager[Upload]:
        """Begin a file. Leaving without `seal` removes it; a sealed one outlives us."""
        ...

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        """Make a sealed file visible; idempotent; verifies its size and checksum."""
        ...

    async def discard(self, staged: Staged, /) -> None:
        """Remove a staged file; idempotent."""
        ...

    async def delete(self, key: str, /) -> None:
        """Remove a visible object; idempotent."""
        ...

    def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        """Every visible object whose key begins with `prefix`, in key order."""
        ...

    def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        """Every staged file whose key begins with `prefix`, whoever began it."""
        ...

    async def now(self) -> datetime:
        """The store's own clock: leases are judged by it."""
        ...


@runtime_checkable
class Locking(Protocol):
    """A store with locks that die with their holder (local disk); others lease by put."""

    def lock(
        self, key: str, note: bytes, /, *, stale_seconds: float = math.inf
    ) -> AbstractAsyncContextManager[None]:
        """Hold the lock for the body. Raises Conflict at once when another holds it.

        A holder that has not been heard of for `stale_seconds` (a stopped process, a frozen
        virtual machine) loses it.
        """
        ...

    async def touch_lock(self, key: str, /) -> bool:
        """Be heard of as the holder; False where the lock was lost."""
        ...

    async def lock_note(self, key: str, /) -> bytes | None:
        """The note of whoever holds the lock, or None."""
        ...

    async def excludes(self) -> bool:
        """Whether a lock held here keeps a second process out, found out with one."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A store that tells which objects its listings leave out: others put them there, under
    keys that no store of ours may have (S3)."""

    def scan_telling(
        self, prefix: str, leave_out: Callable[[str, str], object], /
    ) -> AsyncIterator[ObjectInfo]:
        """As `scan`; `leave_out` is called with each key that is left out, and why it is."""
        ...
