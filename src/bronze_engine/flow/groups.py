"""Tasks side by side, and the one error of theirs that a caller should see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio

__all__ = ["CANCELLED_WITHIN", "each", "single", "ungrouped"]

Item = TypeVar("Item")

CANCELLED_WITHIN: Final = "work was cancelled from within, and not by whoever runs it"
"""A task group takes the cancellation of one of its tasks for its own, and says nothing of it."""


def single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error a caller should see out of a group; the others become its notes.

    Exits (cancellation, KeyboardInterrupt) come before errors, then the order of the group.
    """
    leaves: list[BaseException] = []

    def walk(inner: BaseExceptionGroup[BaseException]) -> None:
        for exc in inner.exceptions:
            if isinstance(exc, BaseExceptionGroup):
                walk(exc)
            else:
                leaves.append(exc)

    walk(group)
    leaves.sort(key=lambda exc: isinstance(exc, Exception))
    for other in leaves[1:]:
        leaves[0].add_note(f"also: {other!r}")
    return leaves[0]


@contextmanager
def ungrouped() -> Iterator[None]:
    """Around a task group: raise the `single` error of its group, with what that came from."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = single(group)
        raise error from error.__cause__  # hides the group


async def each(
    items: Collection[Item], function: Callable[[Item], Awaitable[None]], *, at_once: int
) -> None:
    """Call `function` for every item, `at_once` side by side; the first error ends the others."""
    if min(at_once, len(items)) <= 1:  # most small runs have one of a kind: tasks are for more
        for item in items:
            await function(item)
        return
    todo = iter(items)
    done = 0

    async def work() -> None:
        nonlocal done
        for item in todo:
            await function(item)
            done += 1

    with ungrouped():
        async with anyio.create_task_group() as tasks:
            for _ in range(min(at_once, len(items))):
                tasks.start_soon(work)
    if done < len(items):
        raise RuntimeError(CANCELLED_WITHIN)
