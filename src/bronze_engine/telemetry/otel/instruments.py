"""Counters and histograms. Their attributes are few and known beforehand: pipelines, limit groups,
outcomes, codes; never a URL, a run or a date, of which there is no end."""

from __future__ import annotations

import math
from typing import Final, final

from opentelemetry.metrics import Meter

from bronze_engine.clock import Clock
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import (
    Event,
    FileStaged,
    PageFetched,
    RequestFinished,
    RequestRetried,
    RunFinished,
    RunStarted,
)
from bronze_engine.telemetry.otel.counts import INTERVAL_SECONDS, Counts

__all__ = ["Instruments"]

_PIPELINE: Final = ("bronze.pipeline",)
_REQUEST: Final = ("bronze.group", "bronze.component", "bronze.outcome")
_RUN_SECONDS: Final = (1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_REQUEST_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@final
class Instruments:
    """Counts what happens, as it happens; rows when they are committed."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._clock = clock
        self._received: dict[str, int] = {}
        """Bytes of each run under way that are counted already."""
        self._counts = Counts()
        self._flushed_at = -math.inf
        self._runs = meter.create_counter("bronze.runs", "{run}", "Runs that have ended.")
        self._running = meter.create_up_down_counter(
            "bronze.runs.running", "{run}", "Runs that are under way."
        )
        self._run_seconds = meter.create_histogram(
            "bronze.run.duration",
            "s",
            "How long runs took.",
            explicit_bucket_boundaries_advisory=_RUN_SECONDS,
        )
        self._rows = meter.create_counter("bronze.rows", "{row}", "Rows that were committed.")
        self._rejected = meter.create_counter(
            "bronze.rows.rejected", "{row}", "Records that were rejected."
        )
        self._pages = meter.create_counter("bronze.pages", "{page}", "Pages that were read.")
        self._in = meter.create_counter(
            "bronze.bytes.in", "By", "Bytes of response bodies, as they came over the wire."
        )
        self._out = meter.create_counter("bronze.bytes.out", "By", "Bytes of data files.")
        self._requests = meter.create_counter(
            "bronze.requests", "{request}", "Attempts on APIs, databases and stores."
        )
        self._request_seconds = meter.create_histogram(
            "bronze.request.duration",
            "s",
            "From sending an attempt to its whole answer.",
            explicit_bucket_boundaries_advisory=_REQUEST_SECONDS,
        )
        self._retries = meter.create_counter(
            "bronze.retries", "{request}", "Attempts that were or will be made again."
        )
        self._committed_at = meter.create_gauge(
            "bronze.last_commit.timestamp", "s", "When a pipeline last committed, since 1970."
        )

    def __call__(self, event: Event, /) -> None:
        match event:
            case RequestFinished():
                key = (event.group, event.component, event.outcome)
                attributes = self._counts.add(self._requests, 1, key, _REQUEST)
                self._request_seconds.record(event.seconds, attributes)
            case PageFetched():
                self._counts.add(self._pages, 1, (event.pipeline,), _PIPELINE)
                self._counts.add(self._in, event.bytes_in, (event.pipeline,), _PIPELINE)
                self._received[event.run] = self._received.get(event.run, 0) + event.bytes_in
            case RequestRetried():
                self._retries.add(1, {"bronze.group": event.group})
            case FileStaged():
                self._out.add(event.size_bytes, {"bronze.pipeline": event.pipeline})
            case RunStarted():
                self._running.add(1)
            case RunFinished():
                self._running.add(-1)
                self._run(event.report)
                self._flushed_at = -math.inf
            case _:
                pass
        now = self._clock.monotonic()
        if now - self._flushed_at >= INTERVAL_SECONDS:
            self._flushed_at = now
            self._counts.flush()

    def _run(self, report: RunReport) -> None:
        pipeline = {"bronze.pipeline": report.pipeline}
        if report.layer != "bronze":
            pipeline["bronze.layer"] = report.layer
        ended = pipeline | {"bronze.run.status": report.status}
        if report.error_code is not None:
            ended |= {"error.type": report.error_code}
        self._runs.add(1, ended)
        self._run_seconds.record(report.seconds, ended)
        # A database has no pages, and a page that failed was received all the same.
        rest = report.bytes_in - self._received.pop(report.run, 0)
        if rest > 0:
            self._in.add(rest, pipeline)
        if report.rejected:
            self._rejected.add(report.rejected, pipeline)
        if report.status == "committed":
            self._rows.add(report.rows, pipeline)
            self._committed_at.set(self._clock.now().timestamp(), pipeline)
