"""Measuring: trials of settings, in turn, within what may be asked of the source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, ExtractError, PageError, RetryError
from bronze_engine.limits.trial import Purse
from bronze_engine.run.trial import Trial, TrialBounds
from bronze_engine.tune.knee import has_flattened
from bronze_engine.tune.report import Name
from bronze_engine.tune.series import Series
from bronze_engine.tune.settings import Settings, with_settings

__all__ = ["Bench", "TuneBounds"]

log = logging.getLogger(__name__)

_WAVES: Final = 4
"""A trial sends at least so many requests for each that is in flight."""


class TuneBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much a tune may ask of the source."""

    requests: int = 10_000
    """In all."""
    rows: int | None = None
    """Of each trial."""
    seconds: float = 1.5
    """Of each trial, from its first records on."""
    rounds: int = 2
    """How often each value is tried."""


@final
class Bench:
    """Tries settings of one pipeline, and keeps count of what that costs."""

    def __init__(
        self, engine: Engine, pipeline: Pipeline, run_date: date, bounds: TuneBounds
    ) -> None:
        self._engine = engine
        self._pipeline = pipeline
        self._run_date = run_date
        self._bounds = bounds
        self.purse = Purse(bounds.requests)
        self.notes: list[str] = []
        self.planned = 0
        """Trials that may still come: they share what requests are left."""

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            log.info("%s: %s", self._pipeline.name, text)

    def _share(self) -> int:
        """The requests of the next trial: what is left is dealt out evenly."""
        return max(1, self.purse.left // max(1, self.planned))

    async def attempt(self, settings: Settings, what: str, longer: float = 1.0) -> Trial:
        log.debug("%s: trying %s", self._pipeline.name, what)
        bounds = TrialBounds(
            seconds=self._bounds.seconds * longer,
            requests=self._share(),
            rows=self._bounds.rows,
            concurrency=settings.concurrency,
        )
        self.planned -= 1
        pipeline = with_settings(self._pipeline, settings)
        return await self._engine.trial(
            pipeline, run_date=self._run_date, bounds=bounds, purse=self.purse
        )

    async def measure(
        self, all_series: Sequence[Series], *, rounds: int, what: str, longer: float = 1.0
    ) -> None:
        """`longer` is how much longer than others these trials are."""
        for turn in range(rounds):
            for series in all_series if turn % 2 == 0 else all_series[::-1]:
                if series.fault is not None:
                    continue
                try:
                    trial = await self.attempt(
                        series.settings, f"{what} {series.label}".strip(), longer=longer
                    )
                except (ConfigError, ExtractError, PageError, RetryError) as exc:
                    series.fault = f"{exc.code}: {exc.message}"[:200]
                    continue
                if trial.rows_per_second > 0:
                    series.trials.append(trial)

    async def ascend(
        self,
        name: Name,
        all_series: list[Series],
        judge: Callable[[Series], str | None] = lambda _: None,
    ) -> list[Series]:
        """Try values upwards as long as they bring something; then those again, downwards."""
        tried: list[Series] = []
        for series in all_series:
            waves = series.settings.concurrency
            if isinstance(waves, int) and self._share() < waves * _WAVES and tried:
                self.note(
                    f"{name} above {tried[-1].label} was not tried: {self.purse.left:,} requests"
                    " are left (--max-requests)"
                )
                break
            await self.measure([series], rounds=1, what=name)
            if series.fault is None:
                series.fault = judge(series) if tried else None
            tried.append(series)
            if series.fault is not None:
                self.note(f"{name} {series.label}: {series.fault}")
                most = series.page_records
                if judge(series) and most > (tried[-2].settings.page_size or 0):
                    settings = msgspec.structs.replace(series.settings, page_size=most)
                    tried.append(Series(most, f"{most:,}", settings))
                    await self.measure(tried[-1:], rounds=1, what=name)
                break
            if series.last is None or (series.last.refused and len(tried) > 1):
                break
            if has_flattened([each.rate for each in tried]):
                break
        usable = [each for each in tried if each.trials and each.fault is None]
        for turn in range(1, self._bounds.rounds):
            order = usable[::-1] if turn % 2 else usable
            await self.measure(order, rounds=1, what=name)
        return [each for each in tried if each.trials]
