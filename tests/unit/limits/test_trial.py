from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest

from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.limits.transient import Transient
from bronze_engine.limits.trial import Purse, Spent, TrialLimits
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Server:
    """Takes a second for each answer; refuses those whose turn is in `refused`."""

    def __init__(self, clock: ManualClock, refused: Sequence[int] = ()) -> None:
        self.clock = clock
        self.refused = refused
        self.asked = 0
        self.at_once = self.most = 0

    async def __call__(self) -> None:
        self.asked += 1
        turn = self.asked
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.clock.sleep(1.0)
        finally:
            self.at_once -= 1
        if turn in self.refused:
            raise Transient("status 429", counts=False)


def limits_of(
    clock: ManualClock,
    purse: Purse,
    *,
    concurrency: int | Literal["auto"] | None = 4,
    requests: int = 1000,
    rate: RateLimit | None = None,
) -> TrialLimits:
    group = LimitRegistry(clock, lambda _: None).group(
        "shop",
        "ApiExtractor",
        rate=rate,
        retry=Retry(),
        breaker=CircuitBreaker(),
        concurrency=1000,
    )
    return TrialLimits(group.limits(pipeline="t.orders"), concurrency, purse, requests, clock)


async def ask(clock: ManualClock, limits: TrialLimits, server: Server, times: int) -> list[object]:
    async def all_of_them() -> list[object]:
        calls = (limits.call(server, describe="GET /") for _ in range(times))
        return await asyncio.gather(*calls, return_exceptions=True)

    found: list[object] = await clock.drive(all_of_them())
    return found


async def test_no_more_are_in_flight_than_the_trial_says() -> None:
    clock = ManualClock()
    server = Server(clock)
    limits = limits_of(clock, Purse(100), concurrency=3)
    await ask(clock, limits, server, 12)
    assert (server.most, limits.concurrency, clock.monotonic()) == (3, 3, 4.0)


async def test_the_rate_of_the_group_holds_in_a_trial() -> None:
    clock = ManualClock()
    limits = limits_of(clock, Purse(100), concurrency=50, rate=RateLimit(rps=2, burst=1))
    await ask(clock, limits, Server(clock), 9)
    assert clock.monotonic() == pytest.approx(5.0)  # eight after the first, and an answer


async def test_the_purse_bounds_all_trials_and_repeated_requests_too() -> None:
    clock = ManualClock()
    purse = Purse(10)
    server = Server(clock, refused=[2])
    first, second = limits_of(clock, purse), limits_of(clock, purse)
    assert await ask(clock, first, server, 5) == [None] * 5
    assert (first.sent, first.refused, purse.spent) == (6, 1, 6)
    found = await ask(clock, second, server, 6)
    assert sum(isinstance(each, Spent) for each in found) == 2
    assert (server.asked, purse.left, second.is_spent, first.is_spent) == (10, 0, True, False)


async def test_a_trial_has_its_own_bound_within_the_purse() -> None:
    clock = ManualClock()
    purse = Purse(10)
    limits = limits_of(clock, purse, requests=3)
    found = await ask(clock, limits, Server(clock), 5)
    assert sum(isinstance(each, Spent) for each in found) == 2
    assert purse.left == 7


async def test_what_the_server_lets_through_is_what_it_answers_between_refusals() -> None:
    clock = ManualClock()
    server = Server(clock, refused=[1, 7])
    limits = limits_of(clock, Purse(100), concurrency=1)
    await ask(clock, limits, server, 6)
    # Refused at 1 s, a pause of at least the backoff; then five are answered, and one is refused.
    began, ended = 1.0, clock.monotonic()
    assert limits.refused == 2
    assert limits.sustained_rps is not None
    assert 5 / (ended - began) <= limits.sustained_rps <= 5 / 5.5


async def test_one_burst_of_refusals_tells_no_rate() -> None:
    clock = ManualClock()
    limits = limits_of(clock, Purse(100), concurrency=4)
    await ask(clock, limits, Server(clock, refused=[1, 2]), 4)
    assert limits.refused == 2
    assert limits.sustained_rps is None


async def test_auto_finds_the_number_as_a_run_does() -> None:
    clock = ManualClock()
    server = Server(clock)
    limits = limits_of(clock, Purse(2000), concurrency="auto", requests=2000)
    await ask(clock, limits, server, 400)
    assert limits.trace().is_found
    assert limits.concurrency > 4
    assert server.most > 4


async def test_without_a_number_the_group_decides() -> None:
    clock = ManualClock()
    server = Server(clock)
    limits = limits_of(clock, Purse(100), concurrency=None)
    await ask(clock, limits, server, 20)
    assert (server.most, limits.concurrency) == (20, 1000)
    assert not limits.trace().is_found
    assert limits.describe()["group"] == "shop"
