"""What an attempt takes on its way, probes, tokens and slots, it gives back however it ends."""

from __future__ import annotations

import asyncio

import pytest

from bronze_engine.config.api import RateLimit, Retry
from bronze_engine.contracts import Limits
from bronze_engine.errors import CircuitOpen, RetryError
from bronze_engine.limits.transient import Transient
from tests.unit.limits.limited import Fixture, Server, storm, throttled

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
async def test_the_probe_is_one_request_and_the_others_fail_with_their_own_reason() -> None:
    it = Fixture(failures=3, fractions=(0.0,))
    servers = [Server(it.clock, storm()) for _ in range(4)]
    tasks = [it.begin(server) for server in servers]
    await it.clock.advance(1.75)  # failures at 0, 0.5 and 1.5: open until 31.5
    assert it.group.statistics().breaker == "open"
    sent = [len(server.at) for server in servers]
    await it.clock.advance(29.5)
    assert [len(server.at) for server in servers] == sent
    await it.clock.advance(0.5)
    assert sum(len(server.at) for server in servers) == sum(sent) + 1
    errors = [task.exception() for task in tasks if task.done()]
    assert len(errors) == 3
    for error in errors:
        assert isinstance(error, CircuitOpen)
        assert isinstance(error.__cause__, Transient)
    await it.clock.advance(100)
    assert all(task.done() for task in tasks)
    it.assert_nothing_is_held()


@pytest.mark.asyncio
async def test_an_attempt_that_meets_the_open_breaker_after_its_token_gives_it_back() -> None:
    it = Fixture(failures=1, rate=RateLimit(rps=1, burst=1), retry=Retry(attempts=1))
    bad, good = Server(it.clock, storm(1)), Server(it.clock)
    bad.latency = 0.5
    tasks = [it.begin(bad), it.begin(good)]
    await it.clock.advance(1.25)
    assert isinstance(tasks[0].exception(), RetryError)
    assert good.at == []
    assert it.group.statistics().tokens == 1
    assert it.group.statistics().in_flight == 0
    await it.clock.advance(29.75)
    assert good.at == [30.5]


@pytest.mark.asyncio
async def test_a_probe_that_is_told_to_pause_hands_its_role_on() -> None:
    it = Fixture(failures=1, retry=Retry(attempts=1), cooldown=4)
    with pytest.raises(RetryError):
        await it.call(Server(it.clock, storm(1)))
    first, second = Server(it.clock, [throttled(20)]), Server(it.clock)
    tasks = [it.begin(first), it.begin(second)]
    await it.clock.advance(30)
    assert [task.result() for task in tasks] == ["ok", "ok"]
    assert first.at[0] == 4
    assert min(first.at[1], second.at[0]) == 24
    it.assert_nothing_is_held()


@pytest.mark.asyncio
async def test_a_probe_that_ends_in_another_error_hands_its_role_on() -> None:
    it = Fixture(failures=1, retry=Retry(attempts=1), cooldown=4)
    with pytest.raises(RetryError):
        await it.call(Server(it.clock, storm(1)))
    tasks = [it.begin(Server(it.clock, [ValueError("404")])), it.begin(Server(it.clock))]
    await it.clock.advance(5)
    assert isinstance(tasks[0].exception(), ValueError)
    assert tasks[1].result() == "ok"
    assert it.group.statistics().breaker == "closed"


@pytest.mark.asyncio
async def test_both_buckets_must_grant() -> None:
    it = Fixture(rate=RateLimit(rps=4, burst=1))
    slow = it.group.limits(extra_rate=RateLimit(rps=1, burst=1))
    instants: dict[str, list[float]] = {"slow": [], "fast": []}

    async def run(name: str, limits: Limits, count: int) -> None:
        async def operation() -> None:
            instants[name].append(it.clock.monotonic())

        for _ in range(count):
            await limits.call(operation, describe=name)

    async def both() -> None:
        await asyncio.gather(run("slow", slow, 3), run("fast", it.limits, 9))

    await it.clock.drive(both())
    assert all(b - a >= 1 for a, b in zip(instants["slow"], instants["slow"][1:], strict=False))
    merged = sorted(instants["slow"] + instants["fast"])
    assert merged == [0.25 * n for n in range(12)]  # no shared token was lost meanwhile


@pytest.mark.asyncio
async def test_cancelled_between_two_buckets_gives_the_first_token_back() -> None:
    it = Fixture(rate=RateLimit(rps=1, burst=1))
    slow = it.group.limits(extra_rate=RateLimit(rps=0.125, burst=1))
    await it.call(Server(it.clock))
    doomed = asyncio.create_task(slow.call(Server(it.clock), describe="doomed"))
    await it.clock.advance(0.5)
    doomed.cancel()
    server = Server(it.clock)
    await it.clock.drive(slow.call(server, describe="heir"))
    assert server.at == [1]


@pytest.mark.asyncio
async def test_cancelled_at_any_instant_nothing_leaks() -> None:
    # Every place where an attempt can wait: the pipeline's bucket, the shared bucket, the slot,
    # the request, the backoff, the pause, the open breaker, the probe.
    for at in range(0, 60 * 4, 3):
        it = Fixture(
            rate=RateLimit(rps=2, burst=1),
            concurrency=2,
            failures=3,
            cooldown=10,
            fractions=(0.25, 0.75),
        )
        limits = it.group.limits(extra_rate=RateLimit(rps=1, burst=1))
        tasks: list[asyncio.Task[str]] = []
        for number in range(6):
            server = Server(it.clock, [*storm(3), throttled(3), *storm(number)])
            server.latency = 0.375
            tasks.append(asyncio.create_task(limits.call(server, describe=f"{number}")))
        await it.clock.advance(at / 4)
        for task in tasks[::2]:
            task.cancel()
        await it.clock.settle()
        assert all(task.done() for task in tasks[::2])
        await it.clock.advance(1)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()
        it.assert_nothing_is_held()
        await it.clock.advance(40)
        assert it.group.statistics().tokens == 1
        assert await it.clock.drive(it.call(Server(it.clock))) == "ok"
