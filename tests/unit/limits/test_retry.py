"""What is tried again, how often and when: five attempts, and errors that pass at once."""

from __future__ import annotations

import logging

import pytest

from bronze_engine.config.api import RateLimit, Retry
from bronze_engine.errors import CircuitOpen, RetryError
from bronze_engine.limits.transient import Transient
from bronze_engine.telemetry.answers import answered
from bronze_engine.telemetry.events import RequestFinished, RequestRetried
from tests.unit.limits.limited import Fixture, Server, storm, throttled

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fraction", "instants"),
    [(0.0, [0, 0.5, 1.5, 3.5, 7.5]), (0.5, [0, 0.75, 2.25, 5.25, 11.25]), (1.0, [0, 1, 3, 7, 15])],
)
async def test_a_storm_of_503_is_exactly_five_requests(
    fraction: float, instants: list[float]
) -> None:
    it = Fixture(fractions=(fraction,))
    server = Server(it.clock, storm())
    with pytest.raises(RetryError, match="GET /orders failed 5 times, at last with: 503") as caught:
        await it.clock.drive(it.call(server))
    assert server.at == instants
    assert isinstance(caught.value.__cause__, Transient)
    assert caught.value.context == {"group": "shop", "attempts": 5}
    it.assert_nothing_is_held()


@pytest.mark.asyncio
async def test_no_wait_is_longer_than_eight_seconds() -> None:
    it = Fixture(fractions=(1.0,), retry=Retry(attempts=7), failures=100)
    server = Server(it.clock, storm())
    with pytest.raises(RetryError):
        await it.clock.drive(it.call(server))
    waits = [later - earlier for earlier, later in zip(server.at, server.at[1:], strict=False)]
    assert waits == [1, 2, 4, 8, 8, 8]


@pytest.mark.asyncio
async def test_the_cause_of_the_last_failure_is_kept() -> None:
    it = Fixture(retry=Retry(attempts=1))
    root = ConnectionResetError("reset")

    async def broken() -> str:
        raise Transient("connection reset") from root

    with pytest.raises(RetryError, match="failed once") as caught:
        await it.call(broken)
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__cause__ is root


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [ValueError, TypeError, TimeoutError])
async def test_other_errors_pass_at_once_and_do_not_touch_the_breaker(
    kind: type[Exception],
) -> None:
    it = Fixture(failures=1)
    server = Server(it.clock, [kind("x")])
    with pytest.raises(kind):
        await it.call(server)
    assert server.at == [0]
    assert it.group.statistics().breaker == "closed"
    it.assert_nothing_is_held()


@pytest.mark.asyncio
async def test_an_attempt_tells_its_own_last_status_and_what_broke_it() -> None:
    it = Fixture()

    async def renew() -> str:
        answered(200)
        return "a token"

    async def cut() -> str:
        answered(302)
        answered(200)
        await it.limits.call(renew, describe="POST /token")
        raise Transient("cut off") from EOFError()

    async def late() -> str:
        try:
            raise TimeoutError
        except TimeoutError:
            raise Transient("no answer") from None

    async def missing() -> str:
        answered(404)
        await it.limits.call(renew, describe="POST /token")
        raise ValueError("404")

    script = iter((cut, late, missing))

    async def next_of_script() -> str:
        return await next(script)()

    with pytest.raises(ValueError, match="404"):
        await it.clock.drive(it.call(next_of_script))
    assert [
        (each.operation, each.status, each.error)
        for each in it.events
        if isinstance(each, RequestFinished)
    ] == [
        ("POST /token", 200, ""),
        ("GET /orders", 200, "EOFError"),
        ("GET /orders", None, "TimeoutError"),
        ("POST /token", 200, ""),
        ("GET /orders", 404, ""),
    ]
    answered(500)  # outside of any attempt it is of nobody


@pytest.mark.asyncio
async def test_a_retry_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    it = Fixture()
    limits = it.group.limits()
    server = Server(it.clock, [*storm(1), throttled(2)])
    await it.clock.drive(limits.call(server, describe="GET /orders"))
    assert [each for each in it.events if isinstance(each, RequestRetried)] == [
        RequestRetried(group="shop", attempt=1, wait_seconds=0.5, reason="503 Service Unavailable"),
        RequestRetried(group="shop", attempt=2, wait_seconds=2.0, reason="429 Too Many Requests"),
    ]
    attempts = [each for each in it.events if isinstance(each, RequestFinished)]
    assert [(each.operation, each.outcome, each.waited_seconds) for each in attempts] == [
        ("GET /orders", "failed", 0.0),
        ("GET /orders", "refused", 0.0),
        ("GET /orders", "succeeded", 2.0),
    ]
    assert [each.resends for each in attempts] == [0, 1, 2]
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.WARNING,
            "GET /orders: 503 Service Unavailable; attempt 1 of 5, the next in 0.50 s",
        ),
        (
            logging.WARNING,
            "GET /orders: 429 Too Many Requests; no request goes to shop for 2.00 s",
        ),
    ]


@pytest.mark.asyncio
async def test_no_slot_is_held_during_a_backoff_or_a_pause() -> None:
    it = Fixture(concurrency=1)
    bad, good = Server(it.clock, storm(1)), Server(it.clock)
    tasks = [it.begin(bad), it.begin(good)]
    await it.clock.advance(0.25)
    assert good.at == [0]
    assert it.group.statistics().in_flight == 0
    await it.clock.advance(5)
    assert all(task.done() for task in tasks)


@pytest.mark.asyncio
async def test_all_attempts_spent_is_the_error_even_when_that_opens_the_breaker() -> None:
    it = Fixture(failures=5)
    with pytest.raises(RetryError) as caught:
        await it.clock.drive(it.call(Server(it.clock, storm())))
    assert not isinstance(caught.value, CircuitOpen)
    assert it.group.statistics().breaker == "open"


def test_limits_describe_themselves() -> None:
    it = Fixture(rate=RateLimit(rps=10, burst=20))
    assert it.group.limits(RateLimit(rps=2.5), Retry(attempts=3)).describe() == {
        "group": "shop",
        "rate": "2.5/s, burst 3 and 10/s, burst 20",
        "concurrency": "10",
        "retry": "3 attempts, backoff 0.5 s, pauses up to 300 s",
        "circuit breaker": "opens after 5 failures in a row, for 30 s",
    }
    assert Fixture().limits.describe()["rate"] == "unlimited"


@pytest.mark.asyncio
async def test_what_may_not_be_repeated_is_sent_again_only_if_it_was_refused_or_never_sent() -> (
    None
):
    lost = Transient("no answer")
    it = Fixture()
    server = Server(it.clock, [Transient("refused", is_sent=False), throttled(2.0), lost, None])
    work = it.limits.call(server, describe="put of x", may_repeat=False)
    with pytest.raises(RetryError, match="no answer") as caught:
        await it.clock.drive(work)
    assert caught.value.__cause__ is lost
    assert len(server.at) == 3
    it.assert_nothing_is_held()


@pytest.mark.asyncio
async def test_a_timeout_bounds_each_attempt_by_itself() -> None:
    fixture = Fixture()
    server = Server(fixture.clock)
    server.latency = 3600
    fixture.limits = fixture.group.limits(timeout_seconds=10)
    with pytest.raises(RetryError, match="no whole answer within 10 s") as failed:
        await fixture.clock.drive(fixture.call(server))
    assert server.at == [0.0, 10.5, 21.5, 33.5, 47.5]
    assert isinstance(failed.value.__cause__, Transient)
    assert failed.value.__cause__.is_sent
    fixture.assert_nothing_is_held()
