"""Quotas of requests a day: in blocks, over processes, until midnight of their zone."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Limits
from bronze_engine.errors import RetryError
from bronze_engine.limits.daily import DailyQuota, ProcessLedger
from bronze_engine.limits.registry import LimitGroup, LimitRegistry
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

EVENING = datetime(2025, 1, 15, 22, 30, tzinfo=UTC)


class CountingLedger:
    """A ledger that keeps what was asked of it."""

    def __init__(self) -> None:
        self.inner = ProcessLedger()
        self.asked: list[tuple[str, date, int]] = []
        self.returned: list[int] = []

    async def take(self, name: str, day: date, limit: int, count: int) -> int:
        self.asked.append((name, day, count))
        return await self.inner.take(name, day, limit, count)

    async def give_back(self, name: str, day: date, count: int) -> None:
        self.returned.append(count)
        await self.inner.give_back(name, day, count)


def group_of(
    clock: ManualClock, rate: RateLimit, ledger: CountingLedger, *, max_wait: float = 300
) -> LimitGroup:
    return LimitRegistry(clock, lambda _event: None, ledger).group(
        "shop",
        "ApiExtractor",
        rate=rate,
        retry=Retry(max_wait=Duration(max_wait)),
        breaker=CircuitBreaker(),
        concurrency=10,
    )


async def ask(limits: Limits, count: int) -> int:
    """Send so many; how many were sent."""
    sent = 0

    async def request() -> None:
        nonlocal sent
        sent += 1

    async def one() -> None:
        await limits.call(request, describe="GET /orders")

    await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
    return sent


async def test_requests_are_taken_from_the_ledger_in_blocks_and_the_rest_is_given_back() -> None:
    clock, ledger = ManualClock(start=EVENING), CountingLedger()
    group = group_of(clock, RateLimit(requests_per_day=1000), ledger)
    assert await ask(group.limits(), 25) == 25
    assert ledger.asked == [("api/shop", date(2025, 1, 15), 10)] * 3
    await group.aclose()
    assert ledger.returned == [5]


async def test_several_processes_never_send_more_than_the_quota() -> None:
    clock, ledger = ManualClock(start=EVENING), CountingLedger()
    groups = [group_of(clock, RateLimit(requests_per_day=30), ledger) for _ in range(4)]
    sent = await asyncio.gather(*(ask(group.limits(), 20) for group in groups))
    assert sum(sent) == 30


async def test_a_used_up_quota_is_an_error_that_says_when_it_begins_anew() -> None:
    clock, ledger = ManualClock(start=EVENING), CountingLedger()
    limits = group_of(clock, RateLimit(requests_per_day=2), ledger).limits()
    assert await ask(limits, 2) == 2

    async def never() -> None:
        raise AssertionError("it was sent")

    with pytest.raises(RetryError) as caught:
        await limits.call(never, describe="GET /orders")
    assert caught.value.code == "RETRY001"
    assert "GET /orders was not sent: the 2 requests a day of api/shop" in str(caught.value)
    assert "used up until 2025-01-16 00:00 UTC, for 5400 s more" in str(caught.value)


async def test_the_day_begins_at_midnight_of_the_zone() -> None:
    clock, ledger = ManualClock(start=EVENING), CountingLedger()
    rate = RateLimit(requests_per_day=2, timezone="Europe/Berlin")  # 23:30 there
    limits = group_of(clock, rate, ledger, max_wait=1800).limits()
    sent = await clock.drive(ask(limits, 3))
    assert sent == 3
    assert clock.monotonic() == 1800
    assert [day for _, day, _ in ledger.asked][-1] == date(2025, 1, 16)


async def test_what_is_left_of_a_block_is_not_carried_into_the_next_day() -> None:
    clock, ledger = ManualClock(start=EVENING), CountingLedger()
    limits = group_of(clock, RateLimit(requests_per_day=1000), ledger).limits()
    await ask(limits, 1)
    await clock.advance(2 * 3600)
    await ask(limits, 1)
    assert [day for _, day, _ in ledger.asked] == [date(2025, 1, 15), date(2025, 1, 16)]


async def test_a_pipeline_may_have_a_quota_of_its_own() -> None:
    clock, ledger = ManualClock(start=EVENING), CountingLedger()
    group = group_of(clock, RateLimit(requests_per_day=100), ledger)
    own = group.limits(RateLimit(requests_per_day=2), pipeline="team.orders")
    assert await ask(own, 5) == 2
    assert await ask(group.limits(), 5) == 5
    assert {name for name, _, _ in ledger.asked} == {"api/shop", "pipeline/team.orders"}
    assert own.describe()["rate"] == "2 a day (UTC) and 100 a day (UTC)"


async def test_one_that_is_not_sent_is_given_back() -> None:
    clock, ledger = ManualClock(start=EVENING), CountingLedger()
    quota = DailyQuota("api/x", 1, ZoneInfo("UTC"), ledger=ledger, clock=clock)
    await quota.acquire(0)
    quota.give_back()
    await quota.acquire(0)
    assert len(ledger.asked) == 1


async def test_a_slow_ledger_makes_no_burst_of_what_waited_for_it() -> None:
    clock = ManualClock()

    class Slow(CountingLedger):
        async def take(self, name: str, day: date, limit: int, count: int) -> int:
            await clock.sleep(2)
            return await super().take(name, day, limit, count)

    sent: list[float] = []

    async def request() -> None:
        sent.append(clock.monotonic())

    rate = RateLimit(rps=2, burst=2, requests_per_day=1000)
    limits = group_of(clock, rate, Slow()).limits()

    async def all_of_them() -> None:
        await asyncio.gather(*(limits.call(request, describe="GET /orders") for _ in range(10)))

    await clock.drive(all_of_them())
    assert sent == pytest.approx([2, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6])
