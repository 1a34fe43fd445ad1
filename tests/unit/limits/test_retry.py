from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Limits
from bronze_engine.errors import CircuitOpen, RetryError
from bronze_engine.limits.registry import LimitGroup, LimitRegistry
from bronze_engine.limits.transient import Transient, parse_retry_after
from bronze_engine.telemetry.answers import answered
from bronze_engine.telemetry.events import Event, RequestFinished, RequestRetried
from bronze_engine.testing import ManualClock

pytestmark = pytest.mark.unit

DEFAULT_RETRY = Retry()
NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)


class Server:
    """Answers each request by the next entry of its script, then with "ok"."""

    def __init__(self, clock: ManualClock, script: Sequence[Exception | None] = ()) -> None:
        self.clock = clock
        self.script = list(script)
        self.at: list[float] = []
        self.latency = 0.0

    async def __call__(self) -> str:
        self.at.append(self.clock.monotonic())
        if self.latency:
            await self.clock.sleep(self.latency)
        if self.script:
            answer = self.script.pop(0)
            if answer is not None:
                raise answer
        return "ok"


class Fixture:
    """A limit group on a manual clock, and what it told."""

    def __init__(
        self,
        *,
        fractions: Sequence[float] = (0.0,),
        rate: RateLimit | None = None,
        retry: Retry = DEFAULT_RETRY,
        failures: int = 5,
        cooldown: float = 30,
        concurrency: int = 10,
    ) -> None:
        self.clock = ManualClock(start=NOW, fractions=fractions)
        self.events: list[Event] = []
        self.group: LimitGroup = LimitRegistry(self.clock, self.events.append).group(
            "shop",
            "ApiExtractor",
            rate=rate,
            retry=retry,
            breaker=CircuitBreaker(failures=failures, cooldown=Duration(cooldown)),
            concurrency=concurrency,
        )
        self.limits: Limits = self.group.limits()

    async def call(self, operation: Callable[[], Awaitable[str]]) -> str:
        return await self.limits.call(operation, describe="GET /orders")

    def begin(self, operation: Callable[[], Awaitable[str]]) -> asyncio.Task[str]:
        return asyncio.create_task(self.call(operation))

    def assert_nothing_is_held(self) -> None:
        assert self.group.statistics().in_flight == 0
        assert self.group.statistics().waiting == 0
        assert self.clock.waiting == ()


def storm(count: int = 100) -> list[Exception | None]:
    return [Transient("503 Service Unavailable") for _ in range(count)]


def throttled(seconds: float | None = None) -> Transient:
    return Transient("429 Too Many Requests", counts=False, retry_after_seconds=seconds)


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
async def test_a_pause_that_the_server_asked_for_uses_no_attempt_and_never_counts() -> None:
    it = Fixture(failures=1)
    server = Server(it.clock, [throttled(2) for _ in range(20)])
    assert await it.clock.drive(it.call(server)) == "ok"
    assert server.at == [2.0 * n for n in range(21)]
    assert it.group.statistics().breaker == "closed"


@pytest.mark.asyncio
async def test_a_503_with_retry_after_is_a_pause_whatever_it_says_of_counting() -> None:
    it = Fixture(failures=1)
    server = Server(it.clock, [Transient("503", counts=True, retry_after_seconds=7)] * 2)
    assert await it.clock.drive(it.call(server)) == "ok"
    assert server.at == [0, 7, 14]
    assert it.group.statistics().breaker == "closed"


@pytest.mark.asyncio
async def test_a_page_that_is_tried_again_comes_before_those_that_asked_after_it() -> None:
    it = Fixture(concurrency=1)
    sent: list[int] = []

    async def ask(page: int) -> None:
        sent.append(page)
        await it.clock.sleep(1)
        if sent.count(1) == 1 and page == 1:
            raise Transient("503 Service Unavailable")

    async def read(page: int) -> None:
        await it.limits.call(lambda: ask(page), describe=f"page {page}")

    async def all_pages() -> None:
        async with anyio.create_task_group() as tasks:
            for page in range(1, 6):
                tasks.start_soon(read, page)
                await it.clock.sleep(0.01)

    await it.clock.drive(all_pages())
    assert sent == [1, 2, 1, 3, 4, 5]


@pytest.mark.asyncio
async def test_a_pause_holds_for_the_whole_group() -> None:
    it = Fixture()
    first, second = Server(it.clock, [throttled(10)]), Server(it.clock)
    tasks = [it.begin(first)]
    await it.clock.advance(3)
    assert it.group.statistics().paused_seconds == 7
    tasks.append(it.begin(second))
    await it.clock.advance(7)
    assert [task.result() for task in tasks] == ["ok", "ok"]
    assert (first.at, second.at) == ([0, 10], [10])


