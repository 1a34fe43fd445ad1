"""Providers of our own, for the command line: OTLP over HTTP, as the OTEL_* variables say.

The SDK's batch processor and its periodic reader each start a thread, and wait as they like when
they are shut down. These start none: who has the spans, and when metrics are read, is decided by
the caller, who calls `export` and `collect` from a worker.
"""

from __future__ import annotations

import logging
import math
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.util.re import parse_env_headers

from bronze_engine.errors import ConfigError
from bronze_engine.telemetry.otel.session import Session
from bronze_engine.version import __version__

__all__ = ["Providers"]

_TIMEOUT_SECONDS: Final = 2.0
"""Of one export with its retries, where no variable says otherwise: a collector that is down is
waited for when the command ends."""

_CHUNK: Final = 512
"""Spans a request, as the SDK's own processor sends them."""

_CREDENTIALS: Final = "OTEL_PYTHON_EXPORTER_OTLP_HTTP"

_TALKATIVE: Final = (
    OTLPSpanExporter.__module__,
    OTLPMetricExporter.__module__,
    "urllib3.connection",
)
"""Loggers of what fails."""

_HEADERS: Final = tuple(
    f"OTEL_EXPORTER_OTLP_{signal}HEADERS" for signal in ("", "TRACES_", "METRICS_")
)

_exporting: Final = ContextVar("bronze_exporting", default=False)


@final
class Providers:
    """A tracer provider and a meter provider, and the way to the collector.

    `service_name` is told where OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name none.
    Raises ConfigError for a protocol or an exporter that we have not, and for headers that are
    none; the SDK raises ValueError and RuntimeError for other variables.
    """

    def __init__(self, service_name: str) -> None:
        environ = os.environ  # the SDK reads its variables there, and nowhere else
        sends_traces = _sends(environ, "TRACES")
        sends_metrics = _sends(environ, "METRICS")
        _check_headers(environ)
        self.interval_seconds = _milliseconds(environ, "OTEL_METRIC_EXPORT_INTERVAL", 60_000) / 1000
        """Between two exports of metrics."""
        self.delay_seconds = _milliseconds(environ, "OTEL_BSP_SCHEDULE_DELAY", 5_000) / 1000
        """Between two exports of spans."""
        resource = _resource(environ, service_name)
        self._spans = None
        self._handing = _Handing()
        self.tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._sessions: list[Session] = []
        if sends_traces:
            self._spans = OTLPSpanExporter(
                timeout=_timeout(environ, "TRACES"), session=self._session(environ, "TRACES")
            )
            self.tracer_provider.add_span_processor(self._handing)
        self._reader = None
        self._metrics = _Metrics(
            timeout=_timeout(environ, "METRICS"), session=self._session(environ, "METRICS")
        )
        if sends_metrics:
            # Infinity starts no thread; `collect` reads.
            self._reader = PeriodicExportingMetricReader(
                self._metrics, export_interval_millis=math.inf
            )
        self.meter_provider = MeterProvider(
            resource=resource,
            metric_readers=[] if self._reader is None else [self._reader],
            shutdown_on_exit=False,
        )
        self._is_cut = False
        for name in _TALKATIVE:
            logging.getLogger(name).addFilter(_not_ours)

    def hand_to(self, on_span: Callable[[ReadableSpan], None]) -> None:
        """Call this with each span that has ended, where it ends."""
        self._handing.on_span = on_span

    def export(self, spans: Sequence[ReadableSpan]) -> bool:
        """Send spans: blocking, with retries within the timeout. Whether they were taken."""
        if self._spans is None:
            return True
        _exporting.set(True)
        for first in range(0, len(spans), _CHUNK):
            if self._spans.export(spans[first : first + _CHUNK]) is not SpanExportResult.SUCCESS:
                return False
        return True

    def collect(self) -> bool:
        """Read and send the metrics: blocking, as above."""
        if self._reader is None:
            return True
        _exporting.set(True)
        self._reader.collect()
        return self._metrics.is_taken

    def cut(self) -> None:
        """End an export that is under way, and send nothing more. Callable from another thread,
        and twice."""
        if self._is_cut:
            return
        self._is_cut = True
        if self._spans is not None:
            self._spans.shutdown()  # type: ignore[no-untyped-call]  # the SDK gives it no type
        self._metrics.shutdown()
        for session in self._sessions:
            session.cut()

    def shutdown(self) -> None:
        """Let go of connections, and of the log, once no export is under way. Sends nothing."""
        self.cut()
        for name in _TALKATIVE:
            logging.getLogger(name).removeFilter(_not_ours)

    def _session(self, environ: Mapping[str, str], signal: str) -> Session | None:
        """None leaves it to the exporter, where a plug-in of the SDK's brings credentials."""
        names = (
            f"{_CREDENTIALS}_{signal}_CREDENTIAL_PROVIDER",
            f"{_CREDENTIALS}_CREDENTIAL_PROVIDER",
        )
        if any(environ.get(name) for name in names):
            return None
        self._sessions.append(Session())
        return self._sessions[-1]


