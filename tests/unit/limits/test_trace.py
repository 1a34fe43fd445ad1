"""What displays, the log and the run report are told of the number in flight."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bronze_engine.config.api import CircuitBreaker, Retry
from bronze_engine.limits.concurrency import Concurrency
from bronze_engine.limits.registry import LimitGroup, LimitRegistry
from bronze_engine.limits.trace import Trace
from bronze_engine.limits.transient import Transient
from bronze_engine.telemetry.events import ConcurrencyChanged, Event
from bronze_engine.testing import ManualClock

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Tight:
    """Works on so many requests at once; refuses the others."""

    def __init__(self, clock: ManualClock, capacity: int) -> None:
        self.clock = clock
        self.capacity = capacity
        self.busy = 0

    async def __call__(self) -> None:
        if self.busy >= self.capacity:
            await self.clock.sleep(0.01)
            raise Transient("status 429", counts=False)
        self.busy += 1
        try:
            await self.clock.sleep(0.1)
        finally:
            self.busy -= 1


def group_of(clock: ManualClock, events: list[Event], concurrency: int | None = None) -> LimitGroup:
    return LimitRegistry(clock, events.append).group(
        "shop",
        "ApiExtractor",
        rate=None,
        retry=Retry(),
        breaker=CircuitBreaker(),
        concurrency=concurrency or "auto",
    )


async def send(group: LimitGroup, clock: ManualClock, server: Tight, requests: int) -> None:
    limits = group.limits()

    async def all_of_them() -> None:
        await asyncio.gather(*(limits.call(server, describe="x") for _ in range(requests)))

    await clock.drive(all_of_them())


async def test_the_trace_is_what_the_limit_did_with_a_climb_as_one_step() -> None:
    clock = ManualClock()
    group = group_of(clock, [])
    limits = group.limits()
    await send(group, clock, Tight(clock, 20), 500)
    trace = limits.trace()
    assert trace.is_found
    assert trace.limit == group.statistics().limit == 20
    first, second = trace.changes[:2]
    assert (first.reason, second.reason, second.limit) == ("start", "refused", 20)
    assert 20 < first.limit <= 32
    assert 0.3 <= first.seconds <= second.seconds < 1.0


async def test_a_burst_of_refusals_is_one_step_also_where_the_limit_goes_up_in_it() -> None:
    clock = ManualClock()
    concurrency = Concurrency("auto")
    events = list[Event]()
    trace = Trace(concurrency, clock=clock, publish=events.append, group="shop", component="x")
    search = concurrency.search
    assert search is not None
    for at, limit in [(1.0, 93), (1.01, 107), (1.02, 100), (2.0, 90)]:
        await clock.advance(at - clock.monotonic())
        search.limit, search.reason = limit, "refused"
        trace.changed()
    assert [(each.seconds, each.limit) for each in trace.since(0).changes] == [(1.02, 100), (2, 90)]


async def test_a_run_is_told_of_the_changes_since_it_began() -> None:
    clock = ManualClock()
    group = group_of(clock, [])
    await send(group, clock, Tight(clock, 20), 300)
    await clock.advance(1)
    later = group.limits()
    assert later.trace().changes == ()
    assert later.trace().limit == 20


async def test_every_change_is_an_event() -> None:
    clock, events = ManualClock(), list[Event]()
    group = group_of(clock, events)
    await send(group, clock, Tight(clock, 8), 100)
    changes = [each for each in events if isinstance(each, ConcurrencyChanged)]
    assert [each.limit for each in changes[:4]] == [5, 6, 7, 8]
    assert {(each.group, each.component) for each in changes} == {("shop", "ApiExtractor")}
    assert changes[-1].reason == "refused"
    assert changes[-1].limit == group.statistics().limit


async def test_the_log_tells_it_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    group = group_of(clock, [])
    with caplog.at_level(logging.INFO, "bronze_engine.limits.trace"):
        await send(group, clock, Tight(clock, 12), 3000)
    lines = [each.getMessage() for each in caplog.records if each.name.endswith("limits.trace")]
    assert lines[0].startswith("metric=concurrency component=ApiExtractor limit=")
    assert lines[0].endswith("reason=refused")
    assert 2 <= len(lines) <= clock.monotonic() / 10 + 1


async def test_a_number_pins_it() -> None:
    clock, events = ManualClock(), list[Event]()
    group = group_of(clock, events, 30)
    limits = group.limits()
    await send(group, clock, Tight(clock, 20), 100)
    trace = limits.trace()
    assert (trace.limit, trace.is_found, trace.changes) == (30, False, ())
    assert not [each for each in events if isinstance(each, ConcurrencyChanged)]
