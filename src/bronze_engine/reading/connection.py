"""A store for callers without an event loop: one runs in a thread of its own, for as long as
somebody reads."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar, cast, final

from bronze_engine.adapters import StoreOpener, open_store
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.contracts import Store
from bronze_engine.workers import Workers

__all__ = ["Connection"]

T = TypeVar("T")
Operation = Callable[[Store], Coroutine[Any, Any, T]]

log = logging.getLogger(__name__)

WORKERS: Final = 2
"""For what a store does not do on its loop: importing its client, hashing."""
CLOSE_SECONDS: Final = 2.0
"""How long closing waits for the store to say goodbye to its server."""


@final
class Connection:
    """A store that is open until `close`, or until nobody refers to this any more.

    Any thread may call. The thread behind it is a daemon: a process that ends closes what
    is open, for at most `CLOSE_SECONDS`. A child of a fork opens the store anew at its
    first call, because threads do not survive one; its parent is not disturbed.
    """

    def __init__(self, config: StoreConfig, stores: Mapping[str, StoreOpener]) -> None:
        self._config = config
        self._stores = stores
        self._threads: dict[int, _StoreThread] = {}
        """By process: what a fork copies here belongs to the parent."""
        self._lent: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        # What is collected may be collected anywhere: then the thread is told, not joined.
        weakref.finalize(self, _end, self._threads).atexit = False
        _connections.add(self)
        self._thread().start()

    def call(self, operation: Operation[T]) -> T:
        """Run `operation(store)` on the loop and wait for it, and raise what it raises.

        Interrupted (Ctrl-C) the operation is cancelled. Raises RuntimeError once closed.
        """
        return self._thread().call(operation)

    def lend(self, thing: Any) -> None:
        """Note what Arrow's threads call or let go of: a process does not end before it is gone."""
        self._lent[id(thing)] = thing

    @property
    def is_lent(self) -> bool:
        return len(self._lent) > 0

    def close(self) -> None:
        """End what is under way and close the store; idempotent."""
        thread = self._threads.get(os.getpid())
        if thread is not None:
            thread.end()
            thread.join()

    def _thread(self) -> _StoreThread:
        thread = self._threads.get(os.getpid())
        if thread is None:
            thread = self._threads.setdefault(os.getpid(), _StoreThread(self._config, self._stores))
        return thread


_connections: Final[weakref.WeakSet[Connection]] = weakref.WeakSet()


def _end(threads: Mapping[int, _StoreThread]) -> None:
    thread = threads.get(os.getpid())
    if thread is not None:
        thread.end()


@atexit.register
def _close_all() -> None:
    """Close every store, and wait until Arrow has let go of scans that were left unfinished.

    A thread of Arrow that wants the interpreter while it is taken down hangs or aborts the
    process (`dataset.head(5)` as the last line of a script did in 5 of 6, pyarrow 26). A
    closed connection fails the reads that are left, so that they end at once.
    """
    connections = tuple(_connections)
    for connection in connections:
        connection.close()
    deadline = time.monotonic() + CLOSE_SECONDS
    gone = threading.Event()  # never set: there is no clock of the engine's this late
    was_lent = False
    while any(connection.is_lent for connection in connections) and time.monotonic() < deadline:
        was_lent = True
        gone.wait(0.005)
        gc.collect()  # a read that was cancelled is held by the traceback of its own error
    if was_lent:
        gone.wait(0.01)  # for what is left to do of letting go


@final
class _StoreThread:
    """One thread, its event loop, and the store on it."""

    def __init__(self, config: StoreConfig, stores: Mapping[str, StoreOpener]) -> None:
        self._config = config
        self._stores = stores
        self._lock = threading.RLock()  # a finalizer may come in between, on the same thread
        self._thread = threading.Thread(target=self._run, name="bronze-reader", daemon=True)
        self._is_started = False
        self._is_ended = False
        self._ready: concurrent.futures.Future[tuple[asyncio.AbstractEventLoop, Store]]
        self._ready = concurrent.futures.Future()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Open the store, and raise what opening it raises."""
        with self._lock:
            if not self._is_started:
                self._is_started = True
                self._thread.start()
        self._ready.result()

    def call(self, operation: Operation[T]) -> T:
        self.start()
        loop, store = self._ready.result()
        with self._lock:  # what is handed over before the end is begun before the end
            if self._is_ended:
                raise RuntimeError("the reader of this store is closed; open another")
            future = asyncio.run_coroutine_threadsafe(self._tracked(operation, store), loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RuntimeError("the reader of this store was closed while it was used") from None
        except BaseException:
            future.cancel()
            raise
        finally:
            del future  # it holds the error, whose traceback would hold this frame, and that it

    def end(self) -> None:
        """Tell the thread to end, and do not wait for it."""
        with self._lock:
            if self._is_ended:
                return
            self._is_ended = True
            if self._ready.done() and self._ready.exception() is None:
                loop, _ = self._ready.result()
                loop.call_soon_threadsafe(self._ended.set)

    def join(self) -> None:
        if self._is_started and threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_SECONDS)

    async def _tracked(self, operation: Operation[T], store: Store) -> T:
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._tasks.add(task)
        try:
            return await operation(store)
        finally:
            self._tasks.discard(task)

    def _run(self) -> None:
        try:
            asyncio.run(self._hold())
        except BaseException as exc:  # raised where it is waited for
            if not self._ready.done():
                self._ready.set_exception(exc)
            else:
                log.debug("closing %s", self._config.location, exc_info=True)

    async def _hold(self) -> None:
        self._ended = asyncio.Event()
        with Workers(WORKERS) as workers:
            async with open_store(self._config, workers, stores=self._stores) as store:
                with self._lock:
                    self._ready.set_result((asyncio.get_running_loop(), store))
                    if self._is_ended:
                        self._ended.set()
                await self._ended.wait()
                tasks = tuple(self._tasks)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
