"""Which point of a curve to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bronze_engine.tune.report import Point

__all__ = ["NEAR", "has_flattened", "knee", "nearest_to_best"]

NEAR: Final = 0.95
"""A point this near to the best is as good: what is left is not worth the latency, the memory and
the load on the server that the better one costs. Measurements differ by about as much."""

_FLAT: Final = 2
"""So many points in a row that bring nothing end an ascent."""


def knee(points: Sequence[Point]) -> Point:
    """The first point in the order given that is near the best of those without refusals.

    Where every point was refused some requests, those count with the fewest. Raises ValueError
    where no point can be used.
    """
    usable = [point for point in points if point.fault is None and point.rows_per_second > 0]
    if not usable:
        raise ValueError("no point can be used")
    fewest = min(point.refused for point in usable)
    usable = [point for point in usable if point.refused == fewest]
    best = max(point.rows_per_second for point in usable)
    return next(point for point in usable if point.rows_per_second >= NEAR * best)


def nearest_to_best(points: Sequence[Point], configured: str) -> Point:
    """As `knee`, but what is configured stays where it is near the best."""
    chosen = knee(points)
    best = max(point.rows_per_second for point in points if point.fault is None)
    for point in points:
        if point.label == configured and point.fault is None and not point.refused:
            return point if point.rows_per_second >= NEAR * best else chosen
    return chosen


def has_flattened(rates: Sequence[float]) -> bool:
    """Whether the last points of an ascent have brought nothing over the best before them."""
    if len(rates) <= _FLAT:
        return False
    before = max(rates[:-_FLAT])
    return max(rates[-_FLAT:]) < before / NEAR
