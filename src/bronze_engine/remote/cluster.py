"""What a batch needs of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Cluster", "Lost"]


class Lost(Exception):
    """The cluster has no answer to a parcel, and will have none; the text says why."""


class Cluster(Protocol):
    """Workers that land parcels. Leaving it, or cancelling `land`, tells them to stop."""

    @property
    def threads(self) -> int:
        """Parcels that are landed side by side; 0 where there is no worker yet."""
        ...

    async def land(self, key: str, parcel: str, /) -> str:
        """Have a worker land a parcel, and another one should that be lost. Raises Lost.

        Cancelled, it is given up: a worker that is at it stops within a second.
        """
        ...

    def listen(self, hear: Callable[[str], None], /) -> None:
        """Call `hear`, on the loop, with what workers tell, of whichever batch."""
        ...