@final
class _Handing(SpanProcessor):
    """Hands on each span that has ended, once it is known to whom."""

    on_span: Callable[[ReadableSpan], None] | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        is_sampled = span.context is not None and span.context.trace_flags.sampled
        if is_sampled and self.on_span is not None:
            self.on_span(span)


@final
class _Metrics(OTLPMetricExporter):
    """Remembers how its last export went: the reader does not tell."""

    is_taken = True

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self.is_taken = result is MetricExportResult.SUCCESS
        return result


def _not_ours(_record: logging.LogRecord) -> bool:
    """Each failed attempt is an error to the exporters. Of ours the caller tells once."""
    return not _exporting.get()


def _sends(environ: Mapping[str, str], signal: str) -> bool:
    """Whether a signal goes to the collector."""
    exporter = environ.get(f"OTEL_{signal}_EXPORTER", "").strip() or "otlp"
    if exporter not in ("otlp", "none"):
        raise ConfigError(
            f'OTEL_{signal}_EXPORTER is "{exporter}"; telemetry.otel sends "otlp", or "none"'
        )
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environ.get(name, "").strip()
        if protocol and exporter == "otlp" and protocol != "http/protobuf":
            raise ConfigError(
                f'{name} is "{protocol}"; telemetry.otel speaks "http/protobuf": set it, and the '
                "endpoint to the collector's port for it, usually 4318"
            )
        if protocol:
            break
    return exporter == "otlp"


def _check_headers(environ: Mapping[str, str]) -> None:
    """The SDK would leave out an entry that it can't read, and log it: a key, as a rule."""
    logger = logging.getLogger(parse_env_headers.__module__)
    logger.addFilter(_nothing)
    try:
        for name in _HEADERS:
            for number, entry in enumerate(environ.get(name, "").split(","), start=1):
                if entry.strip() and not parse_env_headers(entry, liberal=True):
                    raise ConfigError(
                        f"{name}: entry {number} is not name=value; separate entries by commas, "
                        "and percent-encode what is special in a value"
                    )
    finally:
        logger.removeFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False


def _timeout(environ: Mapping[str, str], signal: str) -> float | None:
    """None leaves it to the exporter, which reads the variables."""
    names = (f"OTEL_EXPORTER_OTLP_{signal}_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
    return None if any(environ.get(name) for name in names) else _TIMEOUT_SECONDS


def _milliseconds(environ: Mapping[str, str], name: str, usual: float) -> float:
    try:
        value = float(environ.get(name, "") or usual)
    except ValueError:
        value = -1.0
    if not 0 < value < math.inf:
        raise ConfigError(f"{name} is {environ[name]!r}; it is a number of milliseconds")
    return value


def _resource(environ: Mapping[str, str], service_name: str) -> Resource:
    found = Resource.create(
        {"service.version": __version__, "service.instance.id": uuid.uuid4().hex}
    )
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return found if named else found.merge(Resource({"service.name": service_name}))
