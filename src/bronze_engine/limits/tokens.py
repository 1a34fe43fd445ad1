"""Tokens that several processes share: what a server that counts them must do."""

from __future__ import annotations

from typing import Final, Literal, Protocol

import msgspec

__all__ = [
    "AHEAD_SECONDS",
    "MOST_AHEAD_SECONDS",
    "SETTLING_SECONDS",
    "Lease",
    "SharedRate",
    "Tokens",
]

AHEAD_SECONDS: Final = 0.01
"""What is leased at once for those that wait: some 100 round trips a second are enough."""
MOST_AHEAD_SECONDS: Final = 0.25
"""Where a round trip takes longer than that it is as much as it takes, and this at most."""
SETTLING_SECONDS: Final = 10.0
"""How long after its return the server is not trusted alone; all have tried it by then."""


class SharedRate(msgspec.Struct, frozen=True, kw_only=True):
    """One rate that all processes keep together."""

    group: str
    """The limit group, or a pipeline's own."""
    kind: Literal["second", "minute"]
    """So many a second with a burst, or so many in any minute."""
    rate: float
    """Tokens a second in the long run."""
    capacity: int
    """Tokens that may be taken at once after a long rest."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens that are ours, each from an instant on: seconds from the receipt of this."""

    due_seconds: tuple[float, ...]
    tokens: float
    """What is left for others, below zero where they must wait."""
    processes: int
    """How many share the rate, this one included."""
    pause_seconds: float
    """What is left of a pause that the group's server has asked of any process."""


class Tokens(Protocol):
    """Where the tokens of several processes are counted."""

    @property
    def processes(self) -> int:
        """How many are expected to share, where none were ever seen."""
        ...

    @property
    def regained_at(self) -> float | None:
        """Since when it is reached again (`Clock.monotonic`); None where it was never lost, or
        is lost now."""
        ...

    async def lease(self, rate: SharedRate, count: int) -> Lease | None:
        """Take that many tokens; None where the server is not reached, within a second.

        Fails in no other way. Cancelled here, tokens may be lost, but none is granted twice.
        """
        ...

    async def pause(self, group: str, seconds: float) -> None:
        """Tell the other processes that the group's server wants to be left alone."""
        ...

    async def aclose(self) -> None:
        """Leave the others our share."""
        ...
