"""How a tune goes about it, with trials that a model answers: no server, and no time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.config import Config
from bronze_engine.config.load import load_config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.engine import Engine
from bronze_engine.errors import ExtractError
from bronze_engine.limits.trial import Purse
from bronze_engine.model.profile import RunProfile, Verdict
from bronze_engine.run.trial import Trial, TrialBounds
from bronze_engine.tune import Tune, TuneBounds, TuneReport

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

DAY = date(2025, 1, 15)
TOML = """
[engine]
log_dir = ""
[apis.shop]
base_url = "http://127.0.0.1:9"
concurrency = {concurrency}
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
[pipelines.team.orders.source.paginator]
type = "page"
size_param = "size"
page_size = {page_size}
total_path = "total"
"""
PROFILE = RunProfile(
    seconds=1.0,
    reading_seconds=1.0,
    cores=2,
    cpu_seconds=0.1,
    loop_cpu_seconds=0.1,
    loop_lag_seconds=0.0,
    loop_lag_max_seconds=0.0,
    reading_cpu_seconds=0.1,
    reading_loop_cpu_seconds=0.1,
    limit_seconds={},
    held_back_seconds=0.0,
    starved_seconds=1.0,
    blocked_seconds=0.0,
    sending_seconds=0.0,
    stages=(),
    verdict=Verdict(bound="latency", reason="", advice=""),
)

Model = Callable[[int, int], float]
"""Requests a second, of so many in flight and records a page."""


class Modelled:
    """What of an engine a tune asks, over a model of the server."""

    def __init__(
        self,
        config: Config,
        model: Model,
        *,
        disturbed: Callable[[], float] = lambda: 1.0,
        refuses: Callable[[float], float] = lambda _rps: 0.0,
        max_size: int = 10**9,
        pages: int = 10**9,
        auto: int = 16,
    ) -> None:
        self.config = config
        self.clock = SYSTEM_CLOCK
        self._model, self._disturbed, self._refuses = model, disturbed, refuses
        self._max_size, self._pages, self._auto = max_size, pages, auto

    async def trial(
        self, pipeline: Pipeline, *, run_date: date, bounds: TrialBounds, purse: Purse
    ) -> Trial:
        assert run_date == DAY
        source = pipeline.source
        assert isinstance(source, HttpSourceConfig)
        size = min(self._max_size, cast("Any", source.paginator).page_size)
        at_once = self._auto if bounds.concurrency == "auto" else bounds.concurrency
        assert at_once is not None
        rps = self._model(at_once, size)
        limit = source.rate_limit
        if limit is not None and limit.rps is not None:
            rps = min(rps, limit.rps)
        most = min(self._pages, int(rps * bounds.seconds))
        requests = max(0, min(bounds.requests, purse.left, most))
        for _ in range(requests):
            purse.take()
        share = self._refuses(rps)
        refused = round(share * requests)
        pages = requests - refused
        rate = rps * (1 - share) * size * self._disturbed() if requests > at_once else 0.0
        return Trial(
            rows=pages * size,
            bytes_in=0,
            bytes_out=0,
            seconds=max(requests, 1) / rps,
            rows_per_second=rate,
            pages=pages,
            requests=requests,
            refused=refused,
            failed=0,
            sustained_rps=rps * (1 - share) if refused > 1 else None,
            latency_seconds=at_once / rps,
            cpu_seconds=0.1,
            is_whole=requests == self._pages,
            is_cut=False,
            is_spent=requests == min(bounds.requests, purse.left),
            profile=PROFILE,
        )


async def tuned(
    folder: Path,
    model: Model,
    *,
    concurrency: int | str = 2,
    page_size: int = 100,
    requests: int = 100_000,
    rounds: int = 2,
    **server: Any,
) -> TuneReport:
    path = folder / "pipelines.toml"
    path.write_text(TOML.format(concurrency=concurrency, page_size=page_size))
    engine = cast("Engine", Modelled(load_config(path, environ={}), model, **server))
    bounds = TuneBounds(requests=requests, rounds=rounds)
    report = await Tune(engine, "team.orders", run_date=DAY, bounds=bounds).run()
    assert report.requests <= requests
    return report


def proposed(report: TuneReport) -> dict[str, Any]:
    return {each.key[-1]: each.value for each in report.proposals}


def latency(seconds: float, at_once: int = 10**6, of_record: float = 0.0) -> Model:
    """Each page takes so long, and so many are made at once; others wait their turn."""
    return lambda concurrency, size: min(concurrency, at_once) / (seconds + of_record * size)


@pytest.mark.parametrize(
    "model",
    [
        latency(0.2, 8),
        latency(0.05, 20),
        latency(1.0, 100),
        latency(0.01, 3),
        latency(0.1, 40, of_record=0.0001),
        lambda at_once, _size: at_once / (0.05 * max(1.0, at_once / 8)),
    ],
)
@pytest.mark.parametrize("seed", range(4))
async def test_what_is_proposed_is_near_the_best_though_trials_are_disturbed(
    tmp_path: Path, model: Model, seed: int
) -> None:
    """One trial of five is slowed down by anything up to a quarter of its rate: a busy machine."""
    dice = random.Random(seed)

    def disturbed() -> float:
        return dice.uniform(0.25, 1.0) if dice.random() < 0.2 else dice.uniform(0.97, 1.0)

    report = await tuned(tmp_path, model, max_size=400, disturbed=disturbed, rounds=3)
    found = {"concurrency": 2, "page_size": 100} | proposed(report)
    rate = model(found["concurrency"], found["page_size"]) * found["page_size"]
    best = max(
        model(at_once, size) * size
        for at_once in (1, 2, 4, 8, 16, 32, 64, 128)
        for size in (100, 200, 400)
    )
    assert rate >= 0.85 * best


async def test_what_nothing_bounds_is_tried_to_the_end(tmp_path: Path) -> None:
    report = await tuned(tmp_path, latency(0.2), requests=10_000, max_size=100)
    assert proposed(report)["concurrency"] == 128


@pytest.mark.parametrize("requests", [200, 400, 1000, 4000])
@pytest.mark.parametrize("concurrency", ['"auto"', 2, 8, 32])
async def test_nothing_is_proposed_that_was_compared_with_nothing(
    tmp_path: Path, requests: int, concurrency: int | str
) -> None:
    report = await tuned(tmp_path, latency(0.02, 64), concurrency=concurrency, requests=requests)
    for curve in report.curves:
        if curve.chosen != curve.configured:
            assert len(curve.points) > 1
    if report.proposals:
        assert len(report.gains) >= 3
        assert report.is_faster
    if concurrency == '"auto"':  # which finds sixteen
        assert proposed(report).get("concurrency", 16) >= 16
    assert report.proposals or "(--max-requests)" in " ".join(report.notes)


async def test_too_few_requests_are_told_with_how_many_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="allow 700 at the least"):
        await tuned(tmp_path, latency(0.02, 64), concurrency='"auto"', requests=40)
    report = await tuned(tmp_path, latency(0.02, 64), concurrency=4, requests=700)
    assert report.is_faster


async def test_what_ends_before_its_speed_shows_is_too_little(tmp_path: Path) -> None:
    """It was told as requests that were used up, of which there were thousands."""
    with pytest.raises(ExtractError, match="2025-01-15 was read before a speed could be told"):
        await tuned(tmp_path, latency(0.2), concurrency=8, requests=10_000, pages=8)


async def test_few_requests_are_shared_by_page_sizes_and_concurrency(tmp_path: Path) -> None:
    report = await tuned(tmp_path, latency(0.02, 64), concurrency=4, requests=400)
    tried = {curve.name: len(curve.points) for curve in report.curves}
    assert tried["page_size"] >= 3
    assert tried["concurrency"] >= 3


async def test_what_is_no_faster_in_each_round_is_not_proposed(tmp_path: Path) -> None:
    dice = random.Random(7)
    report = await tuned(
        tmp_path,
        lambda _at_once, size: 100 * 100 / size,  # so many rows, whatever is asked
        disturbed=lambda: dice.uniform(0.5, 1.0),
    )
    assert not report.is_faster
    assert not report.proposals
    assert report.toml == ""
    assert report.gain == 1.0


async def test_a_server_that_refuses_some_whatever_is_asked_has_no_rate(tmp_path: Path) -> None:
    report = await tuned(tmp_path, latency(0.05, 16), refuses=lambda _rps: 0.05, max_size=100)
    assert "rps" not in proposed(report)
    assert proposed(report)["concurrency"] == 16  # and not the one with the fewest refusals
    assert "does not come of the rate" in " ".join(report.notes)


async def test_a_source_of_few_pages_is_not_asked_for_more_at_once(tmp_path: Path) -> None:
    report = await tuned(tmp_path, latency(0.05), pages=20, max_size=100, requests=10_000)
    assert proposed(report)["concurrency"] == 8
    assert "concurrency from 16 on: the source has only 20 pages" in report.notes


async def test_pages_of_a_source_that_ends_are_no_larger_than_the_server_gives(
    tmp_path: Path,
) -> None:
    report = await tuned(tmp_path, latency(0.02), page_size=50, pages=20, max_size=50)
    assert "page_size" not in proposed(report)
    assert "page_size 100: the server gives 50 records a page" in report.notes
