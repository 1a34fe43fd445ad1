"""An override: what a person has decided in place of the recorded watermark, for one commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Literal

import msgspec

from bronze_engine.model.window import Window

__all__ = ["Override", "moved"]


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """Where the next window begins, decided by a person; the commit that uses it records it."""

    id: str
    kind: Literal["watermark", "reset"] = "watermark"
    """A reset begins an epoch: it reads everything, and replaces what earlier dates hold."""
    value: str | None = None
    """The watermark that the window begins after; None of a reset."""
    was: str | None = None
    """The watermark that it stands in for."""
    who: str
    when: datetime
    why: str = ""
    after: date | None = None
    """The newest committed date when it was made. Once another is the newest, it is void."""
    epoch: int = 0
    """The epoch of that date."""


def moved(
    value: str, low: str | None, own: Window | None, is_above: Callable[[str, str], bool]
) -> tuple[str | None, str | None]:
    """(low, cap) of the window that a watermark set to `value` begins; a cap means: not yet.

    `low` is where it would begin otherwise, `own` the window of the date if it is committed.
    A newest date that runs again takes in what lies between the two, and never gives up rows
    that it holds: it begins no later than before, and ends where it ended when the next date
    is to begin above that.
    """
    if own is None or own.high is None:
        return value, None
    if is_above(value, own.high):
        return low, own.high
    return (low if low is None or is_above(value, low) else value), None
