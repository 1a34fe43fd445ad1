"""SIGTERM and SIGINT: stop the work, clean up, and be gone within five seconds."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn, TypeVar, final

import anyio

from bronze_engine.flow import single

__all__ = ["EXIT_SECONDS", "Stopped", "until_signal"]

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


async def until_signal(
    work: Callable[[], Awaitable[T]],
    *,
    on_signal: Callable[[], None],
    at_once: Callable[[], None] = lambda: None,
) -> T:
    """Run `work`; at the first SIGTERM or SIGINT call `on_signal` and cancel it.

    Raises Stopped when the work has cleaned up after itself. A second signal ends the
    process at once; so does the clock after EXIT_SECONDS. Before that `at_once` is called, in
    whatever thread: there is no other cleaning up.
    """
    received: signal.Signals | None = None
    result: list[T] = []

    work_scope = anyio.CancelScope()

    async def watch() -> None:
        nonlocal received
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                if received is not None:
                    _exit(128 + number, at_once)
                received = number
                log.warning("%s: stopping; what was committed stays as it is", number.name)
                _exit_later(128 + number, at_once)
                on_signal()
                work_scope.cancel()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            with work_scope:
                result.append(await work())
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise single(group) from None
    if not result:
        assert received is not None  # noqa: S101  # nothing else cancels the work
        raise Stopped(received)
    return result[0]


def _exit_later(code: int, at_once: Callable[[], None]) -> None:
    timer = threading.Timer(EXIT_SECONDS, _exit, (code, at_once))
    timer.daemon = True
    timer.start()


def _exit(code: int, at_once: Callable[[], None]) -> NoReturn:
    try:
        at_once()
    finally:
        os._exit(code)
