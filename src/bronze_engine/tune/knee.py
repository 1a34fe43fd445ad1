"""Which point of a curve to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bronze_engine.tune.report import Point

__all__ = ["FLAT", "NEAR", "clearly_better", "has_flattened", "knee"]

NEAR: Final = 0.95
"""A point this near to the best is as good: what is left is not worth the latency, the memory and
the load on the server that the better one costs. Measurements differ by about as much."""

_AS_FEW: Final = 0.02
"""Shares of refusals that differ by no more are the same."""

FLAT: Final = 2
"""So many points in a row that bring nothing end an ascent."""


def knee(points: Sequence[Point]) -> Point:
    """The first point in the order given that is near the best of those without refusals.

    Points are compared by their highest rate: what disturbs a measurement only slows it. Where
    requests were refused, those points count of which the smallest share was, or nearly so: some
    servers refuse a few whatever is asked. Raises ValueError where no point can be used.
    """
    usable = [point for point in points if point.fault is None and point.high > 0]
    if not usable:
        raise ValueError("no point can be used")
    fewest = min(_refused(point) for point in usable)
    usable = [point for point in usable if _refused(point) <= fewest + _AS_FEW]
    best = max(point.high for point in usable)
    return next(point for point in usable if point.high >= NEAR * best)


def _refused(point: Point) -> float:
    """The share of its requests."""
    return point.refused / max(point.requests, 1)


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
    if len(rates) <= FLAT:
        return False
    before = max(rates[:-FLAT])
    return max(rates[-FLAT:]) < before / NEAR
