"""Traces and metrics for OpenTelemetry: pip install "bronze-engine[otel]"."""

from bronze_engine.telemetry.otel.hook import OpenTelemetryHook

__all__ = ["OpenTelemetryHook"]
