"""An OTLP collector: takes what is sent over HTTP, and decodes it with opentelemetry-proto."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any, final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.http_server import Seen, answer

__all__ = ["Collector", "values_of"]


@final
class Collector:
    """The handler of a server; keeps every span and metric, and every byte that came."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resource: dict[str, Any] = {}
        self.headers: list[dict[str, str]] = []
        self.raw = b""

    async def __call__(self, seen: Seen, _writer: asyncio.StreamWriter) -> bytes:
        body = seen.body
        if seen.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.raw += body
        self.headers.append(seen.headers)
        assert seen.headers["content-type"] == "application/x-protobuf"
        if seen.path == "/v1/traces":
            traces = ExportTraceServiceRequest.FromString(body)
            for resource in traces.resource_spans:
                self.resource = values_of(resource.resource.attributes)
                for scope in resource.scope_spans:
                    self.spans.extend(scope.spans)
        else:
            assert seen.path == "/v1/metrics"
            metrics = ExportMetricsServiceRequest.FromString(body)
            for resource in metrics.resource_metrics:
                for scope in resource.scope_metrics:
                    self.metrics |= {metric.name: metric for metric in scope.metrics}
        return answer(body=b"", headers={"Content-Type": "application/x-protobuf"})

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]


def values_of(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
