"""How often a message is tried: by the loop that retries requests, with limits of its own."""

from __future__ import annotations

from typing import Final

from bronze_engine.clock import Clock
from bronze_engine.config.api import CircuitBreaker, Retry
from bronze_engine.config.notify import Notify, WebhookNotify
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Limits
from bronze_engine.limits.registry import LimitRegistry

__all__ = ["attempts_of"]

_MAX_WAIT_SECONDS: Final = 60.0
"""The longest Retry-After that is obeyed: news that old is better read in the log."""

_NO_BREAKER: Final = CircuitBreaker(failures=2**31)
"""A command that fails is no server that is to be spared."""


def attempts_of(notify: Notify, clock: Clock) -> Limits:
    """One message at a time, `attempts` for each. Of a webhook each is bounded by its timeout;
    a command sees to that itself."""
    is_webhook = isinstance(notify, WebhookNotify)
    group = LimitRegistry(clock, lambda _: None).group(
        f"notify.{notify.name}",
        "Notification",
        rate=None,
        retry=Retry(attempts=notify.attempts, max_wait=Duration(_MAX_WAIT_SECONDS)),
        breaker=CircuitBreaker() if is_webhook else _NO_BREAKER,
        concurrency=1,
    )
    return group.limits(timeout_seconds=float(notify.timeout) if is_webhook else None)
