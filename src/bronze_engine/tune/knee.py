"""Which point of a curve to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bronze_engine.tune.report import Point

__all__ = ["NEAR", "clearly_better", "has_flattened", "knee"]

NEAR: Final = 0.95
"""A point this near to the best is as good: what is left is not worth the latency, the memory and
the load on the server that the better one costs. Measurements differ by about as much."""

_FLAT: Final = 2
"""So many points in a row that bring nothing end an ascent."""


def knee(points: Sequence[Point]) -> Point:
    """The first point in the order given that is near the best of those without refusals.

    Points are compared by their highest rate: what disturbs a measurement only slows it. Where
    every point was refused some requests, those count with the fewest. Raises ValueError where
    no point can be used.
    """
    usable = [point for point in points if point.fault is None and point.high > 0]
    if not usable:
        raise ValueError("no point can be used")
    fewest = min(point.refused for point in usable)
    usable = [point for point in usable if point.refused == fewest]
    best = max(point.high for point in usable)
    return next(point for point in usable if point.high >= NEAR * best)


def clearly_better(points: Sequence[Point], configured: str) -> Point:
    """The best point where its lowest rate is above the highest of what is configured, else that:
    what lies within the spread is no gain. For settings that change what lands."""
    own = next((point for point in points if point.label == configured), None)
    if own is None or own.fault is not None:
        return knee(points)
    usable = [point for point in points if point.fault is None]
    best = max(usable, key=lambda point: point.rows_per_second)
    return best if best.low * NEAR > own.high else own


def has_flattened(rates: Sequence[float]) -> bool:
    """Whether the last points of an ascent have brought nothing over the best before them."""
    if len(rates) <= _FLAT:
        return False
    before = max(rates[:-_FLAT])
    return max(rates[-_FLAT:]) < before / NEAR