@pytest.mark.asyncio
async def test_a_burst_that_is_refused_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    it = Fixture()
    server = Server(it.clock, [throttled(5.0)] * 8)
    server.latency = 0.125

    async def all_of_them() -> None:
        await asyncio.gather(*(it.call(server) for _ in range(8)))

    with caplog.at_level(logging.WARNING):
        await it.clock.drive(all_of_them())
    assert [each.getMessage() for each in caplog.records] == [
        "GET /orders: 429 Too Many Requests; no request goes to shop for 5.00 s"
    ]
    assert len([each for each in it.events if isinstance(each, RequestRetried)]) == 8


@pytest.mark.asyncio
async def test_a_pause_that_begins_while_waiting_for_a_token_costs_none() -> None:
    it = Fixture(rate=RateLimit(rps=1, burst=2))
    first, second, third = Server(it.clock, [throttled(10)]), Server(it.clock), Server(it.clock)
    first.latency = 0.5
    tasks = [it.begin(server) for server in (first, second, third)]
    await it.clock.advance(20)
    assert all(task.done() for task in tasks)
    # `third` had its token at 1, while the pause until 10.5 was running, and gave it back.
    assert sorted([*first.at, *second.at, *third.at]) == [0, 0, 10.5, 10.5]
    it.assert_nothing_is_held()


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
async def test_a_429_that_says_nothing_of_use_follows_the_backoff_without_using_attempts() -> None:
    it = Fixture(retry=Retry(attempts=2, max_wait=Duration(300)))
    server = Server(it.clock, [throttled() for _ in range(7)])
    assert await it.clock.drive(it.call(server)) == "ok"
    assert server.at == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 23.5, 31.5]


@pytest.mark.asyncio
async def test_a_retry_after_of_zero_is_no_leave_to_hammer() -> None:
    it = Fixture(retry=Retry(max_wait=Duration(20)))
    server = Server(it.clock, [throttled(0.0) for _ in range(100)])
    with pytest.raises(RetryError, match=r"max_wait allows 20 s"):
        await it.clock.drive(it.call(server))
    assert server.at == [0, 0.5, 1.5, 3.5, 7.5, 15.5]


@pytest.mark.asyncio
async def test_a_pause_above_max_wait_is_an_error_at_once_that_says_how_long() -> None:
    it = Fixture()
    server = Server(it.clock, [throttled(3600)])
    with pytest.raises(RetryError, match=r"asked for a pause of 3600 s .*allows 300 s") as caught:
        await it.call(server)
    assert caught.value.context["retry_after_seconds"] == 3600
    assert server.at == [0]
    assert it.group.statistics().paused_seconds == 0


@pytest.mark.asyncio
async def test_pauses_add_up_to_max_wait_for_one_operation() -> None:
    it = Fixture(retry=Retry(max_wait=Duration(25)))
    server = Server(it.clock, [throttled(10) for _ in range(9)])
    with pytest.raises(RetryError, match="makes 30 s"):
        await it.clock.drive(it.call(server))
    assert server.at == [0, 10, 20]


@pytest.mark.asyncio
async def test_all_attempts_spent_is_the_error_even_when_that_opens_the_breaker() -> None:
    it = Fixture(failures=5)
    with pytest.raises(RetryError) as caught:
        await it.clock.drive(it.call(Server(it.clock, storm())))
    assert not isinstance(caught.value, CircuitOpen)
    assert it.group.statistics().breaker == "open"


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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("1.5", 1.5),
        ("Wed, 15 Jan 2025 12:00:07 GMT", 7.0),
        ("Wednesday, 15-Jan-25 12:00:07 GMT", 7.0),
        ("Wed Jan 15 12:00:07 2025", 7.0),
        ("Wed, 15 Jan 2025 14:00:07 +0200", 7.0),
        ("Wed, 15 Jan 2025 11:00:00 GMT", 0.0),
        ("2025-01-15T12:00:07Z", 7.0),
        ("2025-01-15T14:00:07+02:00", 7.0),
        (f"{NOW.timestamp() + 7:.0f}", 7.0),
        (f"{NOW.timestamp() * 1000 + 7500:.0f}", 7.5),
        (f"{NOW.timestamp() - 60:.0f}", 0.0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_an_instant(text: str, seconds: float) -> None:
    assert parse_retry_after(text, NOW) == seconds


@pytest.mark.parametrize(
    "text", ["Wed, 15 Jan 2025 14:00:07 GMT", f"{NOW.timestamp() + 7207:.0f}", "7"]
)
def test_the_instant_of_a_retry_after_is_by_the_clock_of_its_server(text: str) -> None:
    two_hours_ahead = "Wed, 15 Jan 2025 14:00:00 GMT"
    assert parse_retry_after(text, NOW, two_hours_ahead) == 7.0


@pytest.mark.parametrize(
    "text",
    [None, "", "soon", "-5", "1e9", "٣", "inf", "nan", "0x10", "Wed, 99 Jan 2025 12:00:07 GMT"],
)
def test_a_retry_after_that_makes_no_sense_is_none(text: str | None) -> None:
    assert parse_retry_after(text, NOW) is None


@given(text=st.text(max_size=40))
def test_no_retry_after_raises(text: str) -> None:
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or 0 <= seconds <= timedelta.max.total_seconds()


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
