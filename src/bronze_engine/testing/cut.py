"""Work that is cancelled at its n-th step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any, Literal, final

import anyio

__all__ = ["Cut", "CutStyle", "cut_at"]

CutStyle = Literal["native", "scope"]
"""Whether `task.cancel()` or a cancel scope of anyio cancels: one knocks once, the other at
every await until it has its way."""


@final
class Cut:
    """Drives a coroutine and cancels it at its n-th step, as a task's own loop would see it.

    Counts the times that the task is resumed; in between stands an await that blocked.
    """

    def __init__(
        self, work: Coroutine[Any, Any, Any], at: int, cancel: Callable[[], object]
    ) -> None:
        self._work = work
        self._left = at
        self._cancel = cancel
        self.fired = False

    def __await__(self) -> Generator[Any, Any, Any]:
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                pending = self._work.throw(error) if error else self._work.send(value)
            except StopIteration as done:
                return done.value
            self._left -= 1
            if not self._left:
                self.fired = True
                asyncio.get_running_loop().call_soon(self._cancel)
            try:
                value, error = (yield pending), None
            except BaseException as exc:  # noqa: BLE001  # handed to the work, as await does
                error = exc


async def cut_at(work: Coroutine[Any, Any, Any], at: int, style: CutStyle = "native") -> bool:
    """Run work that is cancelled at its n-th step; whether it came to that.

    What the work raises for other reasons is raised.
    """
    if style == "scope":
        with anyio.CancelScope() as scope:
            cut = Cut(work, at, scope.cancel)
            await cut
        return cut.fired

    async def main() -> bool:
        cut = Cut(work, at, lambda: task.cancel())  # noqa: PLW0108  # made below
        with suppress(asyncio.CancelledError):
            await cut
        return cut.fired

    task = asyncio.create_task(main())
    return await task
