"""What an engine lends to sources and stores, beside the model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from bronze_engine.config.api import Api
from bronze_engine.contracts.auths import Auth
from bronze_engine.model.concurrency import ConcurrencyTrace
from bronze_engine.model.quota import Quota
from bronze_engine.telemetry.events import Event

__all__ = ["Hide", "Hook", "Limits", "OpenAuth", "Share"]

T = TypeVar("T")


OpenAuth = Callable[[Api], Awaitable[Auth | None]]
"""Makes what proves who we are to an API; None where its table holds the credential whole."""


class Hide(Protocol):
    """Says what no log may hold from now on. What an owner said before the last is forgotten."""

    def __call__(self, owner: str, secrets: Iterable[str], /) -> None: ...


class Hook(Protocol):
    """Told of what happens. On the loop, quick, never raises; slow consumers queue."""

    def __call__(self, event: Event, /) -> None: ...


class Share(Protocol):
    """One instance of something for the whole engine: a connection pool, a client.

    The first caller's context is entered; it is left when the engine closes.
    """

    async def __call__(
        self, key: str, make: Callable[[], AbstractAsyncContextManager[T]], /
    ) -> T: ...


class Limits(Protocol):
    """The limits of one group (an API, a store) around each operation on it."""

    async def call(
        self,
        operation: Callable[[], Awaitable[T]],
        /,
        *,
        describe: str,
        may_repeat: bool = True,
    ) -> T:
        """Run one operation under breaker, slot and bucket, with retries.

        `operation` raises `bronze_engine.limits.retry.Transient` for what may be tried
        again. `describe` names it in messages, without secrets. Without `may_repeat` (a
        conditional put, a completion) an attempt that may have reached the server is the
        last. Raises RetryError when the attempts are spent, caused by the last Transient;
        CircuitOpen when the breaker's probe failed.
        """
        ...

    @property
    def concurrency(self) -> int:
        """Attempts of the group that may be in flight at once, now."""
        ...

    def told(self, quotas: Sequence[Quota], /) -> None:
        """What an answer says is left, to slow down before the server refuses.

        An operation calls it when it has its answer, before it returns.
        """
        ...

    def trace(self) -> ConcurrencyTrace:
        """How many operations may be in flight, and how that came to be since this was made."""
        ...

    def describe(self) -> dict[str, str]:
        """The configured numbers, for people: {"rate": "10/s, burst 20", ...}."""
        ...
