"""What a tune has measured, and what it proposes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from statistics import median
from typing import Final, Literal

import msgspec

from bronze_engine.model.profile import Bound, RunProfile

__all__ = ["Curve", "Name", "Point", "Proposal", "TuneReport", "is_faster"]

_LEAST_ROUNDS: Final = 2
_GAIN: Final = 1.05

Name = Literal[
    "concurrency", "page_size", "rps", "slices", "compression", "row_group_bytes", "part_bytes"
]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one setting, measured several times; the rates are rows a second."""

    value: int | float | str
    label: str
    """As people read it: "16", "8 MiB", "zstd 1"."""
    rows_per_second: float
    """The median."""
    low: float
    high: float
    latency_seconds: float
    """Of a request."""
    cpu_seconds_per_million: float
    """Of the process, for a million rows."""
    requests: int
    refused: int = 0
    """Answers that asked to be left alone (429)."""
    measured: int
    """How often."""
    fault: str | None = None
    """Why it can't be used."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One setting, value by value, with the others as they were found before."""

    name: Name
    points: tuple[Point, ...]
    chosen: str
    """The label of the point that is proposed, or of what is configured."""
    configured: str
    bound: Bound | None
    """What bounds the run at the chosen point."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A key to change."""

    key: tuple[str, ...]
    """From the file's root: ("apis", "shop", "concurrency")."""
    value: int | float | str
    why: str
    """What it brought, as measured."""


class TuneReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; the rates are rows a second."""

    pipeline: str
    run_date: date
    requests: int
    """That were sent in all."""
    seconds: float
    configured: Point
    """The pipeline as it is configured."""
    tuned: Point
    """With everything that is proposed, measured in turn with the former."""
    bound: Bound
    """What bounds the pipeline as it is configured."""
    bound_tuned: Bound
    gains: tuple[float, ...] = ()
    """How much faster the tuned pipeline was, by rounds in which both were measured in turn; 1.0
    is as fast. Empty where nothing is proposed."""
    profile: RunProfile
    """Of one trial as it is configured."""
    profile_tuned: RunProfile
    curves: tuple[Curve, ...]
    proposals: tuple[Proposal, ...]
    toml: str
    """The proposals as TOML; empty where nothing is to be changed."""
    notes: tuple[str, ...] = ()
    """What was not measured, and why."""

    @property
    def gain(self) -> float:
        """How much faster the tuned pipeline is: the median of the rounds."""
        return median(self.gains) if self.gains else 1.0

    @property
    def is_faster(self) -> bool:
        """Whether it was in every round, and by more than measurements differ."""
        return is_faster(self.gains)


def is_faster(gains: Sequence[float]) -> bool:
    return len(gains) >= _LEAST_ROUNDS and min(gains) > 1.0 and median(gains) >= _GAIN
