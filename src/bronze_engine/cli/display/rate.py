"""How fast a count grows, smoothed."""

from __future__ import annotations

from collections import deque
from typing import Final, final

__all__ = ["SMOOTHED_SECONDS", "Rate"]

SMOOTHED_SECONDS: Final = 5.0
"""Rows are written a group at a time: over less than a few groups the number would jump."""


@final
class Rate:
    """Growth a second over the last SMOOTHED_SECONDS, from samples."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def sample(self, now: float, count: int) -> None:
        """Note the count at an instant of the monotonic clock."""
        samples = self._samples
        samples.append((now, count))
        while len(samples) > 2 and samples[1][0] <= now - SMOOTHED_SECONDS:
            samples.popleft()

    def restart(self) -> None:
        """Forget what was: the count has jumped for another reason than speed."""
        self._samples.clear()

    @property
    def per_second(self) -> float:
        """0.0 until there are two samples, and where the count has fallen."""
        if len(self._samples) < 2:
            return 0.0
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        return max(0.0, (last - first) / (ended - began)) if ended > began else 0.0
