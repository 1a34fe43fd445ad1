"""Two ways of counting what may be sent: at a steady rate, and so many in any minute."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol, final

__all__ = ["MinutePace", "Pace", "SteadyPace"]

_MINUTE_SECONDS: Final = 60.0


class Pace(Protocol):
    """When the next token is due. Instants are those of `Clock.monotonic`."""

    @property
    def rate(self) -> float:
        """Tokens a second in the long run."""
        ...

    @property
    def capacity(self) -> int:
        """Tokens that may be taken at once after a long rest."""
        ...

    def tokens(self, now: float) -> float:
        """Tokens that could be taken now."""
        ...

    def seconds_to_token(self, now: float) -> float:
        """Zero or less where there is one."""
        ...

    def take(self, now: float) -> None: ...

    def give_back(self) -> None: ...


@final
class SteadyPace:
    """`rate` tokens a second, at most `capacity` at once: a token bucket, full at first.

    Kept as the one instant at which the bucket would be full again (the "theoretical
    arrival time" of the generic cell rate algorithm, ITU-T I.371): each token moves it on by
    1/rate. Nothing has to refill it and no rounding error grows with the number of requests.
    In any span of t seconds at most rate x t + capacity tokens are granted.
    """

    def __init__(self, rate: float, capacity: int, now: float) -> None:
        self.rate = rate
        self.capacity = capacity
        self._full_at = now

    def tokens(self, now: float) -> float:
        return self.capacity - max(0.0, self._full_at - now) * self.rate

    def seconds_to_token(self, now: float) -> float:
        return self._full_at - now - (self.capacity - 1) / self.rate

    def take(self, now: float) -> None:
        self._full_at = max(self._full_at, now) + 1 / self.rate

    def give_back(self) -> None:
        self._full_at -= 1 / self.rate


@final
class MinutePace:
    """At most `count` tokens in any 60 seconds, as early as that allows.

    A bucket of that rate and burst would grant twice as many in its first minute.
    """

    def __init__(self, count: int) -> None:
        self.capacity = count
        self.rate = count / _MINUTE_SECONDS
        self._granted: deque[float] = deque(maxlen=count)

    def tokens(self, now: float) -> float:
        return self.capacity - sum(at > now - _MINUTE_SECONDS for at in self._granted)

    def seconds_to_token(self, now: float) -> float:
        if len(self._granted) < self.capacity:
            return 0.0
        return self._granted[0] + _MINUTE_SECONDS - now

    def take(self, now: float) -> None:
        self._granted.append(now)

    def give_back(self) -> None:
        self._granted.pop()
