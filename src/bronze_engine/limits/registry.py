"""The limit groups of one engine: what the pipelines of one API or store share."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal, final
from zoneinfo import ZoneInfo

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.api import CircuitBreaker, RateLimit, Retry
from bronze_engine.contracts import Hook, Limits
from bronze_engine.errors import BronzeError, ConfigError, OutcomeUnknown
from bronze_engine.limits.adaptive import MAX_LIMIT
from bronze_engine.limits.breaker import Breaker, BreakerState
from bronze_engine.limits.bucket import Bucket, Share, buckets_of
from bronze_engine.limits.concurrency import Concurrency
from bronze_engine.limits.daily import DailyQuota, Ledger, ProcessLedger
from bronze_engine.limits.pause import Pause
from bronze_engine.limits.retry import Attempts
from bronze_engine.limits.throttle import Throttle
from bronze_engine.limits.tokens import Tokens
from bronze_engine.limits.trace import Trace

__all__ = ["GroupStatistics", "LimitGroup", "LimitRegistry"]

logger = logging.getLogger(__name__)


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
    """One pause, breaker, limiter and rate; `limits` lends them to one pipeline."""

    def __init__(
        self,
        name: str,
        component: str,
        settings: _Settings,
        *,
        clock: Clock,
        publish: Hook,
        ledger: Ledger,
        tokens: Tokens | None,
    ) -> None:
        self.name = name
        self.component = component
        self._settings = settings
        self._clock = clock
        self._publish = publish
        self._tokens = tokens
        self._pause = Pause(clock, self._pause_of_all() if settings.rate is not None else None)
        self._breaker = Breaker(
            settings.breaker, clock=clock, publish=publish, name=name, component=component
        )
        self._concurrency = Concurrency(settings.concurrency)
        self._trace = Trace(
            self._concurrency, clock=clock, publish=publish, group=name, component=component
        )
        self._throttle = Throttle(clock=clock, component=component)
        self._ledger = ledger
        self._quotas: list[DailyQuota] = []
        self._buckets: list[Bucket] = []
        self._daily: list[DailyQuota] = []
        self._own: dict[tuple[str, RateLimit], tuple[list[Bucket], list[DailyQuota]]] = {}
        if settings.rate is not None:
            self._buckets = self._buckets_of(settings.rate, name)
            self._daily = self._daily_of(settings.rate, f"api/{name}")

    def matches(self, component: str, settings: _Settings) -> bool:
        return component == self.component and settings == self._settings

    def limits(
        self,
        extra_rate: RateLimit | None = None,
        retry: Retry | None = None,
        timeout_seconds: float | None = None,
        *,
        pipeline: str = "",
    ) -> Limits:
        """The group's limits for one run of a pipeline.

        `extra_rate` is of the pipeline's own, over all its runs, beside the group's; its token
        is taken first, so that no shared one lies idle meanwhile. `retry` stands in place of
        the group's. `timeout_seconds` bounds each attempt as a whole.
        """
        own: list[Bucket] = []
        daily = self._daily
        if extra_rate is not None:
            own, own_daily = self._own_rate(pipeline, extra_rate)
            daily = [*own_daily, *daily]
        retry = retry or self._settings.retry
        return Attempts(
            group=self.name,
            component=self.component,
            pipeline=pipeline,
            clock=self._clock,
            publish=self._publish,
            retry=retry,
            pause=self._pause,
            breaker=self._breaker,
            concurrency=self._concurrency,
            own_buckets=own,
            group_buckets=self._buckets,
            quotas=daily,
            throttle=self._throttle,
            trace=self._trace,
            described=self._described([*own, *self._buckets], daily, retry),
            timeout_seconds=timeout_seconds,
        )

    def statistics(self) -> GroupStatistics:
        return GroupStatistics(
            group=self.name,
            component=self.component,
            tokens=min((bucket.tokens for bucket in self._buckets), default=None),
            in_flight=self._concurrency.in_flight,
            limit=self._concurrency.limit,
            waiting=self._concurrency.waiting,
            breaker=self._breaker.state,
            paused_seconds=max(0.0, self._pause.seconds_left),
        )

    async def aclose(self) -> None:
        """Give back what was taken of daily quotas and not used."""
        for quota in self._quotas:
            await quota.aclose()

    def _buckets_of(self, rate: RateLimit, name: str) -> list[Bucket]:
        share = None
        if self._tokens is not None:
            share = Share(group=name, tokens=self._tokens, pause=self._pause.extend)
        return buckets_of(rate, clock=self._clock, component=self.component, share=share)

    def _pause_of_all(self) -> Callable[[float], Awaitable[None]] | None:
        """Who takes part in the pauses: those that ask for the group's tokens hear of them."""
        return None if self._tokens is None else partial(self._tokens.pause, self.name)

    def _own_rate(self, pipeline: str, rate: RateLimit) -> tuple[list[Bucket], list[DailyQuota]]:
        """One rate for all dates of a pipeline, which may run side by side."""
        key = (pipeline, rate)
        if key not in self._own:
            self._own[key] = (
                self._buckets_of(rate, f"pipeline/{pipeline}"),
                self._daily_of(rate, f"pipeline/{pipeline}"),
            )
        return self._own[key]

    def _daily_of(self, rate: RateLimit, name: str) -> list[DailyQuota]:
        if rate.requests_per_day is None:
            return []
        quota = DailyQuota(
            name,
            rate.requests_per_day,
            ZoneInfo(rate.timezone),
            ledger=self._ledger,
            clock=self._clock,
        )
        self._quotas.append(quota)
        return [quota]

    def _described(
        self, buckets: Sequence[Bucket], daily: Sequence[DailyQuota], retry: Retry
    ) -> dict[str, str]:
        rates = [f"{bucket.rate:g}/s, burst {bucket.capacity}" for bucket in buckets]
        rates += [f"{quota.limit:,} a day ({quota.zone})" for quota in daily]
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

    def __init__(
        self,
        clock: Clock,
        publish: Hook,
        ledger: Ledger | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        """`ledger` counts the requests of each day, and `tokens` those of each second and
        minute; without them this process does.
        """
        self._tokens = tokens
        self._clock = clock
        self._publish = publish
        self._ledger = ledger or ProcessLedger()
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
            group = LimitGroup(
                name,
                component,
                settings,
                clock=self._clock,
                publish=self._publish,
                ledger=self._ledger,
                tokens=self._tokens,
            )
            self._groups[name] = group
        elif not group.matches(component, settings):
            raise ConfigError(
                f"the limit group {name!r} is configured twice, with different limits; give its "
                "pipelines the same rate_limit, retry, circuit_breaker and concurrency, or "
                "another api",
                group=name,
            )
        return group

    async def aclose(self) -> None:
        """Give back what was taken of daily quotas and not used; what fails is logged.

        The tokens that are shared are closed by whoever has opened them.
        """
        for group in self._groups.values():
            try:
                await group.aclose()
            except (BronzeError, OutcomeUnknown) as exc:
                logger.warning("%s: its daily quota was not given back: %s", group.name, exc)

    def statistics(self) -> tuple[GroupStatistics, ...]:
        return tuple(group.statistics() for group in self._groups.values())
