"""Coordinate by coordinate: page size, requests in flight, codec, row groups.

    report = await Tune(engine, "team.orders", run_date=day).run()

Each value is tried several times for a second or two, in turn with its neighbours, so that what
the machine or the server does meanwhile meets all of them. The page size comes first: a larger
page makes every request bring more, whatever bounds the run. Then the requests in flight, with
that page size, up to where more bring nothing. How files are written is tried only where it
takes a share of the time.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import date
from typing import Final, Literal, final

import msgspec

from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.run.trial import Trial
from bronze_engine.tune.bench import AUTO_AT_ONCE, Bench, TuneBounds, needed
from bronze_engine.tune.knee import clearly_better, knee
from bronze_engine.tune.labels import codec_label, mib, neat
from bronze_engine.tune.proposals import proposals_of, toml_of
from bronze_engine.tune.report import Curve, Name, TuneReport, is_faster
from bronze_engine.tune.series import Series
from bronze_engine.tune.settings import Settings, can_be_cut, configured, paging_kind, roomy
from bronze_engine.tune.shares import sending, writing

__all__ = ["Tune"]

log = logging.getLogger(__name__)

_AT_ONCE: Final = (1, 2, 4, 8, 16, 32, 64, 128)
_PAGE_FACTORS: Final = (1, 2, 4, 8, 16, 32)
_ROW_GROUPS_MIB: Final = (8, 16, 32)
_PARTS_MIB: Final = (5, 8, 16, 32)
_SLICES: Final = (2, 4, 8)
_CODECS: Final = (("zstd", None), ("zstd", 3), ("snappy", None), ("lz4", None))
_PAGES_SHARE, _AT_ONCE_SHARE, _OTHERS_SHARE, _END_SHARE, _TRIAL_SHARE = 0.35, 0.7, 0.4, 0.3, 0.1
"""Of the requests that are left: for page sizes, then for the requests in flight, then for each of
the others; for the comparison at the end; and for a single trial."""
_PAGES_NEED: Final = 24
"""Requests for each in flight: three page sizes, twice, four waves each."""
_LEAST_TRIAL: Final = 16
"""Requests of the first."""
_LEAST_PAGES: Final = 4
_WORTH: Final = 0.15
"""The share of the time that encoding or the upload must take for their settings to matter."""
_SHORT_PAGE: Final = 0.75
_FIRST_SECONDS: Final = 2.0
"""Of the first trial, at the least: servers let through more at first than they do for long."""
_RATE_TRIALS: Final = 4
_RATE_SECONDS: Final = 4.0
"""Of these trials, at the least: a server's refusals must come more than once."""
_BELOW: Final = 0.97
_SLOWER: Final = 0.9
"""Of a rate that was refused."""
_ROUNDS: Final = 3
"""What changes the files, and all of it together, must be faster in each of so many."""
_STILL_REFUSED: Final = 0.5
"""Of the share that was refused before: then refusals do not come of the rate."""


