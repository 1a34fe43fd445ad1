from __future__ import annotations

import asyncio

import pytest

from bronze_engine.config.api import RateLimit
from bronze_engine.limits.bucket import buckets_of
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def instants_of(clock: ManualClock, limit: RateLimit, requests: int) -> list[float]:
    """When so many requests, asked for at once, are let through by all buckets."""
    buckets = buckets_of(limit, clock=clock, component="ApiExtractor")
    instants: list[float] = []

    async def ask() -> None:
        for bucket in buckets:
            await bucket.acquire()
        instants.append(clock.monotonic())

    async def all_of_them() -> None:
        await asyncio.gather(*(ask() for _ in range(requests)))

    await clock.drive(all_of_them())
    return instants


async def test_no_sixty_seconds_hold_more_than_a_minute_s_requests() -> None:
    clock = ManualClock()
    instants = await instants_of(clock, RateLimit(requests_per_minute=5), 17)
    assert instants == [0] * 5 + [60] * 5 + [120] * 5 + [180] * 2


async def test_a_minute_s_requests_come_back_when_they_are_sixty_seconds_old() -> None:
    clock = ManualClock()
    (bucket,) = buckets_of(RateLimit(requests_per_minute=3), clock=clock, component="x")
    for at in (0.0, 10.0, 20.0):
        await clock.advance(at - clock.monotonic())
        await bucket.acquire()
    assert bucket.tokens == 0
    await clock.drive(bucket.acquire())
    assert clock.monotonic() == 60
    await clock.drive(bucket.acquire())
    assert clock.monotonic() == 70


async def test_all_of_them_must_grant() -> None:
    clock = ManualClock()
    limit = RateLimit(rps=1, burst=1, requests_per_minute=3)
    assert await instants_of(clock, limit, 5) == [0, 1, 2, 60, 61]


async def test_a_request_given_back_may_be_sent_by_another() -> None:
    clock = ManualClock()
    (bucket,) = buckets_of(RateLimit(requests_per_minute=1), clock=clock, component="x")
    await bucket.acquire()
    heir = asyncio.create_task(bucket.acquire())
    await clock.settle()
    assert not heir.done()
    bucket.give_back()
    await clock.settle()
    assert heir.done()
    assert clock.monotonic() == 0
