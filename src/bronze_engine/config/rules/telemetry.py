"""What a well-typed [telemetry] may still get wrong."""

from __future__ import annotations

from collections.abc import Iterator

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.telemetry import TelemetryConfig

__all__ = ["telemetry_faults"]

_USUAL = TelemetryConfig()


def telemetry_faults(telemetry: TelemetryConfig, path: KeyPath) -> Iterator[Fault]:
    """Faults of [telemetry]."""
    for key in ("service_name", "trace_requests"):
        value = getattr(telemetry, key)
        if value != getattr(_USUAL, key) and not telemetry.otel:
            yield Fault((*path, key), "needs otel = true beside it; without, it says nothing")
    if telemetry.service_name is not None and not telemetry.service_name.strip():
        yield Fault((*path, "service_name"), 'is empty; leave it out for "bronze-engine"')
    file = telemetry.prometheus_file
    if file is not None and not file.endswith(".prom"):
        yield Fault(
            (*path, "prometheus_file"),
            'must end with ".prom": node_exporter reads no other file of its folder',
        )
