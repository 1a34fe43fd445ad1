"""Thread work that never outlives its caller.

The Engine owns one `Workers`. Every job in a thread goes through `run` or `iterate`;
nothing else in the package starts a thread. A job is short (under about 4 MB of input),
touches no event loop, and is always waited for, however the caller is cancelled: when
`run` returns or raises, the thread is done with the caller's data.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar, final

import anyio

from bronze_engine.errors import ConfigError
from bronze_engine.model.profile import Stage
from bronze_engine.telemetry.profile import Profile, applying

__all__ = ["Job", "JobEnd", "Workers"]

T = TypeVar("T")

_END: Final = object()


class JobEnd(asyncio.Future[None]):
    """What the caller of a job waits for: a clock of the tests tells it from sleeping."""


@final
class Workers:
    """One executor. Enter it to open, leave it to join every thread."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._jobs = 0
        """Those that have not ended."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bronze-worker")

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc_info: object) -> None:
        # Every job has been awaited by its caller, so this joins idle threads only.
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def is_idle(self) -> bool:
        """Whether a job that is begun now need not wait for a thread."""
        return self._jobs < self.threads

    async def run(
        self,
        function: Callable[..., T],
        /,
        *args: object,
        interrupt: Callable[[], None] | None = None,
        stage: Stage | None = None,
    ) -> T:
        """Call `function(*args)` in a worker and return its result.

        Cancelled while the job waits for a worker, it is never begun. Cancelled while it
        runs, this waits for its end and then raises the cancellation: in either case the
        thread keeps no reference to the caller's buffers once this has returned or raised.
        `interrupt` is called then, on the loop: it makes the job end early, must not block,
        and raises nothing. The profile of the run that calls counts the job as work of `stage`.
        """
        return await self.begin(function, *args, stage=stage).result(interrupt)

    def begin(
        self, function: Callable[..., T], /, *args: object, stage: Stage | None = None
    ) -> Job[T]:
        """Call `function(*args)` in a worker, and go on.

        Whoever begins a job must wait for its end: for its `result`, or by `abandon`.
        """
        profile = None if stage is None else applying()
        timed = None
        if profile is not None and stage is not None:
            function = timed = _Timed(function, profile, stage)
        future = self._pool.submit(contextvars.copy_context().run, function, *args)
        self._jobs += 1

        def on_end() -> None:
            self._jobs -= 1
            if timed is not None:
                timed.tell()

        return Job(future, on_end)

    async def clean(self, function: Callable[..., object], /, *args: object) -> None:
        """As `run`, of what must not be left out: cancelled while it waits for a worker it is done
        all the same, and waited for. An anyio scope that is cancelled already, too, waits."""
        with anyio.CancelScope(shield=True):
            await self.begin(function, *args).result(is_due=True)

    @asynccontextmanager
    async def iterate(
        self, iterator: Iterator[T], /, *, interrupt: Callable[[], None] | None = None
    ) -> AsyncIterator[AsyncIterator[T]]:
        """Step a blocking iterator one `next` a job, so that no worker is held meanwhile.

            async with workers.iterate(reader) as items:
                async for item in items: ...

        On exit, cancelled or not, the iterator is closed in a worker, where it has `close`.
        `interrupt` is as for `run`, of each step.
        """
        steps = self._steps(iterator, interrupt)
        try:
            yield steps
        finally:
            await steps.aclose()
            close = getattr(iterator, "close", None)
            if close is not None:
                await self.clean(close)

    async def _steps(
        self, iterator: Iterator[T], interrupt: Callable[[], None] | None
    ) -> AsyncGenerator[T, None]:
        while True:
            item = await self.run(next, iterator, _END, interrupt=interrupt)
            if item is _END:
                return
            yield item


@final
class Job(Generic[T]):
    """A call in a worker that was begun."""

    __slots__ = ("_end", "_future")

    def __init__(self, future: Future[T], on_end: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._future = future
        self._end = end = JobEnd(loop=loop)  # asyncio.wrap_future and asyncio.wait take three turns
        # Not by a method: in a circle of references a result would live until the collector comes.
        future.add_done_callback(lambda _job: loop.call_soon_threadsafe(_settle, end, on_end))

    @property
    def is_done(self) -> bool:
        """Whether `result` would not wait."""
        return self._end.done()

    async def result(
        self, interrupt: Callable[[], None] | None = None, *, is_due: bool = False
    ) -> T:
        """Wait for the end. Cancelled, as `Workers.run`; `is_due` as `Workers.clean`.

        Raises what the job does, but ConfigError (CFG001) in the place of MemoryError.
        """
        try:
            await self._end
        except asyncio.CancelledError:
            if not is_due and not self._future.cancel() and interrupt is not None:
                interrupt()
            await _ended(self._future)
            raise
        try:
            return self._future.result()
        except MemoryError as exc:  # Arrow's is one, too
            raise ConfigError(
                f"engine.memory_limit: the system has no more memory for this process"
                f"{f' ({exc})' if str(exc) else ''}; raise its limit (ulimit -v, the container's,"
                " vm.overcommit_memory), or lower engine.memory_limit"
            ) from exc

    async def abandon(self) -> None:
        """Do without its result: wait until it is over, unless it need not begin."""
        if not self._future.cancel():
            await _ended(self._future)


@final
class _Timed(Generic[T]):
    """A job that knows when it ran. Told on the loop, once the thread is done."""

    __slots__ = ("_asked", "_began", "_clock", "_cpu", "_ended", "_function", "_profile")

    def __init__(self, function: Callable[..., T], profile: Profile, stage: Stage) -> None:
        self._function = function
        self._profile = profile
        self._clock = profile.stage(stage)
        self._clock.busy.begin()
        self._asked = profile.now()
        self._began = self._ended = self._cpu = 0.0

    def __call__(self, *args: object) -> T:
        cpu, self._began = time.thread_time(), self._profile.now()
        try:
            return self._function(*args)
        finally:
            self._ended, self._cpu = self._profile.now(), time.thread_time() - cpu

    def tell(self) -> None:
        self._clock.busy.end()
        if self._ended:  # else it was cancelled before it began
            self._clock.worked(
                self._ended - self._began,
                wait_seconds=self._began - self._asked,
                cpu_seconds=self._cpu,
            )
            self._profile.lagged(self._profile.now() - self._ended)


def _settle(end: JobEnd, on_end: Callable[[], None]) -> None:
    on_end()
    if not end.done():  # its caller may have been cancelled meanwhile
        end.set_result(None)


async def _ended(job: Future[Any]) -> None:
    """Wait until the thread is done with a job, whatever else is cancelled meanwhile."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    job.add_done_callback(lambda _job: loop.call_soon_threadsafe(ended.set))
    with anyio.CancelScope(shield=True):
        while not ended.is_set():
            try:
                await ended.wait()
            except asyncio.CancelledError:  # a native task.cancel() passes shields
                continue
