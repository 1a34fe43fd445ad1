"""Spans and metrics of events, with the SDK's own exporters in memory."""

from __future__ import annotations

import contextvars
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from bronze_engine.limits.registry import GroupStatistics
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.telemetry.events import (
    BatchFinished,
    BatchStarted,
    Event,
    FileStaged,
    PageFetched,
    RequestFinished,
    RequestRetried,
    RunPhase,
    RunRenamed,
    RunStarted,
    StageFinished,
)
from bronze_engine.telemetry.otel import OpenTelemetryHook
from bronze_engine.testing.clock import ManualClock
from tests.unit.telemetry.reports import DAY, failed, finished, report_of

pytestmark = pytest.mark.unit


class Told:
    """A hook, and what came of the events that it was told."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        meters = MeterProvider(metric_readers=[self._reader], shutdown_on_exit=False)
        self.hook = OpenTelemetryHook(
            tracer_provider=self.tracers, meter_provider=meters, clock=self.clock, **options
        )

    def __call__(self, *events: Event) -> None:
        for event in events:
            self.hook(event)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}

    @property
    def runs(self) -> list[ReadableSpan]:
        ended = self._exporter.get_finished_spans()
        return [span for span in ended if span.name.startswith("run ")]

    def count(self, name: str) -> int:
        return sum(span.name == name for span in self._exporter.get_finished_spans())

    def metrics(self) -> dict[str, dict[frozenset[tuple[str, Any]], Any]]:
        found: dict[str, dict[frozenset[tuple[str, Any]], Any]] = {}
        data = self._reader.get_metrics_data()
        if data is None:
            return found
        for resource in data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = {
                        frozenset((point.attributes or {}).items()): getattr(
                            point, "value", getattr(point, "sum", None)
                        )
                        for point in metric.data.data_points
                    }
        return found


def started(run: str = "run1", pipeline: str = "team.orders", day: str = str(DAY)) -> RunStarted:
    return RunStarted(pipeline=pipeline, run_date=day, run=run)


def request(outcome: Any = "succeeded", **known: Any) -> RequestFinished:
    found = RequestFinished(
        group="shop",
        component="ApiExtractor",
        pipeline="team.orders",
        operation="GET https://shop.example/v1/orders?page=***",
        outcome=outcome,
        waited_seconds=0.1,
        seconds=0.5,
    )
    return msgspec.structs.replace(found, **known)


def batch_report(*statuses: Any) -> BatchReport:
    runs = tuple(
        BatchRun(pipeline="team.orders", run_date=date(2025, 1, 15 + at), status=status)
        for at, status in enumerate(statuses)
    )
    return BatchReport(
        batch="b1",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        seconds=1.0,
        max_parallel=1,
        runs=runs,
    )


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    number: int = span.context.span_id
    return number


@pytest.mark.asyncio
async def test_a_run_has_a_span_with_its_phases_stages_and_requests_below() -> None:
    told = Told()
    told(started(), RunPhase(pipeline="team.orders", run="run1", phase="preparing"))
    await told.clock.advance(1)
    told(RunPhase(pipeline="team.orders", run="run1", phase="reading"))
    await told.clock.advance(2)
    told(
        request(),
        FileStaged(pipeline="team.orders", run="run1", name="part", rows=10, size_bytes=400),
        StageFinished(
            pipeline="team.orders",
            run="run1",
            stage="decode",
            jobs=3,
            work_seconds=1.5,
            wait_seconds=0.5,
            busy_seconds=1.25,
            cpu_seconds=1.0,
        ),
        finished(report_of()),
    )
    run = told.spans["run team.orders"]
    assert run.attributes is not None
    assert run.attributes["bronze.run.date"] == "2025-01-15"
    assert run.attributes["bronze.rows"] == 10
    assert run.attributes["bronze.generation"] == 1
    assert run.status.status_code is StatusCode.UNSET
    assert [event.name for event in run.events] == ["file staged"]
    assert seconds_of(run) == 3
    assert seconds_of(told.spans["preparing"]) == 1
    assert seconds_of(told.spans["reading"]) == 2
    assert seconds_of(told.spans["stage decode"]) == 1.25
    assert seconds_of(told.spans["GET shop"]) == 0.5
    for name in ("preparing", "reading", "stage decode", "GET shop"):
        assert parent_of(told.spans[name]) == id_of(run)
    get = told.spans["GET shop"]
    assert get.kind is SpanKind.CLIENT
    assert get.attributes is not None
    assert get.attributes["http.request.method"] == "GET"
    assert get.attributes["url.full"] == "https://shop.example/v1/orders?page=***"
    assert get.attributes["server.address"] == "shop.example"
    assert get.attributes["server.port"] == 443


def seconds_of(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_failure_is_an_error_with_its_code_and_without_its_secrets() -> None:
    told = Told(secrets=lambda: ["hunter2-secret"])
    told(started(), finished(failed(error="AUTH001 hunter2-secret was refused")))
    run = told.spans["run team.orders"]
    assert run.status.status_code is StatusCode.ERROR
    assert run.status.description == "AUTH001 *** was refused"
    assert run.attributes is not None
    assert run.attributes["error.type"] == "AUTH001"


@pytest.mark.parametrize(
    ("share", "spans"), [(0.0, 0), (0.01, 1), (0.1, 10), (0.5, 50), (1.0, 100)]
)
def test_a_share_of_the_requests_has_spans_the_first_among_them(share: float, spans: int) -> None:
    told = Told(trace_requests=share)
    told(started())
    told(request())
    assert told.count("GET shop") == (1 if share else 0)
    told(*(request() for _ in range(99)))
    assert told.count("GET shop") == pytest.approx(spans, abs=1)


def test_each_request_that_failed_has_a_span_whatever_the_share() -> None:
    told = Told(trace_requests=0.0)
    told(started(), *(request("failed") for _ in range(7)), *(request() for _ in range(7)))
    assert told.count("GET shop") == 7
    assert told.spans["GET shop"].status.status_code is StatusCode.ERROR


REQUESTS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"status": 200}, {"http.response.status_code": 200}, False),
    (
        {"status": 503, "outcome": "failed", "resends": 2},
        {
            "http.response.status_code": 503,
            "http.request.resend_count": 2,
            "error.type": "503",
        },
        True,
    ),
    (
        {"status": 429, "outcome": "refused"},
        {"http.response.status_code": 429, "error.type": "429"},
        True,
    ),
    (
        {"status": 404, "outcome": "untold"},  # an error of whoever asked
        {"http.response.status_code": 404, "error.type": "404"},
        True,
    ),
    ({"outcome": "failed", "error": "ConnectTimeout"}, {"error.type": "ConnectTimeout"}, True),
    (
        {"status": 200, "outcome": "failed", "error": "CutBody"},
        {"http.response.status_code": 200, "error.type": "CutBody"},
        True,
    ),
    ({"outcome": "failed"}, {"error.type": "failed"}, True),
    ({"outcome": "untold"}, {}, False),  # cancelled
    # No HTTP: a database.
    ({"operation": "SELECT", "outcome": "failed", "resends": 1}, {"error.type": "failed"}, True),
]


@pytest.mark.parametrize(("known", "attributes", "is_error"), REQUESTS)
def test_a_request_says_how_it_was_answered_and_how_often_it_was_sent(
    known: dict[str, Any], attributes: dict[str, Any], is_error: bool
) -> None:
    told = Told(trace_requests=1.0)
    told(started(), request(**known))
    (span,) = told.spans.values()
    ours = ("http.request.resend_count", "http.response.status_code", "error.type")
    found = span.attributes or {}
    assert {name: found[name] for name in ours if name in found} == attributes
    assert (span.status.status_code is StatusCode.ERROR) is is_error


def test_requests_are_of_the_run_that_made_them_though_they_name_no_pipeline() -> None:
    told = Told(trace_requests=1.0)
    contexts = {run: contextvars.copy_context() for run in ("run1", "run2")}
    for run, context in contexts.items():
        context.run(told, started(run, day="2025-01-15" if run == "run1" else "2025-01-16"))
    put = request(
        group="store lake", component="S3Storage", pipeline="", operation="PUT s3://lake/a/b"
    )
    contexts["run1"].run(told, put)
    contexts["run2"].run(told, finished(report_of(run="run2")))
    contexts["run1"].run(told, finished(report_of(run="run1")))
    span = told.spans["PUT store lake"]
    assert span.attributes is not None
    assert span.attributes["aws.s3.bucket"] == "lake"
    assert span.attributes["aws.s3.key"] == "a/b"
    (first,) = [run for run in told.runs if (run.attributes or {})["bronze.run.id"] == "run1"]
    assert parent_of(span) == id_of(first)
    told(put)  # of no run
    assert told.count("PUT store lake") == 1


def test_a_run_under_a_span_of_the_callers_is_its_child_and_leaves_it_current() -> None:
    told = Told()
    tracer = told.tracers.get_tracer("caller")
    with tracer.start_as_current_span("theirs") as theirs:
        told(started(), finished(report_of()))
        told(started("run2"), finished(report_of(run="run2")))
    assert told.count("run team.orders") == 2
    assert parent_of(told.spans["run team.orders"]) == theirs.get_span_context().span_id


def test_the_runs_of_a_batch_are_below_it() -> None:
    told = Told()
    told(
        BatchStarted(batch="b1", runs=(("team.orders", DAY), ("team.orders", date(2025, 1, 16)))),
        started(),
        finished(report_of()),
        started("run2", day="2025-01-16"),
        finished(failed(run="run2")),
        BatchFinished(batch="b1", report=batch_report("committed", "failed")),
        started("run3"),
        finished(report_of(run="run3")),
    )
    batch = told.spans["batch"]
    assert batch.status.status_code is StatusCode.ERROR
    assert batch.attributes is not None
    assert batch.attributes["bronze.batch.committed"] == 1
    assert batch.attributes["bronze.batch.failed"] == 1
    assert [parent_of(each) for each in told.runs] == [id_of(batch), id_of(batch), None]


def test_a_run_that_goes_on_under_another_name_has_one_span() -> None:
    told = Told(trace_requests=1.0)
    told(
        started(),
        RunRenamed(pipeline="team.orders", run_date=str(DAY), run="older", before="run1"),
        request(),
        finished(report_of(run="older")),
    )
    run = told.spans["run team.orders"]
    assert run.attributes is not None
    assert run.attributes["bronze.run.id"] == "older"
    assert parent_of(told.spans["GET shop"]) == id_of(run)


def key(**attributes: Any) -> frozenset[tuple[str, Any]]:
    return frozenset((name.replace("__", "."), value) for name, value in attributes.items())


def test_what_is_counted() -> None:
    told = Told()
    told(
        started(),
        request(),
        request(),
        request("failed"),
        RequestRetried(group="shop", attempt=1, wait_seconds=0.5, reason="status 503"),
        PageFetched(pipeline="team.orders", run="run1", page=1, records=5, bytes_in=600),
        FileStaged(pipeline="team.orders", run="run1", name="part", rows=10, size_bytes=400),
    )
    assert told.metrics()["bronze.runs.running"] == {key(): 1}
    told(finished(report_of(rejected=2)), started("run2"), finished(failed(run="run2", bytes_in=0)))
    metrics = told.metrics()
    pipeline = key(bronze__pipeline="team.orders")
    shop = {"bronze__group": "shop", "bronze__component": "ApiExtractor"}
    assert metrics["bronze.requests"] == {
        key(**shop, bronze__outcome="succeeded"): 2,
        key(**shop, bronze__outcome="failed"): 1,
    }
    assert metrics["bronze.request.duration"][key(**shop, bronze__outcome="succeeded")] == 1.0
    assert metrics["bronze.retries"] == {key(bronze__group="shop"): 1}
    assert metrics["bronze.pages"] == {pipeline: 1}
    assert metrics["bronze.bytes.in"] == {pipeline: 1000}
    assert metrics["bronze.bytes.out"] == {pipeline: 400}
    assert metrics["bronze.rows"] == {pipeline: 10}
    assert metrics["bronze.rows.rejected"] == {pipeline: 2}
    assert metrics["bronze.runs.running"] == {key(): 0}
    committed = key(bronze__pipeline="team.orders", bronze__run__status="committed")
    refused = key(
        bronze__pipeline="team.orders", bronze__run__status="failed", error__type="AUTH001"
    )
    assert metrics["bronze.runs"] == {committed: 1, refused: 1}
    assert metrics["bronze.run.duration"] == {committed: 2.0, refused: 2.0}
    begun = told.clock.now().timestamp()
    assert metrics["bronze.last_commit.timestamp"] == {pipeline: begun}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What `Engine.statistics` tells, as far as gauges show it."""

    waiting: int
    reserved_bytes: int
    pooled_bytes: int
    limit_groups: tuple[GroupStatistics, ...]


