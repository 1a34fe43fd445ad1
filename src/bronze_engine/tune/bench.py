"""Measuring: trials of settings, in turn, within what may be asked of the source."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final, NamedTuple, final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, ExtractError, PageError, RetryError
from bronze_engine.limits.trial import Purse
from bronze_engine.run.trial import Trial, TrialBounds
from bronze_engine.tune.knee import FLAT, has_flattened
from bronze_engine.tune.report import Name
from bronze_engine.tune.series import Series
from bronze_engine.tune.settings import Settings, with_settings

__all__ = ["AUTO_AT_ONCE", "Ascent", "Bench", "TuneBounds", "needed"]

log = logging.getLogger(__name__)

_WAVES: Final = 4
"""A trial sends at least so many requests for each that is in flight."""
_LEAST_REQUESTS: Final = 5
"""Of a trial: the first is the beginning, and counts for nothing."""
_PAGES_EACH: Final = 2
"""Of a source that ends: fewer pages for each in flight tell nothing of more in flight."""
_REQUESTS_LONG: Final = 5
_LONGEST_SECONDS: Final = 10.0
_LEAST_VALUES: Final = 2
"""One value alone is compared with nothing."""
AUTO_AT_ONCE: Final = 8
"""Requests in flight that "auto" is reckoned with."""
_MORE_REFUSED: Final = 0.05
"""So much more of the requests is refused where that comes of the value that is tried."""


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
        self._seconds = bounds.seconds
        self.purse = Purse(bounds.requests)
        self.notes: list[str] = []
        self.least = 0
        """Requests without which nothing can be proposed."""
        self.set_aside = 0
        """Requests that are kept for the end."""

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            log.info("%s: %s", self._pipeline.name, text)

    def stretch(self, latency_seconds: float) -> None:
        """Make trials long enough for several requests, one after another, of such a latency."""
        seconds = min(_REQUESTS_LONG * latency_seconds, _LONGEST_SECONDS)
        if seconds > self._seconds:
            self._seconds = seconds
            self.note(
                f"a request takes {latency_seconds:.2f} s: each trial is {seconds:.1f} s long"
            )

    def allowance(self, share: float) -> int:
        """So much of the requests that are left, but for those that are kept for the end."""
        return int(share * max(0, self.purse.left - self.set_aside))

    async def attempt(
        self, settings: Settings, what: str, *, requests: int, longer: float = 1.0
    ) -> Trial:
        """`longer` is how much longer than others this trial is."""
        log.debug("%s: trying %s", self._pipeline.name, what)
        bounds = TrialBounds(
            seconds=self._seconds * longer,
            requests=max(1, requests),
            rows=self._bounds.rows,
            concurrency=settings.concurrency,
        )
        pipeline = with_settings(self._pipeline, settings)
        return await self._engine.trial(
            pipeline, run_date=self._run_date, bounds=bounds, purse=self.purse
        )

    async def measure(
        self, series: Series, what: str, *, requests: int, longer: float = 1.0
    ) -> Trial | None:
        """One more trial of it; None where that tells nothing."""
        if series.fault is not None:
            return None
        what = f"{what} {series.label}".strip()
        try:
            trial = await self.attempt(series.settings, what, requests=requests, longer=longer)
        except (ConfigError, ExtractError, PageError, RetryError) as exc:
            series.fault = f"{exc.code}: {exc.message}"[:200]
            return None
        if trial.rows_per_second <= 0:
            return None
        series.trials.append(trial)
        return trial

    async def in_turn(
        self, name: Name, all_series: Sequence[Series], *, rounds: int, share: float
    ) -> None:
        """Each of them in each round."""
        requests = self.allowance(share) // (rounds * len(all_series))
        if requests < max(needed(series) for series in all_series):
            self._note_few(name, rounds * sum(map(needed, all_series)), share)
            return
        for turn in range(rounds):
            for series in all_series if turn % 2 == 0 else all_series[::-1]:
                await self.measure(series, name, requests=requests)

    async def ascend(
        self,
        name: Name,
        all_series: Sequence[Series],
        *,
        own: str,
        share: float,
        judge: Callable[[Series], str | None] = lambda _: None,
    ) -> Ascent:
        """Try values upwards as long as they bring something; then those again, downwards.

        `own` is the label of what is configured, `share` what part of the requests may be used.
        """
        allowance = self.allowance(share)
        rounds = self._bounds.rounds
        chosen = _affordable(all_series, own, allowance, rounds)
        if len(chosen) < _LEAST_VALUES and rounds > 1:
            rounds = 1
            chosen = _affordable(all_series, own, allowance, rounds)
        if len(chosen) < min(_LEAST_VALUES, len(all_series)):
            nearest = [all_series[at] for at in _nearest(all_series, own)[:_LEAST_VALUES]]
            self._note_few(name, sum(map(needed, nearest)), share)
            return Ascent([], has_ended=False)
        budget = _Budget(allowance, rounds * sum(map(needed, chosen)))
        has_ended = len(chosen) == len(all_series)
        tried: list[Series] = []
        for series in chosen:
            pages = _pages_in_all(tried)
            if pages is not None and not _is_enough(pages, series):
                self.note(f"{name} from {series.label} on: the source has only {pages:,} pages")
                has_ended = True
                break
            await self.measure(series, name, requests=budget.deal(needed(series)))
            if series.fault is None:
                series.fault = judge(series) if tried else None
            tried.append(series)
            if series.fault is not None:
                self.note(f"{name} {series.label}: {series.fault}")
                has_ended = True
                if judge(series):
                    await self._try_largest_page(name, tried, budget)
                break
            if not series.trials:  # too slow to tell, or no request is left
                continue
            if series.refused_share > tried[0].refused_share + _MORE_REFUSED:
                has_ended = True
                break
            if await self._has_flattened(name, tried, budget):
                has_ended = True
                break
        usable = [each for each in tried if each.trials and each.fault is None]
        for turn in range(1, rounds):
            for series in usable[::-1] if turn % 2 else usable:
                await self.measure(series, name, requests=budget.deal(needed(series)))
        if not has_ended and len(chosen) < len(all_series):
            self.note(
                f"{name} beyond {chosen[-1].label} was not tried: that needs more requests"
                " (--max-requests)"
            )
        return Ascent([each for each in tried if each.trials], has_ended=has_ended)

    async def _try_largest_page(self, name: Name, tried: list[Series], budget: _Budget) -> None:
        """Of a server that gave fewer records than the last size asked for: try as many."""
        last = tried[-1]
        most = last.page_records
        if most > (tried[-2].settings.page_size or 0):
            settings = msgspec.structs.replace(last.settings, page_size=most)
            tried.append(Series(most, f"{most:,}", settings))
            await self.measure(tried[-1], name, requests=budget.deal(needed(last)))

    async def _has_flattened(self, name: Name, tried: Sequence[Series], budget: _Budget) -> bool:
        """Whether the last values bring nothing. What looks so is looked at again: a moment in
        which the machine or the server does something else must not end an ascent."""
        if not has_flattened([each.best_rate for each in tried]):
            return False
        for series in tried[-FLAT:]:
            await self.measure(series, name, requests=budget.deal(needed(series)))
        return has_flattened([each.best_rate for each in tried])

    def _note_few(self, name: Name, least: int, share: float) -> None:
        missing = math.ceil(least / share) - (self.purse.left - self.set_aside)
        total = self.purse.spent + self.purse.left + 1.5 * max(0, missing)  # for what comes before
        total = math.ceil(max(total, self.least) / 100) * 100
        self.note(
            f"{name} was not tried: {self.purse.left:,} requests are left, too few to compare"
            f" values; allow {total:,} at the least (--max-requests)"
        )


class Ascent(NamedTuple):
    """The values that could be measured, in their order."""

    tried: list[Series]
    has_ended: bool
    """Whether more would have brought nothing; else requests were too few, or none is left."""


@final
class _Budget:
    """Requests of several trials, dealt out as each needs them."""

    def __init__(self, requests: int, needed: int) -> None:
        self._each = requests / max(needed, 1)

    def deal(self, needed: int) -> int:
        return int(self._each * needed)


def needed(series: Series) -> int:
    """Requests without which a trial of it tells nothing."""
    at_once = series.settings.concurrency
    if at_once is None:
        return 1
    return max(_LEAST_REQUESTS, _WAVES * (AUTO_AT_ONCE if at_once == "auto" else at_once))


def _nearest(all_series: Sequence[Series], own: str) -> list[int]:
    """Places: of what is configured, and then of what is near it; from the smallest on where that
    is none of them."""
    place = next((at for at, each in enumerate(all_series) if each.label == own), 0)
    return sorted(range(len(all_series)), key=lambda at: (abs(at - place), at))


def _affordable(all_series: Sequence[Series], own: str, requests: int, rounds: int) -> list[Series]:
    """Those that so many requests are enough for, in their order."""
    taken: list[int] = []
    for at in _nearest(all_series, own):
        requests -= rounds * needed(all_series[at])
        if requests < 0:
            break
        taken.append(at)
    return [all_series[at] for at in sorted(taken)]


def _pages_in_all(tried: Sequence[Series]) -> int | None:
    """What the source has; None where no trial has come to its end."""
    whole = [trial.pages for each in tried for trial in each.trials if trial.is_whole]
    return max(whole, default=None)


def _is_enough(pages: int, series: Series) -> bool:
    """Whether they are enough to try so many in flight."""
    at_once = series.settings.concurrency
    return not isinstance(at_once, int) or pages >= _PAGES_EACH * at_once
