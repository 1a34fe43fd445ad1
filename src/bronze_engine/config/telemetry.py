"""[telemetry]: where metrics and traces of runs go."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["TelemetryConfig"]


class TelemetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where metrics and traces of runs go. None of it changes what lands."""

    otel: bool = False
    """Send traces and metrics by OTLP over HTTP, as the OTEL_* variables of the process say. Needs
    the extra: pip install "bronze-engine[otel]"."""
    service_name: str | None = None
    """The service that they are told of, where OTEL_SERVICE_NAME names none; unset it is
    "bronze-engine"."""
    trace_requests: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    """The share of requests that get a span of their own. The first of a run has one wherever it is
    above 0, and so has each that failed: a run of a million pages must not become as many spans."""
    prometheus_file: str | None = None
    """A file for the textfile collector of Prometheus' node_exporter (relative to pipelines.toml),
    named *.prom; several processes may write the same."""
