"""What trying out a store or an API has shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.errors import BronzeError

__all__ = ["Probed", "try_out"]


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried."""

    subject: str
    status: Literal["ok", "FAIL", "skipped"]
    """`skipped`: what it rests on has failed, or it was not asked for."""
    detail: str
    """What was found, or the error with what to do."""
    seconds: float = 0.0
    exit_code: int = 0
    """Of the error; 0 otherwise."""


async def try_out(subject: str, question: Callable[[], Awaitable[str]], clock: Clock) -> Probed:
    """Ask one question, which answers with what it found, or raises a BronzeError."""
    began = clock.monotonic()
    error: BronzeError | None = None
    detail = ""
    try:
        detail = await question()
    except BronzeError as exc:
        error = exc
    return Probed(
        subject=subject,
        status="ok" if error is None else "FAIL",
        detail=detail if error is None else str(error),
        seconds=clock.monotonic() - began,
        exit_code=0 if error is None else error.exit_code,
    )
