"""The goal of `concurrency = "auto"`, over many servers, latencies and seeds.

At least 85 % of the throughput of the best fixed number, and fewer than 3 % of the
requests refused.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from bronze_engine.limits.adaptive import MAX_LIMIT
from tests.unit.limits.simulation import AtOnce, PerSecond, SimulatedServer, simulate

pytestmark = pytest.mark.unit

Make = Callable[[random.Random], SimulatedServer]

SECONDS = 30.0


def check(make: Make, *fixed: int, seeds: int, seconds: float = SECONDS, lag: float = 0.0) -> None:
    """Compare with the best of these fixed numbers."""
    best = max(
        simulate(
            number, make(random.Random(1)), seconds=seconds, chance=random.Random(2), lag=lag
        ).good_per_second
        for number in fixed
    )
    for seed in range(seeds):
        chance = random.Random(seed + 1)
        auto = simulate("auto", make(random.Random(seed)), seconds=seconds, chance=chance, lag=lag)
        ratio = auto.good_per_second / best
        assert ratio >= 0.85, f"seed {seed}: {ratio:.3f} of {best:.0f}/s, limit {auto.limit}"
        assert auto.refused_share < 0.03, f"seed {seed}: {auto.refused_share:.2%} refused"


@pytest.mark.parametrize("jitter", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("latency", [0.05, 0.2])
@pytest.mark.parametrize("capacity", [3, 8, 20, 60, 150])
def test_a_hidden_limit_of_requests_at_once(capacity: int, latency: float, jitter: float) -> None:
    def make(chance: random.Random) -> AtOnce:
        return AtOnce(lambda _: capacity, latency, jitter, chance)

    check(make, capacity // 2 or 1, capacity, 2 * capacity, seeds=2)


@pytest.mark.parametrize("jitter", [0.2, 0.5])
@pytest.mark.parametrize("latency", [0.05, 0.1])
@pytest.mark.parametrize(("before", "after"), [(60, 20), (20, 60), (100, 30), (10, 40)])
def test_a_hidden_limit_that_changes_in_the_middle(
    before: int, after: int, latency: float, jitter: float
) -> None:
    def make(chance: random.Random) -> AtOnce:
        return AtOnce(lambda now: before if now < SECONDS / 2 else after, latency, jitter, chance)

    check(make, before, after, 200, seeds=2)


@pytest.mark.parametrize(
    ("capacity", "latency", "lag"),
    [
        (30, 0.05, 0.005),
        (30, 0.1, 0.005),
        (100, 0.05, 0.002),
        (100, 0.05, 0.005),
        (100, 0.1, 0.002),
        (100, 0.1, 0.005),
        (150, 0.05, 0.002),
        (150, 0.1, 0.005),
    ],
)
def test_answers_that_a_busy_event_loop_sees_late_do_not_mislead_it(
    capacity: int, latency: float, lag: float
) -> None:
    """As of a real server at 100 at once: a tenth of those in flight is answered already."""

    def make(chance: random.Random) -> AtOnce:
        return AtOnce(lambda _: capacity, latency, 0.2, chance)

    check(make, capacity, round(1.1 * capacity), seeds=2, lag=lag)


@pytest.mark.parametrize(("before", "after"), [(60, 20), (20, 60), (100, 30)])
def test_nor_where_the_limit_changes(before: int, after: int) -> None:
    def make(chance: random.Random) -> AtOnce:
        return AtOnce(lambda now: before if now < SECONDS / 2 else after, 0.1, 0.2, chance)

    check(make, before, after, 200, seeds=2, lag=0.005)


@pytest.mark.slow
def test_hundreds_of_seeds() -> None:
    def make(chance: random.Random) -> AtOnce:
        return AtOnce(lambda now: 30 if now < SECONDS / 2 else 12, 0.1, 0.3, chance)

    check(make, 30, 12, seeds=300)


@pytest.mark.parametrize("latency", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("rate", [50, 100, 300])
def test_a_hidden_limit_of_requests_a_second(rate: int, latency: float) -> None:
    def make(chance: random.Random) -> PerSecond:
        return PerSecond(rate, latency, 0.2, chance)

    needed = round(rate * latency)
    check(make, needed - 1, needed, needed + 1, 2 * needed, 200, seeds=2, seconds=60)


def test_the_trace_says_how_it_came_to_the_limit() -> None:
    server = AtOnce(lambda _: 30, 0.1, 0.0, random.Random(1))
    auto = simulate("auto", server, seconds=20, chance=random.Random(1))
    limits = [limit for _, limit, _ in auto.trace]
    first_refusal = next(at for at, _, reason in auto.trace if reason == "refused")
    assert first_refusal < 1
    assert limits[:6] == [5, 6, 7, 8, 9, 10]
    assert 30 < max(limits) < 60 < MAX_LIMIT
    assert auto.limit == 30
    assert {reason for _, _, reason in auto.trace} == {"start", "refused", "retest"}


def test_a_ceiling_of_refusals_is_tested_again_and_a_test_that_fails_leads_back() -> None:
    server = AtOnce(lambda _: 12, 0.1, 0.2, random.Random(1))
    auto = simulate("auto", server, seconds=60, chance=random.Random(1))
    settled = [(at, limit) for at, limit, _ in auto.trace if at > 8]
    tests = [
        at
        for (at, limit), (_, before) in zip(settled[1:], settled, strict=False)
        if limit > before == 12
    ]
    assert 3 <= len(tests) <= 6
    waits = [later - earlier for earlier, later in pairwise(tests)]
    assert waits == sorted(waits)
    assert {limit for _, limit in settled} <= set(range(10, 14))
