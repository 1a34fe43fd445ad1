"""The pause of a limit group: a server that says 429 is left alone by everyone."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import final

from bronze_engine.clock import Clock

__all__ = ["Pause"]


@final
class Pause:
    """No request is sent before `until`, an instant of `Clock.monotonic`."""

    def __init__(
        self, clock: Clock, share: Callable[[float], Awaitable[None]] | None = None
    ) -> None:
        """`share` tells the other processes of a pause, where there are any."""
        self._clock = clock
        self._share = share
        self.until = -math.inf

    @property
    def seconds_left(self) -> float:
        """How long it still lasts; zero or less when there is none."""
        return self.until - self._clock.monotonic()

    def extend(self, seconds: float) -> bool:
        """Pause for `seconds` from now on; a longer pause that is running stays.

        True where there was none.
        """
        is_new = self.seconds_left <= 0
        self.until = max(self.until, self._clock.monotonic() + seconds)
        return is_new

    async def tell(self, seconds: float) -> None:
        """Tell the other processes of a pause that the server has asked of this one."""
        if self._share is not None:
            await self._share(seconds)

    async def wait(self) -> None:
        """Return when there is no pause, also when it is extended meanwhile."""
        while (left := self.seconds_left) > 0:
            await self._clock.sleep(left)
