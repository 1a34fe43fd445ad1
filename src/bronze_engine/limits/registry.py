"""The limit groups of one engine: what the pipelines of one API or store share."""

from __future__ import annotations

from typing import Literal, final

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.contracts import Hook, Limits
from bronze_engine.errors import ConfigError
from bronze_engine.limits.adaptive import MAX_LIMIT
from bronze_engine.limits.breaker import Breaker, BreakerState
from bronze_engine.limits.bucket import Bucket, TokenBucket
from bronze_engine.limits.concurrency import Concurrency
from bronze_engine.limits.pause import Pause
from bronze_engine.limits.retry import Attempts

__all__ = ["GroupStatistics", "LimitGroup", "LimitRegistry"]


class GroupStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One limit group at one instant, for displays."""

    group: str
    component: str
    tokens: float | None
    """Tokens that could be taken now; None without a rate."""
    in_flight: int
    limit: int
    waiting: int
    """Attempts that wait for a slot."""
    breaker: BreakerState
    paused_seconds: float
    """What is left of a pause that the server asked for."""


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    rate: RateLimit | None
    retry: Retry
    breaker: CircuitBreaker
    concurrency: int | Literal["auto"]


@final
class LimitGroup:
    """One pause, breaker, limiter and bucket; `limits` lends them to one pipeline."""

    def __init__(
        self, name: str, component: str, settings: _Settings, *, clock: Clock, publish: Hook
    ) -> None:
        self.name = name
        self.component = component
        self._settings = settings
        self._clock = clock
        self._publish = publish
        self._pause = Pause(clock)
        self._breaker = Breaker(
            settings.breaker, clock=clock, publish=publish, name=name, component=component
        )
        self._concurrency = Concurrency(settings.concurrency)
        self._bucket: Bucket | None = (
            None
            if settings.rate is None
            else TokenBucket(settings.rate, clock=clock, component=component)
        )

    def matches(self, component: str, settings: _Settings) -> bool:
        return component == self.component and settings == self._settings

    def limits(
        self,
        extra_rate: RateLimit | None = None,
        retry: Retry | None = None,
        timeout_seconds: float | None = None,
    ) -> Limits:
        """The group's limits for one pipeline.

        `extra_rate` is a bucket of the pipeline's own, beside the group's; its token is taken
        first, so that no shared one lies idle meanwhile. `retry` stands in place of the
        group's. `timeout_seconds` bounds each attempt as a whole.
        """
        buckets = [] if self._bucket is None else [self._bucket]
        if extra_rate is not None:
            own = TokenBucket(extra_rate, clock=self._clock, component=self.component)
            buckets = [own, *buckets]
        retry = retry or self._settings.retry
        return Attempts(
            group=self.name,
            clock=self._clock,
            publish=self._publish,
            retry=retry,
            pause=self._pause,
            breaker=self._breaker,
            concurrency=self._concurrency,
            buckets=buckets,
            described=self._described(buckets, retry),
            timeout_seconds=timeout_seconds,
        )

    def statistics(self) -> GroupStatistics:
        return GroupStatistics(
            group=self.name,
            component=self.component,
            tokens=None if self._bucket is None else self._bucket.tokens,
            in_flight=self._concurrency.in_flight,
            limit=self._concurrency.limit,
            waiting=self._concurrency.waiting,
            breaker=self._breaker.state,
            paused_seconds=max(0.0, self._pause.seconds_left),
        )

    def _described(self, buckets: list[Bucket], retry: Retry) -> dict[str, str]:
        rates = [f"{bucket.rate:g}/s, burst {bucket.capacity}" for bucket in buckets]
        breaker = self._settings.breaker
        fixed = self._concurrency.limit
        return {
            "group": self.name,
            "rate": " and ".join(rates) or "unlimited",
            "concurrency": f"{fixed}" if self._concurrency.is_fixed else f"auto, up to {MAX_LIMIT}",
            "retry": f"{retry.attempts} attempts, backoff {retry.backoff:g} s, "
            f"pauses up to {retry.max_wait:g} s",
            "circuit breaker": f"opens after {breaker.failures} failures in a row, "
            f"for {breaker.cooldown:g} s",
        }


@final
class LimitRegistry:
    """Every limit group of one engine, by name."""

    def __init__(self, clock: Clock, publish: Hook) -> None:
        self._clock = clock
        self._publish = publish
        self._groups: dict[str, LimitGroup] = {}

    def group(
        self,
        name: str,
        component: str,
        *,
        rate: RateLimit | None,
        retry: Retry,
        breaker: CircuitBreaker,
        concurrency: int | Literal["auto"],
    ) -> LimitGroup:
        """The group of that name; made at the first call.

        Raises ConfigError where a later call has other settings: what is shared can't
        have two rates.
        """
        settings = _Settings(rate=rate, retry=retry, breaker=breaker, concurrency=concurrency)
        group = self._groups.get(name)
        if group is None:
            group = LimitGroup(name, component, settings, clock=self._clock, publish=self._publish)
            self._groups[name] = group
        elif not group.matches(component, settings):
            raise ConfigError(
                f"the limit group {name!r} is configured twice, with different limits; give its "
                "pipelines the same rate_limit, retry, circuit_breaker and concurrency, or "
                "another api",
                group=name,
            )
        return group

    def statistics(self) -> tuple[GroupStatistics, ...]:
        return tuple(group.statistics() for group in self._groups.values())
