"""Finds the settings with which a pipeline reads fastest, against its real source."""

from __future__ import annotations

from bronze_engine.tune.bench import TuneBounds
from bronze_engine.tune.report import Curve, Point, TuneReport
from bronze_engine.tune.tune import Tune

__all__ = ["Curve", "Point", "Tune", "TuneBounds", "TuneReport"]
