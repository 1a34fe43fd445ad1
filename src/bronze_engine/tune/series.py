"""The trials of one value, summed up."""

from __future__ import annotations

from statistics import median
from typing import final

from bronze_engine.run.trial import Trial
from bronze_engine.tune.report import Point
from bronze_engine.tune.settings import Settings

__all__ = ["Series"]


@final
class Series:
    """One value with its settings, and what came of each trial of it."""

    def __init__(self, value: float | str, label: str, settings: Settings) -> None:
        self.value = value
        self.label = label
        self.settings = settings
        self.trials: list[Trial] = []
        self.fault: str | None = None

    @property
    def rate(self) -> float:
        """Rows a second: the median."""
        return median(self._rates)

    @property
    def best_rate(self) -> float:
        """The highest: what disturbs a trial only slows it."""
        return max(self._rates)

    @property
    def refused_share(self) -> float:
        """Of its requests."""
        sent = sum(trial.requests for trial in self.trials)
        return sum(trial.refused for trial in self.trials) / max(sent, 1)

    @property
    def last(self) -> Trial | None:
        """The trial nearest to the median: its profile stands for all."""
        if not self.trials:
            return None
        return min(self.trials, key=lambda trial: abs(trial.rows_per_second - self.rate))

    @property
    def page_records(self) -> int:
        """Records that a page had, on average."""
        trial = self.last
        return 0 if trial is None or not trial.pages else trial.rows // trial.pages

    def point(self) -> Point:
        rows = sum(trial.rows for trial in self.trials)
        cpu = sum(trial.cpu_seconds for trial in self.trials)
        return Point(
            value=self.value,
            label=self.label,
            rows_per_second=self.rate,
            low=min(self._rates),
            high=max(self._rates),
            latency_seconds=median([trial.latency_seconds for trial in self.trials] or [0.0]),
            cpu_seconds_per_million=cpu / rows * 1e6 if rows else 0.0,
            requests=sum(trial.requests for trial in self.trials),
            refused=sum(trial.refused for trial in self.trials),
            measured=len(self.trials),
            fault=self.fault,
        )

    @property
    def _rates(self) -> list[float]:
        return [trial.rows_per_second for trial in self.trials] or [0.0]
