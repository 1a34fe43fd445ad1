"""SIGTERM, SIGINT, SIGHUP: stop the work, clean up, and be gone within five seconds."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, NoReturn, TypeVar, final

import anyio
from anyio.abc import TaskStatus

from bronze_engine.flow import ungrouped

__all__ = ["EXIT_SECONDS", "Signals", "Stopped", "until_signal", "watching_signals"]

T = TypeVar("T")

log = logging.getLogger(__name__)

EXIT_SECONDS: Final = 5.0
"""From the first signal to the end of the process, whatever a thread does."""


@final
class Stopped(BaseException):  # an exit like KeyboardInterrupt, not an error
    """A signal ended the work, and the cleaning up is done."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@final
class Signals:
    """Made by `watching_signals`."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._scope = anyio.CancelScope()

    def cancel(self) -> None:
        """Cancel the work that `until` does, or will do."""
        self._scope.cancel()

    async def until(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work, once; the first signal cancels it.

        Raises Stopped when it has cleaned up after itself. Work that was done by then stays done:
        a signal after it hurries what else is to be closed, and its result is returned.
        """
        result: list[T] = []
        with self._scope:
            result.append(await work())
        if not result:
            assert self.received is not None  # noqa: S101  # nothing else cancels the work
            raise Stopped(self.received)
        return result[0]


@asynccontextmanager
async def watching_signals(
    *, on_signal: Callable[[], None], at_once: Callable[[], None] = lambda: None
) -> AsyncIterator[Signals]:
    """At the first SIGTERM, SIGINT or SIGHUP call `on_signal` and cancel the work.

    A second signal ends the process at once; so does the clock after EXIT_SECONDS. Before that
    `at_once` is called, in whatever thread: there is no other cleaning up. A SIGHUP that is not
    the first asks for nothing: where a terminal closes, the kernel and the shell send one each,
    and systemd sends one behind its SIGTERM. One that is ignored, as by nohup, stays ignored.
    """
    ours = Signals()
    watched = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        watched.append(signal.SIGHUP)

    async def watch(*, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(*watched) as signals:
            task_status.started()
            async for number in signals:
                if ours.received is not None:
                    if number == signal.SIGHUP:
                        continue
                    _exit(128 + number, at_once)
                ours.received = number
                log.warning("%s: stopping; what was committed stays as it is", number.name)
                _exit_later(128 + number, at_once)
                on_signal()
                ours.cancel()

    with ungrouped():
        async with anyio.create_task_group() as tasks:
            await tasks.start(watch)
            yield ours
            tasks.cancel_scope.cancel()


async def until_signal(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` until a signal cancels it, which raises Stopped."""
    async with watching_signals(on_signal=lambda: None) as signals:
        return await signals.until(work)


def _exit_later(code: int, at_once: Callable[[], None]) -> None:
    timer = threading.Timer(EXIT_SECONDS, _exit, (code, at_once))
    timer.daemon = True
    timer.start()


def _exit(code: int, at_once: Callable[[], None]) -> NoReturn:
    try:
        at_once()
    finally:
        os._exit(code)
