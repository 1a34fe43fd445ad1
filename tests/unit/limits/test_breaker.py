from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.api import CircuitBreaker
from bronze_engine.config.units import Duration
from bronze_engine.errors import CircuitOpen
from bronze_engine.limits.breaker import Breaker, Passage
from bronze_engine.telemetry.events import BreakerChanged, Event
from bronze_engine.testing import ManualClock

pytestmark = pytest.mark.unit


class Fixture:
    """A breaker, its clock, and what it told."""

    def __init__(self, failures: int = 3, cooldown: float = 30) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        self.breaker = Breaker(
            CircuitBreaker(failures=failures, cooldown=Duration(cooldown)),
            clock=self.clock,
            publish=self.events.append,
            name="shop",
            component="ApiExtractor",
        )

    @property
    def state(self) -> str:
        return self.breaker.state

    async def started(self) -> Passage:
        passage = await self.breaker.admit("GET /orders")
        assert passage.start()
        return passage

    async def fail(self) -> None:
        passage = await self.started()
        passage.fail()
        passage.leave()
        await self.clock.advance(0.5)

    async def succeed(self) -> None:
        passage = await self.started()
        passage.succeed()
        passage.leave()

    async def open(self) -> None:
        """Opened at this instant."""
        for _ in range(2):
            await self.fail()
        passage = await self.started()
        passage.fail()
        passage.leave()
        assert self.state == "open"

    def ask(self) -> asyncio.Task[Passage]:
        return asyncio.create_task(self.breaker.admit("GET /orders"))


@pytest.mark.asyncio
async def test_opens_after_so_many_failures_in_a_row() -> None:
    it = Fixture()
    await it.fail()
    await it.fail()
    assert it.state == "closed"
    await it.fail()
    assert it.state == "open"


@pytest.mark.asyncio
async def test_a_success_begins_the_count_anew() -> None:
    it = Fixture()
    await it.fail()
    await it.fail()
    await it.succeed()
    await it.fail()
    await it.fail()
    assert it.state == "closed"
    await it.fail()
    assert it.state == "open"


@pytest.mark.asyncio
async def test_failures_of_attempts_from_before_the_last_success_do_not_count() -> None:
    it = Fixture()
    early = [await it.started() for _ in range(5)]
    await it.succeed()
    for passage in early:
        passage.fail()
        await it.clock.advance(1)
    assert it.state == "closed"


@pytest.mark.asyncio
async def test_an_attempt_that_starts_at_the_instant_of_the_success_counts() -> None:
    it = Fixture(failures=1)
    await it.succeed()
    await it.fail()
    assert it.state == "open"


@pytest.mark.asyncio
async def test_at_most_one_failure_in_100_ms_counts() -> None:
    it = Fixture()
    flight = [await it.started() for _ in range(50)]
    for passage in flight:
        passage.fail()
    await it.clock.advance(0.0625)
    (await it.started()).fail()
    assert it.state == "closed"
    for _ in range(2):
        await it.clock.advance(0.125)
        (await it.started()).fail()
    assert it.state == "open"


@pytest.mark.asyncio
async def test_a_request_at_an_open_breaker_waits_for_the_cooldown_and_is_the_probe() -> None:
    it = Fixture()
    await it.open()
    await it.clock.advance(10)
    asked = it.ask()
    await it.clock.advance(19.875)
    assert not asked.done()
    await it.clock.advance(0.125)
    assert it.state == "half-open"
    probe = asked.result()
    assert probe.start()
    probe.succeed()
    assert it.state == "closed"


@pytest.mark.asyncio
async def test_only_one_request_is_sent_half_open_and_its_success_frees_the_others() -> None:
    it = Fixture()
    await it.open()
    asked = [it.ask() for _ in range(5)]
    await it.clock.advance(30)
    assert [task.done() for task in asked] == [True, False, False, False, False]
    probe = asked[0].result()
    assert probe.start()
    await it.clock.advance(5)
    assert not any(task.done() for task in asked[1:])
    probe.succeed()
    probe.leave()
    await it.clock.settle()
    assert all(task.result().start() for task in asked[1:])


@pytest.mark.asyncio
async def test_a_failed_probe_fails_the_waiters_and_nothing_is_sent_until_half_open() -> None:
    it = Fixture()
    await it.open()
    asked = [it.ask() for _ in range(3)]
    await it.clock.advance(30)
    probe = asked[0].result()
    probe.start()
    await it.clock.advance(1)
    probe.fail()
    probe.leave()
    await it.clock.settle()
    for task in asked[1:]:
        with pytest.raises(CircuitOpen, match=r"GET /orders was not sent.*shop.*again in 30 s"):
            task.result()
    late = it.ask()
    await it.clock.advance(29.875)
    assert not late.done()
    await it.clock.advance(0.125)
    assert late.result().start()


async def probed(it: Fixture) -> Passage:
    """The probe of the next half-open."""
    await it.clock.advance(30)
    return await it.started()


