"""Tests of what was measured: on a busy machine a measure is wrong now and then, not every time."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

__all__ = ["measured"]

ATTEMPTS: Final = 4
FAILURES: Final = (AssertionError, LookupError)


def measured(test: Callable[..., Any]) -> Callable[..., Any]:
    """A test, plain or a coroutine, that holds where it does so in one of several attempts.

    For tests whose truth is a comparison of rates: other tests run beside them, and what those
    take of the machine falls on one side of the comparison. Each attempt makes anew what it needs;
    a key that is missing is something that was not proposed.
    """

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        for _ in range(1, ATTEMPTS):
            with suppress(*FAILURES):
                test(*args, **kwargs)
                return
        test(*args, **kwargs)

    @functools.wraps(test)
    async def run_on_loop(*args: Any, **kwargs: Any) -> None:
        for _ in range(1, ATTEMPTS):
            with suppress(*FAILURES):
                await test(*args, **kwargs)
                return
        await test(*args, **kwargs)

    return run_on_loop if inspect.iscoroutinefunction(test) else run
