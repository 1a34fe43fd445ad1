"""Work that a cancelled caller still finishes: the commit, and cleaning up.

anyio's shields hold against anyio's cancellation only; the `task.cancel()` of an
embedding service passes them. `finish` holds against both, and is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio

__all__ = ["finish"]

T = TypeVar("T")


async def finish(
    function: Callable[..., Coroutine[Any, Any, T]],
    /,
    *args: object,
    grace_seconds: Callable[[], float],
) -> T:
    """Await `function(*args)` to its end, although the caller may be cancelled meanwhile.

    From the first cancellation on the work has `grace_seconds()` of real time. Done by
    then or not (then it is cancelled and waited for), the cancellation is delivered
    afterwards, and wins over an error of the work. No task is left in any case.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(function(*args))
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        deadline = loop.time() + grace_seconds()
        with anyio.CancelScope(shield=True):
            while not task.done():
                remaining = deadline - loop.time()
                if remaining <= 0:
                    task.cancel()
                try:
                    await asyncio.wait([task], timeout=remaining if remaining > 0 else None)
                except asyncio.CancelledError:  # a second native cancel changes nothing
                    continue
        if not task.cancelled():
            task.exception()  # retrieved: it must not be reported as lost
        raise
    return task.result()
