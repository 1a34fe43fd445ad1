"""The hook that makes spans and metrics of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import final

from opentelemetry.metrics import MeterProvider, get_meter_provider
from opentelemetry.trace import TracerProvider, get_tracer_provider

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.telemetry.events import Event
from bronze_engine.telemetry.otel.gauges import Gauges, Statistics
from bronze_engine.telemetry.otel.instruments import Instruments
from bronze_engine.telemetry.otel.spans import Spans
from bronze_engine.telemetry.redact import Redactor
from bronze_engine.version import __version__

__all__ = ["OpenTelemetryHook"]

_SCOPE = "bronze_engine"


@final
class OpenTelemetryHook:
    """Makes spans and metrics of what an engine does, with the providers of a service.

        hook = OpenTelemetryHook()
        async with open_engine(config, hooks=[hook]) as engine:
            hook.watch(engine.statistics)
            await engine.run("team.orders", run_date=date(2025, 1, 15))

    Without `tracer_provider` or `meter_provider` the process's global ones are used. A run that
    is started under a span of the caller's is its child; nothing of it goes to the servers that
    are asked, for a trace is of no concern to others.

    `trace_requests` is the share of requests that get a span of their own; those that failed
    always do, and the first of each run where it is above 0. `secrets` are masked in whatever is
    told: pass `lambda: config.secrets`. Providers are the caller's: none is flushed or shut down.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        trace_requests: float = 0.1,
        secrets: Iterable[str] | Callable[[], Iterable[str]] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        tracer = (tracer_provider or get_tracer_provider()).get_tracer(_SCOPE, __version__)
        meter = (meter_provider or get_meter_provider()).get_meter(_SCOPE, __version__)
        self._spans = Spans(tracer, clock, Redactor(secrets), trace_requests)
        self._instruments = Instruments(meter, clock)
        self._gauges = Gauges(meter, clock)

    def watch(self, statistics: Callable[[], Statistics]) -> None:
        """Tell gauges of an engine too: `hook.watch(engine.statistics)`."""
        self._gauges.watch(statistics)

    def __call__(self, event: Event, /) -> None:
        self._spans(event)
        self._instruments(event)
        self._gauges(event)