@final
class Tune:
    """The tuning of one pipeline. Give it an engine of its own: it opens the limit group of the
    pipeline's API with room for every trial, at the configured rate.

    Raises ConfigError for bounds that can't be, ExtractError where the source has too little
    to measure, and what a run raises where the pipeline can't be read as it is configured.
    Cancelled anywhere it leaves nothing: no state, no lease, no staged file.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        *,
        run_date: date,
        bounds: TuneBounds | None = None,
    ) -> None:
        self._engine = engine
        self._bounds = bounds or TuneBounds()
        if self._bounds.rounds < 1 or self._bounds.requests < 1 or self._bounds.seconds <= 0:
            raise ConfigError("a tune needs at least one round, one request and some seconds")
        self._original = engine.config.pipeline(name)
        self._run_date = run_date
        self._bench = Bench(engine, roomy(self._original), run_date, self._bounds)
        self._curves: list[Curve] = []
        self._refused: Trial | None = None
        """The trial that has shown a limit of the server's that no configuration tells of."""

    async def run(self) -> TuneReport:
        """Measure, and propose."""
        began = self._engine.clock.monotonic()
        before = configured(self._original)
        first = await self._first(before)
        if before.concurrency is not None:
            self._bench.stretch(first.latency_seconds)
        self._bench.set_aside = int(_END_SHARE * self._bench.purse.left)
        least = 2 * _ROUNDS * needed(Series("", "", before))
        self._bench.least = _LEAST_TRIAL + math.ceil(least / _END_SHARE)
        meanwhile = AUTO_AT_ONCE if before.concurrency == "auto" else before.concurrency
        if meanwhile is not None:  # no more than page sizes can be measured with
            meanwhile = max(1, min(meanwhile, self._bench.allowance(_PAGES_SHARE) // _PAGES_NEED))
        now = msgspec.structs.replace(before, concurrency=meanwhile)
        if first.refused and before.concurrency is not None:
            now = await self._find_rate(now)
        now = await self._sweep_pages(now)
        now = await self._sweep_at_once(now)
        now = await self._sweep_slices(now)
        now = await self._sweep_files(now)
        if not any(curve.name == "concurrency" for curve in self._curves):
            now = msgspec.structs.replace(now, concurrency=before.concurrency)
        return await self._compare(before, now, began)

    async def _first(self, before: Settings) -> Trial:
        """One trial as it is configured: what can't be read can't be tuned."""
        longer = max(1.0, _FIRST_SECONDS / self._bounds.seconds)
        requests = max(_LEAST_TRIAL, self._bench.allowance(_TRIAL_SHARE))
        trial = await self._bench.attempt(before, "as configured", requests=requests, longer=longer)
        name = self._original.name
        if trial.is_cut and not trial.rows:
            raise ExtractError(
                f"{name}: no row group was written in {trial.seconds:.1f} s; try for longer"
                " (--seconds)",
                pipeline=name,
            )
        if not trial.rows:
            raise ExtractError(
                f"{name}: there is no row for {self._run_date}; name a date that has some (--date)",
                pipeline=name,
            )
        is_paged = before.concurrency is not None  # what else has pages counts files, or none
        what = f"{trial.pages:,} pages" if is_paged else f"{trial.rows:,} rows"
        is_little = trial.seconds < self._bounds.seconds / 20
        is_little = is_little or (is_paged and trial.pages < _LEAST_PAGES)
        if trial.is_whole and is_little:
            raise ExtractError(
                f"{name}: {what} are all that there is for {self._run_date}, read in"
                f" {trial.seconds:.2f} s: too little to measure; name a date with more"
                " (--date), or shorten the trials (--seconds)",
                pipeline=name,
            )
        if trial.is_whole and trial.seconds < self._bounds.seconds / 4:
            self._bench.note(f"the source has only {what}: short trials tell less")
        return trial

    async def _find_rate(self, now: Settings) -> Settings:
        """Below what the server refuses, where it does and no rate is configured for it."""
        source = self._original.source
        assert isinstance(source, HttpSourceConfig)  # noqa: S101  # only those have requests in flight
        rate = source.api.rate_limit or source.rate_limit
        if rate is not None and rate.rps is not None:
            self._bench.note(
                f"the server refuses requests below the configured {rate.rps:g} a second; lower it"
            )
        found = [Series(0.0, "no limit", now)]
        longer = max(2.0, _RATE_SECONDS / self._bounds.seconds)
        requests = self._bench.allowance(_TRIAL_SHARE)
        await self._bench.measure(found[0], "rps", requests=requests, longer=longer)
        rps: float | None = None
        for _ in range(_RATE_TRIALS):
            trial = found[-1].last
            if trial is None or (rps is not None and not trial.refused):
                break
            told = trial.sustained_rps or trial.requests / max(trial.seconds, 1e-9)
            rps = neat(_BELOW * told if rps is None else min(_SLOWER * rps, told))
            found.append(Series(rps, f"{rps:g}", msgspec.structs.replace(now, rps=rps)))
            again = await self._bench.measure(found[-1], "rps", requests=requests, longer=longer)
            if again is not None and again.refused == 1:  # of what the one before has used up
                found[-1].trials.clear()
                await self._bench.measure(found[-1], "rps", requests=requests, longer=longer)
        usable = [each for each in found if each.trials]
        if not usable:
            return now
        chosen = usable[-1]
        if chosen.refused_share > _STILL_REFUSED * usable[0].refused_share:
            self._bench.note(
                f"the server refuses requests (429) at {chosen.label} requests a second, too: that"
                " does not come of the rate, or the rate is lower yet"
            )
            return now
        self._refused = usable[0].last
        self._keep("rps", usable, chosen, "no limit")
        self._bench.note(
            f"the server refuses (429) what comes faster than about {chosen.label} requests a"
            " second, and no rate_limit says so"
        )
        return chosen.settings

    async def _sweep_pages(self, now: Settings) -> Settings:
        size = now.page_size
        source = self._original.source
        if not isinstance(source, HttpSourceConfig):
            return now
        takes = getattr(source.paginator, "size_param", None) or hasattr(
            source.paginator, "size_variable"
        )
        if size is None or not takes:
            self._bench.note(
                "page size: the paginator has no size_param and page_size; if the API takes one,"
                " configure it and tune again"
            )
            return now
        values = [size * factor for factor in _PAGE_FACTORS]
        all_series = [
            Series(value, f"{value:,}", msgspec.structs.replace(now, page_size=value))
            for value in values
        ]
        own = f"{size:,}"
        ascent = await self._bench.ascend(
            "page_size", all_series, own=own, share=_PAGES_SHARE, judge=_is_short_page
        )
        return self._chosen("page_size", ascent.tried, own, now)

    async def _sweep_at_once(self, now: Settings) -> Settings:
        before = configured(self._original).concurrency
        if before is None:
            return now
        if paging_kind(self._original) == "chained":
            self._bench.note(
                "concurrency: the pages follow one another, so more requests at once bring nothing"
            )
            return msgspec.structs.replace(now, concurrency=before)
        values = sorted({*_AT_ONCE, *([before] if isinstance(before, int) else [])})
        all_series = [
            Series(value, str(value), msgspec.structs.replace(now, concurrency=value))
            for value in values
        ]
        own = str(before)
        ascent = await self._bench.ascend("concurrency", all_series, own=own, share=_AT_ONCE_SHARE)
        now = msgspec.structs.replace(now, concurrency=before)
        if not ascent.has_ended and before == "auto" and ascent.tried:
            # Who looks for it in each run may find more than could be tried.
            self._keep("concurrency", ascent.tried, Series(own, own, now), own)
            return now
        return self._chosen("concurrency", ascent.tried, own, now)

    async def _sweep_slices(self, now: Settings) -> Settings:
        """Of a database that can be cut: how many parts of it are read at once."""
        if not can_be_cut(self._original):
            return now
        own = Series("configured", "configured", now)
        some = [
            Series(value, str(value), msgspec.structs.replace(now, slices=value))
            for value in _SLICES
        ]
        return await self._in_turn("slices", [own, *some], "configured")

    async def _sweep_files(self, now: Settings) -> Settings:
        """Codec and row groups, where writing takes a share of the time."""
        series = Series("", "", now)
        requests = self._bench.allowance(_TRIAL_SHARE)
        trial = await self._bench.measure(series, "files", requests=requests)
        share = 0.0 if trial is None else writing(trial.profile)
        if share < _WORTH:
            self._bench.note(
                f"codec and row groups: encoding and upload take {share:.0%} of the time; other"
                " settings of [output] would change the files, and not the speed"
            )
            return now
        now = await self._sweep_codec(now)
        now = await self._sweep_size("row_group_bytes", _ROW_GROUPS_MIB, now)
        if sending(trial) < _WORTH or self._original.output.partition_by:
            return now
        return await self._sweep_size("part_bytes", _PARTS_MIB, now)

    async def _sweep_size(
        self, name: Literal["row_group_bytes", "part_bytes"], sizes: Sequence[int], now: Settings
    ) -> Settings:
        own: int = getattr(now, name)
        some = [
            Series(value, mib(value), msgspec.structs.replace(now, **{name: value}))
            for value in sorted({each * 1024**2 for each in sizes} | {own})
        ]
        return await self._in_turn(name, some, mib(own))

    async def _sweep_codec(self, now: Settings) -> Settings:
        codecs = [*_CODECS]
        own = (now.compression, now.compression_level)
        if now.compression_level is not None:  # a level that another codec would not take
            codecs = [(now.compression, level) for level in (1, 3, 6)]
        if own not in codecs:
            codecs.append(own)
        all_series = [
            Series(
                codec_label(codec, level),
                codec_label(codec, level),
                msgspec.structs.replace(now, compression=codec, compression_level=level),
            )
            for codec, level in codecs
        ]
        return await self._in_turn("compression", all_series, codec_label(*own))

    async def _in_turn(self, name: Name, all_series: list[Series], own: str) -> Settings:
        rounds = max(_ROUNDS, self._bounds.rounds)
        await self._bench.in_turn(name, all_series, rounds=rounds, share=_OTHERS_SHARE)
        kept = [each for each in all_series if each.trials]
        now = next(each.settings for each in all_series if each.label == own)
        return self._chosen(name, kept, own, now)

    def _chosen(self, name: Name, kept: list[Series], own: str, now: Settings) -> Settings:
        """The settings with the best of these values; `now` where none could be measured."""
        if not kept:  # the bench has noted why
            return now
        points = [each.point() for each in kept]
        if not any(point.fault is None and point.high > 0 for point in points):
            self._bench.note(f"{name}: nothing could be measured")
            return now
        of_files = name in ("slices", "compression", "row_group_bytes", "part_bytes")
        best = clearly_better(points, own) if of_files else knee(points)
        chosen = next(each for each in kept if each.label == best.label)
        self._keep(name, kept, chosen, own)
        return chosen.settings

    async def _compare(self, before: Settings, tuned: Settings, began: float) -> TuneReport:
        """Both in turn: the gain is of what was measured side by side."""
        pair = [Series("", "as configured", before), Series("", "tuned", tuned)]
        least = 2 * _ROUNDS * max(map(needed, pair))
        if tuned != before and self._bench.purse.left < least:
            self._bench.note(
                f"what was found could not be compared with what is configured:"
                f" {self._bench.purse.left:,} requests are left, and that needs {least:,}; allow"
                f" {math.ceil(least / _END_SHARE / 100) * 100:,} at the least (--max-requests)"
            )
            tuned, self._refused = before, None
        if tuned == before:
            pair = pair[:1]
        gains = await self._paired(pair)
        first, last = pair[0].last, pair[-1].last
        if first is None or last is None:
            if self._bench.purse.left >= least:  # it was not they that were missing
                raise ExtractError(
                    f"{self._original.name}: all that there is for {self._run_date} was read before"
                    " a speed could be told: too little to measure; name a date with more (--date)",
                    pipeline=self._original.name,
                )
            more = math.ceil(self._bench.least / 100) * 100
            raise ExtractError(
                f"{self._original.name}: all {self._bounds.requests:,} requests were used up before"
                f" anything could be compared; allow {more:,} at the least (--max-requests)",
                pipeline=self._original.name,
            )
        one, other = pair[0].point(), pair[-1].point()
        if tuned != before and self._refused is None and not is_faster(gains):
            self._bench.note(
                f"with all of it together {other.rows_per_second:,.0f} rows/s were read, and"
                f" {one.rows_per_second:,.0f} as configured, in {len(gains)} rounds: that is not"
                " measurably faster, and nothing is proposed"
            )
            tuned, other, last, gains = before, one, first, ()
        proposals = proposals_of(self._original, before, tuned, self._curves)
        if self._refused is not None:  # a short trial may see what the server has saved up
            first = self._refused
        verdict, verdict_tuned = first.profile.verdict, last.profile.verdict
        assert verdict is not None  # noqa: S101  # every profile of a trial is judged
        assert verdict_tuned is not None  # noqa: S101
        return TuneReport(
            pipeline=self._original.name,
            run_date=self._run_date,
            requests=self._bench.purse.spent,
            seconds=self._engine.clock.monotonic() - began,
            configured=one,
            tuned=other,
            bound="rate limit" if self._refused is not None else verdict.bound,
            bound_tuned=verdict_tuned.bound,
            gains=gains,
            profile=first.profile,
            profile_tuned=last.profile,
            curves=tuple(self._curves),
            proposals=proposals,
            toml=toml_of(proposals),
            notes=tuple(self._bench.notes),
        )

    async def _paired(self, pair: Sequence[Series]) -> tuple[float, ...]:
        """How much faster the second is than the first, of each round that measured both."""
        rounds = max(_ROUNDS, self._bounds.rounds) if len(pair) > 1 else self._bounds.rounds
        longer = 1.0 if self._refused is None else max(2.0, _RATE_SECONDS / self._bounds.seconds)
        gains: list[float] = []
        for turn in range(rounds):
            requests = self._bench.purse.left // (len(pair) * (rounds - turn))
            order = pair if turn % 2 == 0 else pair[::-1]
            found = {
                each.label: await self._bench.measure(
                    each, "compare", requests=requests, longer=longer
                )
                for each in order
            }
            own, tuned = found[pair[0].label], found[pair[-1].label]
            if len(pair) > 1 and own is not None and tuned is not None:
                gains.append(tuned.rows_per_second / own.rows_per_second)
        return tuple(gains)

    def _keep(self, name: Name, all_series: list[Series], chosen: Series, own: str) -> None:
        trial = chosen.last
        verdict = None if trial is None else trial.profile.verdict
        told = "%s: %s %s of %d that were tried"
        log.info(told, self._original.name, name, chosen.label, len(all_series))
        self._curves.append(
            Curve(
                name=name,
                points=tuple(each.point() for each in all_series),
                chosen=chosen.label,
                configured=own,
                bound=None if verdict is None else verdict.bound,
            )
        )


def _is_short_page(series: Series) -> str | None:
    """Whether the server gives less than was asked for."""
    trial = series.last
    size = series.settings.page_size
    if trial is None or size is None or not trial.pages:
        return None
    if trial.is_whole and trial.pages < _LEAST_PAGES:  # the last page is short in any case
        return None
    had = series.page_records
    if had >= _SHORT_PAGE * size:
        return None
    return f"the server gives {had:,} records a page"