@pytest.mark.asyncio
async def test_after_four_failed_probes_nobody_waits_for_the_next_and_one_may_still_be_it() -> None:
    it = Fixture()
    await it.open()
    since = f"{it.clock.now():%Y-%m-%d %H:%M:%S}"
    for number in range(4):
        asked = it.ask()
        await it.clock.settle()
        assert not asked.done(), number  # a server that comes back meanwhile is waited for
        await it.clock.advance(30)
        probe = asked.result()
        assert probe.start()
        probe.fail()
        probe.leave()
    await it.clock.advance(10)
    with pytest.raises(CircuitOpen) as refused:
        await it.breaker.admit("GET /orders")
    assert refused.value.message == (
        f"GET /orders was not sent: the circuit breaker of shop is open since {since} UTC, after 3 "
        "failures in a row, and 4 probes in a row have failed. Check that the server is up; it "
        "may be tried again in 20 s"
    )
    await it.clock.advance(20)
    probe = await it.started()
    with pytest.raises(CircuitOpen, match="the probe has not come back"):
        await asyncio.gather(it.breaker.admit("GET /orders"), it.clock.advance(30))
    probe.succeed()
    assert it.state == "closed"


@pytest.mark.asyncio
async def test_a_success_begins_the_count_of_failed_probes_anew() -> None:
    it = Fixture()
    await it.open()
    for _ in range(3):
        probe = await probed(it)
        probe.fail()
        probe.leave()
    (await probed(it)).succeed()
    await it.clock.advance(1)
    await it.open()
    probe = await probed(it)
    probe.fail()
    probe.leave()
    asked = it.ask()
    await it.clock.advance(30)
    assert asked.result().start()


@pytest.mark.asyncio
async def test_a_waiter_whose_probe_does_not_come_back_fails_after_the_cooldown() -> None:
    it = Fixture()
    await it.open()
    asked = [it.ask() for _ in range(2)]
    await it.clock.advance(30)
    asked[0].result().start()
    await it.clock.advance(29.875)
    assert not asked[1].done()
    await it.clock.advance(0.125)
    with pytest.raises(CircuitOpen, match="has not come back"):
        asked[1].result()


@pytest.mark.asyncio
async def test_a_probe_that_found_out_nothing_hands_its_role_on() -> None:
    it = Fixture()
    await it.open()
    asked = [it.ask() for _ in range(3)]
    await it.clock.advance(30)
    asked[0].result().leave()
    await it.clock.settle()
    assert [task.done() for task in asked] == [True, True, False]
    assert asked[1].result().start()
    asked[2].cancel()


@pytest.mark.asyncio
async def test_a_cancelled_waiter_holds_no_role() -> None:
    it = Fixture()
    await it.open()
    first, second = it.ask(), it.ask()
    await it.clock.advance(10)
    first.cancel()
    await it.clock.advance(20)
    assert second.result().start()
    third = it.ask()
    await it.clock.settle()
    third.cancel()
    await it.clock.settle()
    second.result().succeed()
    assert it.state == "closed"
    assert it.clock.waiting == ()


@pytest.mark.asyncio
async def test_leave_to_send_given_before_the_breaker_opened_is_void() -> None:
    it = Fixture()
    early = await it.breaker.admit("GET /orders")
    await it.open()
    assert not early.start()
    early.leave()


@pytest.mark.asyncio
async def test_results_of_attempts_from_before_the_opening_do_not_change_an_open_breaker() -> None:
    it = Fixture()
    early = [await it.started() for _ in range(2)]
    await it.open()
    early[0].succeed()
    assert it.state == "open"
    await it.clock.advance(15)
    early[1].fail()
    asked = it.ask()
    await it.clock.advance(15)
    assert asked.result().start()


@pytest.mark.asyncio
async def test_every_change_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    it = Fixture()
    await it.open()
    await it.clock.advance(30)
    await it.succeed()
    states = ["open", "half-open", "closed"]
    assert it.events == [BreakerChanged(component="ApiExtractor", state=s) for s in states]
    assert [record.getMessage() for record in caplog.records] == [
        f"metric=breaker_state component=ApiExtractor state={state}" for state in states
    ]


Step = st.sampled_from(["ask", "ok", "fail", "leave", "cancel", "tick", "cooldown"])


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(st.tuples(Step, st.integers(0, 9)), max_size=40))
def test_whatever_happens_one_probe_at_most_and_nobody_is_forgotten(
    steps: list[tuple[str, int]],
) -> None:
    async def scenario() -> None:
        it = Fixture(failures=2, cooldown=8)
        waiting: list[asyncio.Task[Passage]] = []
        flying: list[Passage] = []
        since_opening = 0

        async def sort() -> None:
            nonlocal since_opening
            await it.clock.settle()
            for task in [task for task in waiting if task.done()]:
                waiting.remove(task)
                if task.cancelled() or task.exception() is not None:
                    continue
                passage = task.result()
                if passage.start():
                    flying.append(passage)
                    since_opening += 1
            if it.state == "open":
                since_opening = 0
            elif it.state == "half-open":
                assert since_opening <= 1

        for step, number in steps:
            if step == "ask":
                waiting.append(it.ask())
            elif step == "tick":
                await it.clock.advance(0.125 * (number + 1))
            elif step == "cooldown":
                await it.clock.advance(8)
            elif step == "cancel" and waiting:
                waiting[number % len(waiting)].cancel()
            elif flying and step in ("ok", "fail", "leave"):
                passage = flying.pop(number % len(flying))
                if step == "ok":
                    passage.succeed()
                elif step == "fail":
                    passage.fail()
                if step == "leave" or number % 2:
                    since_opening -= 1 if it.state == "half-open" else 0
                passage.leave()
            await sort()
        for passage in flying:
            passage.leave()
        for _ in range(len(waiting) + 1):
            await it.clock.advance(16)
            for task in [task for task in waiting if task.done()]:
                waiting.remove(task)
                if not task.cancelled() and task.exception() is None:
                    task.result().leave()
        assert waiting == []
        assert it.clock.waiting == ()

    asyncio.run(scenario())
