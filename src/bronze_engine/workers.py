"""Thread work that never outlives its caller.

The Engine owns one `Workers`. Every job in a thread goes through `run` or `iterate`;
nothing else in the package starts a thread. A job is short (under about 4 MB of input),
touches no event loop, and is always waited for, however the caller is cancelled: when
`run` returns or raises, the thread is done with the caller's data.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, final

import anyio

__all__ = ["Workers"]

T = TypeVar("T")

_END: Final = object()


@final
class Workers:
    """One executor. Enter it to open, leave it to join every thread."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bronze-worker")

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        # Every job has been awaited by its caller, so this joins idle threads only.
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def run(self, function: Callable[..., T], /, *args: object) -> T:
        """Call `function(*args)` in a worker and return its result.

        Cancellation is delivered after the job has ended, never while it runs: the
        thread keeps no reference to the caller's buffers once this returns.
        """
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        job = loop.run_in_executor(self._pool, lambda: context.run(function, *args))
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while not job.done():
                try:
                    await asyncio.wait([job])
                except asyncio.CancelledError as exc:  # a native task.cancel() passes shields
                    cancelled = exc
        if cancelled is not None:
            job.exception()  # retrieved: an error of the job must not be reported as lost
            raise cancelled
        return job.result()

    async def iterate(self, iterator: Iterator[T], /) -> AsyncIterator[T]:
        """Step a blocking iterator one `next` a job, so that no worker is held meanwhile."""
        while True:
            item = await self.run(next, iterator, _END)
            if item is _END:
                return
            yield item
