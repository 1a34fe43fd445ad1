"""Traces and metrics on their way to a collector, off the run's path.

A collector that is down or slow costs a run nothing but a warning: what it does not take is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol, final

from bronze_engine.clock import Clock
from bronze_engine.telemetry.events import Event
from bronze_engine.workers import Workers

__all__ = ["METRICS", "Exporting", "Otlp"]

log = logging.getLogger(__name__)

METRICS: Final = object()
"""Says that metrics are due."""


class Exporting(Protocol):
    """What `telemetry.otel.providers.Providers` does, without its SDK."""

    interval_seconds: float
    delay_seconds: float

    def export(self, spans: Sequence[object], /) -> bool: ...
    def collect(self) -> bool: ...
    def cut(self) -> None: ...


@final
class Otlp:
    """Feeds the hook, and sends what comes of it. Implements `queue.Consumer`."""

    def __init__(
        self, exporting: Exporting, hook: Callable[[Event], None], clock: Clock, workers: Workers
    ) -> None:
        self._exporting = exporting
        self._hook = hook
        self._clock = clock
        self._workers = workers
        self._collected_at = clock.monotonic()
        self._is_down = False

    def pick(self, event: Event, /) -> object | None:
        self._hook(event)  # whose spans go into the queue by themselves
        now = self._clock.monotonic()
        if now - self._collected_at < self._exporting.interval_seconds:
            return None
        self._collected_at = now
        return METRICS

    async def take(self, items: Sequence[object], /) -> None:
        spans = [item for item in items if item is not METRICS]
        is_taken = not spans or await self._send(self._exporting.export, spans)
        if is_taken and len(spans) < len(items):
            is_taken = await self._send(self._exporting.collect)
        if not is_taken and not self._is_down:
            log.warning(
                "telemetry.otel: the collector did not take our traces or metrics; what it does "
                "not take is lost. Check OTEL_EXPORTER_OTLP_ENDPOINT"
            )
        self._is_down = not is_taken

    async def _send(self, job: Callable[..., bool], *arguments: object) -> bool:
        return await self._workers.run(job, *arguments, interrupt=self._exporting.cut)
