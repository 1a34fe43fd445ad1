"""What [telemetry] and [notify] ask for, opened around an engine.

    async with open_monitoring(config) as monitoring:
        async with open_engine(config, hooks=monitoring.hooks) as engine:
            monitoring.watch(engine.statistics)
            await engine.run("team.orders", run_date=date(2025, 1, 15))

The command line does so for every command that runs pipelines. A service that has telemetry of
its own gives `open_engine` its own hooks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar, final

from bronze_engine.adapters import open_sender, otel_hook, otel_providers
from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.load import Config
from bronze_engine.contracts import Hook
from bronze_engine.errors import ConfigError
from bronze_engine.monitoring.notifier import Notifier, Told
from bronze_engine.monitoring.otlp import METRICS, Otlp
from bronze_engine.monitoring.queue import DRAIN_SECONDS, Consumer, Queue, hook_of, open_queue
from bronze_engine.monitoring.textfile import INTERVAL_SECONDS, Textfile
from bronze_engine.workers import Workers

__all__ = ["Monitoring", "open_monitoring"]

T = TypeVar("T")

_HURRY_SECONDS: Final = 2.0
"""For all that is left to tell while the process is being ended, which has five in all."""


@final
class Monitoring:
    """Made by `open_monitoring`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._drained_at: float | None = None
        self._left_at: float | None = None
        self._queues: list[Queue[Any]] = []
        self._hooks: list[Hook] = []
        self._watchers: list[Callable[[Callable[[], Any]], None]] = []
        self._last: list[Callable[[], None]] = []

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """For `open_engine`."""
        return tuple(self._hooks)

    def watch(self, statistics: Callable[[], Any]) -> None:
        """Tell gauges of an engine, too: `monitoring.watch(engine.statistics)`."""
        for watcher in self._watchers:
            watcher(statistics)

    def drain(self) -> None:
        """Say that the process is being ended: what is left to tell has two seconds."""
        self._drained_at = self._clock.monotonic()
        for queue in self._queues:
            queue.hurry()

    def leave(self) -> None:
        """Let everything be told now; from here on the bound counts, for all together."""
        self._left_at = self._clock.monotonic()
        for last in self._last:
            last()
        for queue in self._queues:
            queue.close()

    def grace_seconds(self) -> float:
        """What is left of the bound."""
        now = self._clock.monotonic()
        left_at = now if self._left_at is None else self._left_at
        until = left_at + DRAIN_SECONDS
        if self._drained_at is not None:
            until = min(until, max(left_at, self._drained_at) + _HURRY_SECONDS)
        return max(0.0, until - now)

    async def add(
        self, stack: AsyncExitStack, consumer: Consumer[T], name: str, interval_seconds: float
    ) -> Queue[T]:
        """Tell a consumer of events, through a queue that is left with the stack."""
        queue: Queue[T] = await stack.enter_async_context(
            open_queue(
                consumer.take,
                name=name,
                clock=self._clock,
                interval_seconds=interval_seconds,
                grace_seconds=self.grace_seconds,
            )
        )
        self._queues.append(queue)
        self._hooks.append(hook_of(consumer, queue))
        return queue

    async def add_otel(self, stack: AsyncExitStack, config: Config, workers: Workers) -> None:
        """Send traces and metrics. Raises ConfigError without the extra, and for OTEL_* variables
        that ask for what we have not."""
        telemetry = config.telemetry
        make = await workers.run(otel_providers)  # its imports take a third of a second
        try:
            providers = make(telemetry.service_name or "bronze-engine")
        except (ValueError, RuntimeError) as exc:  # the SDK's, of what a variable says
            raise ConfigError(
                f"telemetry.otel can't be opened as the OTEL_* variables say: {exc}"
            ) from exc
        stack.callback(providers.shutdown)
        hook = otel_hook()(
            tracer_provider=providers.tracer_provider,
            meter_provider=providers.meter_provider,
            trace_requests=telemetry.trace_requests,
            secrets=lambda: config.secrets,
            clock=self._clock,
        )
        otlp: Consumer[object] = Otlp(providers, hook, self._clock, workers)
        queue = await self.add(stack, otlp, "telemetry.otel", providers.delay_seconds)
        providers.hand_to(queue.put)
        self._watchers.append(hook.watch)
        self._last.append(lambda: queue.put(METRICS))


@asynccontextmanager
async def open_monitoring(
    config: Config, *, clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[Monitoring]:
    """Open what [telemetry] and [notify] of the configuration ask for; enter it before the engine.

    Leaving tells what is still to be told, within ten seconds for all together, two while
    draining; what can't be told is a warning. Raises ConfigError, before anything is sent.
    """
    async with AsyncExitStack() as stack:
        workers = stack.enter_context(Workers(2))
        monitoring = Monitoring(clock)
        file = config.telemetry.prometheus_file
        if file is not None:
            textfile = Textfile(Path(file), clock, workers)
            await monitoring.add(stack, textfile, "telemetry.prometheus_file", INTERVAL_SECONDS)
        if config.telemetry.otel:
            await monitoring.add_otel(stack, config, workers)
        for notify in config.notices():
            sender = await stack.enter_async_context(open_sender(notify, config, clock, workers))
            notifier: Consumer[Told] = Notifier(notify, sender, _tags_of(config))
            await monitoring.add(stack, notifier, f"notify.{notify.name}", notify.interval)
        try:
            yield monitoring
        finally:
            monitoring.leave()


def _tags_of(config: Config) -> Callable[[str], tuple[str, ...]]:
    return lambda name: config.words(name, "tags")
