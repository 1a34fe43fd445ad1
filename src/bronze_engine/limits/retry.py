"""The one retry loop, around one request or one part.

Attempt n that failed is followed by a wait of backoff x 2^(n-1) x uniform(1, 2), at most
8 s. A server that asks for a pause (429, 503 with Retry-After) uses no attempt and never
counts for the breaker: it pauses the whole limit group.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar, final

from bronze_engine.clock import Clock
from bronze_engine.config.api import Retry
from bronze_engine.contracts import Hook
from bronze_engine.errors import CircuitOpen, RetryError
from bronze_engine.limits.adaptive import Outcome
from bronze_engine.limits.breaker import Breaker, Passage
from bronze_engine.limits.bucket import Bucket
from bronze_engine.limits.concurrency import Concurrency
from bronze_engine.limits.daily import DailyQuota
from bronze_engine.limits.pause import Pause
from bronze_engine.limits.throttle import Exhausted, Throttle
from bronze_engine.limits.trace import Trace
from bronze_engine.limits.transient import Transient, asks_for_pause
from bronze_engine.model.concurrency import ConcurrencyTrace
from bronze_engine.model.quota import Quota
from bronze_engine.telemetry.answers import Answers
from bronze_engine.telemetry.events import RequestFinished, RequestRetried
from bronze_engine.telemetry.profile import Laps, working

__all__ = ["MAX_BACKOFF_SECONDS", "Attempts"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BACKOFF_SECONDS: Final = 8.0

_SHORTEST_PAUSE_SECONDS: Final = 1.0
"""Retry-After counts whole seconds. Less than one is no pause, so the ordinary backoff holds;
without it a server that says 0 for ever would be asked for ever."""

_STALE_SECONDS: Final = 0.1
"""A token may be used so long after it was granted."""


@final
class Attempts:
    """The limits of one group for one pipeline: implements `contracts.Limits`.

    All buckets must grant, the pipeline's own first. `timeout_seconds` bounds one attempt as a
    whole; None leaves that to the operation.
    """

    def __init__(
        self,
        *,
        group: str,
        component: str,
        pipeline: str,
        clock: Clock,
        publish: Hook,
        retry: Retry,
        pause: Pause,
        breaker: Breaker,
        concurrency: Concurrency,
        own_buckets: Sequence[Bucket],
        group_buckets: Sequence[Bucket],
        quotas: Sequence[DailyQuota],
        throttle: Throttle,
        trace: Trace,
        described: dict[str, str],
        timeout_seconds: float | None = None,
    ) -> None:
        self._group = group
        self._component = component
        self._pipeline = pipeline
        self._clock = clock
        self._publish = publish
        self._retry = retry
        self._pause = pause
        self._breaker = breaker
        self._concurrency = concurrency
        self._buckets = (*own_buckets, *group_buckets)
        self._group_buckets = tuple(group_buckets)
        self._quotas = tuple(quotas)
        self._throttle = throttle
        self._trace = trace
        self._made_at = clock.monotonic()
        self._described = described
        self._timeout_seconds = timeout_seconds

    def describe(self) -> dict[str, str]:
        return dict(self._described)

    @property
    def concurrency(self) -> int:
        return self._concurrency.limit

    def trace(self) -> ConcurrencyTrace:
        return self._trace.since(self._made_at)

    def told(self, quotas: Sequence[Quota], /) -> None:
        self._throttle.told(quotas)

    async def call(
        self,
        operation: Callable[[], Awaitable[T]],
        /,
        *,
        describe: str,
        may_repeat: bool = True,
    ) -> T:
        """Run one operation until it returns, fails for good, or its attempts are spent.

        A pause that the server asks for is obeyed also without `may_repeat`: what it has
        refused has not been done.

        Raises RetryError, caused by the last Transient; CircuitOpen when the breaker's
        probe failed while this waited; and whatever else `operation` raises, at once.
        Cancelled at any point, no slot, token or role of the breaker's probe stays taken.
        """
        asked_at = self._clock.monotonic()
        attempt = 1
        pauses = 0
        paused_seconds = 0.0
        last: Transient | None = None
        while True:
            try:
                return await self._attempt(operation, describe, asked_at, attempt - 1 + pauses)
            except CircuitOpen as exc:
                raise exc from last
            except Transient as exc:
                if asks_for_pause(exc):
                    pauses += 1
                    seconds = self._pause_seconds(exc, pauses)
                    paused_seconds += seconds
                    if paused_seconds > self._retry.max_wait:
                        raise self._too_long(describe, exc, seconds, paused_seconds) from exc
                    # One line a pause: a burst may be refused by the hundred.
                    is_new = self._pause.extend(seconds)
                    level = logging.WARNING if is_new else logging.DEBUG
                    self._tell_pause(describe, exc, attempt, seconds, level)
                    last = exc.with_traceback(None)
                    if is_new:
                        await self._pause.tell(seconds)
                    continue  # the next attempt begins by waiting for the end of the pause
                if attempt >= self._retry.attempts or (exc.is_sent and not may_repeat):
                    raise self._spent(describe, exc, attempt) from exc
                seconds = self._backoff_seconds(attempt)
                self._tell_retry(describe, exc, attempt, seconds)
                # Its frames would keep this attempt's response alive through the wait.
                last = exc.with_traceback(None)
            await self._clock.sleep(seconds)
            attempt += 1

    async def _attempt(
        self,
        operation: Callable[[], Awaitable[T]],
        describe: str,
        asked_at: float,
        resends: int,
    ) -> T:
        """One attempt: pause -> breaker -> slot -> rate -> pause and breaker again."""
        asked = self._clock.monotonic()
        laps = Laps(is_counted=bool(self._pipeline))  # what a store makes wait is no fetch
        while True:
            await self._pause.wait()
            laps.lap("pause")
            passage = await self._breaker.admit(describe)
            laps.lap("breaker")
            try:
                await self._concurrency.acquire(self._pipeline, asked_at)
                laps.lap("slot")
                try:
                    await self._take_tokens(describe)
                    laps.lap("rate")
                    try:
                        if self._pause.seconds_left <= 0 and passage.start():
                            return await self._observed(
                                operation, passage, describe, asked, resends
                            )
                    finally:
                        self._throttle.answered()
                    _give_back([*self._buckets, *self._quotas])
                finally:
                    self._concurrency.release(self._pipeline)
            finally:
                passage.leave()

    async def _observed(
        self,
        operation: Callable[[], Awaitable[T]],
        passage: Passage,
        describe: str,
        asked: float,
        resends: int,
    ) -> T:
        number = self._concurrency.begin()
        began = self._clock.monotonic()
        outcome: Outcome = "untold"
        answers = Answers()
        error = ""
        try:
            with working("fetch" if self._pipeline else "upload"), answers:
                value = await self._bounded(operation)
        except Transient as exc:
            if exc.counts:
                passage.fail()
            outcome = "refused" if asks_for_pause(exc) else "failed"
            cause = exc.__cause__ or exc.__context__
            error = "" if cause is None else type(cause).__name__
            raise
        else:
            passage.succeed()
            outcome = "succeeded"
            return value
        finally:
            seconds = self._clock.monotonic() - began
            if self._concurrency.observe(number, seconds, outcome):
                self._trace.changed()
            self._publish(
                RequestFinished(
                    group=self._group,
                    component=self._component,
                    pipeline=self._pipeline,
                    operation=describe,
                    outcome=outcome,
                    waited_seconds=began - asked,
                    seconds=seconds,
                    resends=resends,
                    status=answers.status,
                    error=error,
                )
            )

    async def _bounded(self, operation: Callable[[], Awaitable[T]]) -> T:
        if self._timeout_seconds is None:
            return await operation()
        try:
            async with self._clock.timeout(self._timeout_seconds):
                return await operation()
        except TimeoutError:
            raise Transient(f"no whole answer within {self._timeout_seconds:g} s") from None

    async def _take_tokens(self, describe: str) -> None:
        """Take one of each that limits the rate, or none.

        Tokens are taken behind what may keep an attempt waiting with them: used much later, all at
        once, they would be a burst of their own.
        """
        taken: list[Bucket | DailyQuota] = []
        try:
            for quota in self._quotas:
                await self._take_of_day(quota, describe)
                taken.append(quota)
            for bucket in self._buckets:
                await bucket.acquire(self._pipeline)
                taken.append(bucket)
            taken_at = self._clock.monotonic()
            try:
                await self._throttle.acquire(self._retry.max_wait, self._pipeline)
            except Exhausted as exc:
                raise self._exhausted(describe, exc.seconds) from None
        except BaseException:
            _give_back(taken)
            raise
        if self._clock.monotonic() - taken_at > _STALE_SECONDS:
            await self._take_anew()

    async def _take_anew(self) -> None:
        """Take the group's tokens again, of an attempt that its server kept waiting with them.

        The stale ones are lost. The pipeline's own are kept: to wait for those would keep a place
        from the others.
        """
        taken: list[Bucket] = []
        try:
            for bucket in self._group_buckets:
                await bucket.acquire(self._pipeline)
                taken.append(bucket)
        except BaseException:
            self._throttle.answered()
            _give_back([*taken, *self._quotas])
            raise

    async def _take_of_day(self, quota: DailyQuota, describe: str) -> None:
        try:
            await quota.acquire(self._retry.max_wait)
        except Exhausted as exc:
            until = self._clock.now().astimezone(quota.zone) + timedelta(seconds=exc.seconds)
            raise RetryError(
                f"{describe} was not sent: the {quota.limit:,} requests a day of {quota.name} "
                f"(rate_limit.requests_per_day) are used up until {until:%Y-%m-%d %H:%M %Z}, for "
                f"{exc.seconds:.0f} s more; retry.max_wait allows {self._retry.max_wait:.0f} s. "
                "Run again then",
                group=self._group,
                retry_after_seconds=exc.seconds,
            ) from None

    def _exhausted(self, describe: str, seconds: float) -> RetryError:
        return RetryError(
            f"{describe} was not sent: {self._group} says that none of its requests is left for "
            f"{seconds:.0f} s; retry.max_wait allows {self._retry.max_wait:.0f} s. Run again "
            "later, raise retry.max_wait, or set rate_limit.headers.read = false if that header "
            "is not about these requests",
            group=self._group,
            retry_after_seconds=seconds,
        )

    def _backoff_seconds(self, attempt: int) -> float:
        # The exponent is capped too: 2.0 ** 1024 overflows after a day of pauses.
        wait = self._retry.backoff * 2.0 ** min(attempt - 1, 16) * self._clock.uniform(1.0, 2.0)
        return min(MAX_BACKOFF_SECONDS, wait)

    def _pause_seconds(self, exc: Transient, pauses: int) -> float:
        asked = exc.retry_after_seconds
        if asked is not None and asked >= _SHORTEST_PAUSE_SECONDS:
            return asked
        return max(asked or 0.0, self._backoff_seconds(pauses))

    def _tell_pause(
        self, describe: str, exc: Transient, attempt: int, seconds: float, level: int
    ) -> None:
        told = "%s: %s; no request goes to %s for %.2f s"
        logger.log(level, told, describe, exc.reason, self._group, seconds)
        self._publish_retry(exc, attempt, seconds)

    def _tell_retry(self, describe: str, exc: Transient, attempt: int, seconds: float) -> None:
        attempts = self._retry.attempts
        told = "%s: %s; attempt %d of %d, the next in %.2f s"
        logger.warning(told, describe, exc.reason, attempt, attempts, seconds)
        self._publish_retry(exc, attempt, seconds)

    def _publish_retry(self, exc: Transient, attempt: int, seconds: float) -> None:
        self._publish(
            RequestRetried(
                group=self._group,
                pipeline=self._pipeline,
                attempt=attempt,
                wait_seconds=seconds,
                reason=exc.reason,
            )
        )

    def _spent(self, describe: str, exc: Transient, attempts: int) -> RetryError:
        times = "once" if attempts == 1 else f"{attempts} times"
        return RetryError(
            f"{describe} failed {times}, at last with: {exc.reason}. Check that the server is up "
            "and can be reached from here, then run again",
            group=self._group,
            attempts=attempts,
        )

    def _too_long(
        self, describe: str, exc: Transient, seconds: float, paused_seconds: float
    ) -> RetryError:
        asked = "asked for" if exc.retry_after_seconds is not None else "needs"
        return RetryError(
            f"{describe}: the server {asked} a pause of {seconds:.0f} s ({exc.reason}), which "
            f"makes {paused_seconds:.0f} s for this request; retry.max_wait allows "
            f"{self._retry.max_wait:.0f} s. Run again later, lower rate_limit.rps, or raise "
            "retry.max_wait",
            group=self._group,
            retry_after_seconds=seconds,
        )


def _give_back(taken: Sequence[Bucket | DailyQuota]) -> None:
    for each in taken:
        each.give_back()