@pytest.mark.asyncio
async def test_gauges_ask_the_engine_once_a_second_at_most() -> None:
    told = Told()
    asked = 0

    def statistics() -> Standing:
        nonlocal asked
        asked += 1
        group = GroupStatistics(
            group="shop",
            component="ApiExtractor",
            tokens=4.5,
            in_flight=3,
            limit=8,
            waiting=2,
            breaker="half-open",
            paused_seconds=0.0,
        )
        return Standing(waiting=asked, reserved_bytes=10, pooled_bytes=20, limit_groups=(group,))

    told(request())
    told.hook.watch(statistics)
    told(*(request() for _ in range(50)))
    assert asked == 1
    await told.clock.advance(1)
    told(*(request() for _ in range(50)))
    assert asked == 2
    shop = key(bronze__group="shop", bronze__component="ApiExtractor")
    metrics = told.metrics()
    assert metrics["bronze.runs.waiting"] == {key(): 2}
    assert metrics["bronze.requests.in_flight"] == {shop: 3}
    assert metrics["bronze.rate_limit.tokens"] == {shop: 4.5}
    assert metrics["bronze.breaker.state"] == {shop: 1}
    assert metrics["bronze.memory.held"] == {
        key(bronze__memory__kind="reserved"): 10,
        key(bronze__memory__kind="pooled"): 20,
    }
