"""Work that is cancelled at its n-th step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, final

import anyio

__all__ = ["Cut", "CutStyle", "Steps", "cut_at"]

CutStyle = Literal["native", "scope"]
"""Whether `task.cancel()` or a cancel scope of anyio cancels: one knocks once, the other at
every await until it has its way."""


@final
class Steps:
    """Counts steps down, over one task or many, and cancels once at the last of them."""

    def __init__(self, at: int, cancel: Callable[[], object]) -> None:
        self._left = at
        self._cancel = cancel
        self.fired = False

    def take(self) -> None:
        """One more step: called before the await that ends it blocks."""
        self._left -= 1
        if not self._left:
            self.fired = True
            asyncio.get_running_loop().call_soon(self._cancel)


@final
class Cut:
    """Drives a coroutine step by step, as a task's own loop would see it.

    A step lasts from one resumption to the next await that blocks.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], steps: Steps) -> None:
        self._work = work
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                pending = self._work.throw(error) if error else self._work.send(value)
            except StopIteration as done:
                return done.value
            self._steps.take()
            try:
                value, error = (yield pending), None
            except BaseException as exc:  # noqa: BLE001  # handed to the work, as await does
                error = exc


async def cut_at(work: Coroutine[Any, Any, Any], at: int, style: CutStyle = "native") -> bool:
    """Run work that is cancelled at its n-th step; whether it came to that.

    Steps of the tasks that are begun meanwhile count, too: `at` from 1 until this is False
    has cancelled the work with each of them at each of its awaits. What the work raises for
    other reasons is raised.
    """
    if style == "scope":
        with anyio.CancelScope() as scope:
            steps = Steps(at, scope.cancel)
            with _counting(steps):
                await Cut(work, steps)
        return steps.fired

    async def main() -> None:
        with suppress(asyncio.CancelledError):
            await Cut(work, steps)

    steps = Steps(at, lambda: task.cancel())  # noqa: PLW0108  # made below
    task = asyncio.create_task(main())
    with _counting(steps):
        await task
    return steps.fired


@contextmanager
def _counting(steps: Steps) -> Iterator[None]:
    """Count the steps of every task that is begun in the body."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()

    # A coroutine of Python's own: anyio asks its state before it cancels a task.
    async def counted(work: Coroutine[Any, Any, Any]) -> Any:
        return await Cut(work, steps)

    def begin(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(counted(work), loop=loop, **options)
        # A task that is cancelled before its first step never comes to its work.
        task.add_done_callback(lambda _task: work.close())
        return task

    loop.set_task_factory(begin)  # type: ignore[arg-type]  # as asyncio calls it
    try:
        yield
    finally:
        loop.set_task_factory(before)
