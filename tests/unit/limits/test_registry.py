from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.config.units import Duration
from bronze_engine.errors import ConfigError
from bronze_engine.limits.registry import LimitGroup, LimitRegistry
from bronze_engine.testing import ManualClock

pytestmark = pytest.mark.unit


def group_of(registry: LimitRegistry, name: str = "shop", **changed: Any) -> LimitGroup:
    settings: dict[str, Any] = {
        "component": "ApiExtractor",
        "rate": RateLimit(rps=2, burst=4),
        "retry": Retry(),
        "breaker": CircuitBreaker(),
        "concurrency": "auto",
    }
    return registry.group(name, **{**settings, **changed})


def registry_of(clock: ManualClock) -> LimitRegistry:
    return LimitRegistry(clock, lambda _event: None)


def test_one_name_is_one_group() -> None:
    registry = registry_of(ManualClock())
    assert group_of(registry) is group_of(registry)
    assert group_of(registry) is not group_of(registry, "crm")


@pytest.mark.parametrize(
    "changed",
    [
        {"rate": RateLimit(rps=3, burst=4)},
        {"rate": None},
        {"retry": Retry(attempts=4)},
        {"breaker": CircuitBreaker(cooldown=Duration(5))},
        {"concurrency": 7},
        {"component": "S3Storage"},
    ],
)
def test_one_name_with_two_settings_is_refused(changed: dict[str, Any]) -> None:
    registry = registry_of(ManualClock())
    group_of(registry)
    with pytest.raises(ConfigError, match="'shop' is configured twice"):
        group_of(registry, **changed)


@pytest.mark.asyncio
async def test_the_pipelines_of_a_group_share_its_tokens() -> None:
    clock = ManualClock()
    registry = registry_of(clock)
    instants: list[float] = []

    async def operation() -> None:
        instants.append(clock.monotonic())

    async def pipeline() -> None:
        limits = group_of(registry).limits()
        for _ in range(4):
            await limits.call(operation, describe="x")

    async def both() -> None:
        await asyncio.gather(pipeline(), pipeline())

    await clock.drive(both())
    assert instants == [0, 0, 0, 0, 0.5, 1, 1.5, 2]


@pytest.mark.asyncio
async def test_the_dates_of_a_pipeline_share_its_own_rate() -> None:
    clock = ManualClock()
    group = group_of(registry_of(clock), rate=None)
    instants: list[float] = []

    async def operation() -> None:
        instants.append(clock.monotonic())

    async def run() -> None:
        limits = group.limits(RateLimit(rps=2, burst=1), pipeline="team.orders")
        for _ in range(2):
            await limits.call(operation, describe="x")

    async def both() -> None:
        await asyncio.gather(run(), run())

    await clock.drive(both())
    assert instants == [0, 0.5, 1, 1.5]


@pytest.mark.asyncio
async def test_statistics_tell_how_each_group_stands() -> None:
    clock = ManualClock()
    registry = registry_of(clock)
    limits = group_of(registry, concurrency=2).limits()
    group_of(registry, "crm", rate=None)

    async def operation() -> None:
        await clock.sleep(10)

    tasks = [asyncio.create_task(limits.call(operation, describe="x")) for _ in range(3)]
    await clock.settle()
    shop, crm = registry.statistics()
    assert (shop.group, shop.tokens, shop.in_flight, shop.limit, shop.waiting) == (
        "shop",
        2.0,
        2,
        2,
        1,
    )
    assert (crm.tokens, crm.in_flight, crm.breaker, crm.paused_seconds) == (None, 0, "closed", 0)
    await clock.advance(20)
    await asyncio.wait(tasks)


@pytest.mark.asyncio
async def test_what_the_attempts_show_moves_the_adaptive_limit() -> None:
    clock = ManualClock()
    group = group_of(registry_of(clock), rate=None)
    limits = group.limits()

    async def operation() -> None:
        await clock.sleep(0.125)

    async def run() -> None:
        await asyncio.gather(*(limits.call(operation, describe="x") for _ in range(100)))

    await clock.drive(run())
    assert group.statistics().limit >= 32


@pytest.mark.asyncio
async def test_attempts_that_end_otherwise_do_not_blind_the_adaptive_limit() -> None:
    clock = ManualClock()
    group = group_of(registry_of(clock), rate=None)
    limits = group.limits()
    lanes = asyncio.Semaphore(20)

    async def broken() -> None:
        raise ValueError

    async def queued() -> None:
        async with lanes:
            await clock.sleep(0.125)

    async def run() -> None:
        with pytest.raises(ValueError):  # noqa: PT011  # the operation's own
            await limits.call(broken, describe="x")
        await asyncio.gather(*(limits.call(queued, describe="x") for _ in range(1500)))

    await clock.drive(run())
    assert 17 <= group.statistics().limit <= 40
