"""Spans: a batch, its runs, the phases and stages of each, and some of their requests.

    batch
    └── run team.orders
        ├── waiting for memory, preparing, reading, publishing    phases, one after another
        ├── stage fetch, stage decode, …                          as long as each was busy
        └── GET shop, PUT store lake, …                           attempts

Which run a request is of is told by a context variable, for requests of a shared store name no
pipeline: it is set where the run begins and inherited by its tasks. The caller's own current
span is only read, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Final, final

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from bronze_engine.clock import Clock
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import (
    BatchFinished,
    BatchStarted,
    Event,
    FileStaged,
    RequestFinished,
    RequestRetried,
    RunFinished,
    RunPhase,
    RunRenamed,
    RunStarted,
    StageFinished,
)
from bronze_engine.telemetry.otel.request import attributes_of, is_error, name_of

__all__ = ["Spans"]

_run: Final = ContextVar[str | None]("bronze_run", default=None)
_batch: Final = ContextVar[str | None]("bronze_batch", default=None)

_ERROR_CHARACTERS: Final = 2000


@final
class _Run:
    """The span of one run, and what goes below it."""

    def __init__(self, span: Span, began: datetime) -> None:
        self.span = span
        self.context: Context = set_span_in_context(span)
        self.phase: Span | None = None
        self.reading_since = began
        self.due = 1.0
        """Grows by the share with each request; at one the request has a span."""
        self.names: list[str] = []


@final
class Spans:
    """Makes spans of events."""

    def __init__(
        self, tracer: Tracer, clock: Clock, hide: Callable[[str], str], share: float
    ) -> None:
        self._tracer = tracer
        self._clock = clock
        self._hide = hide
        self._share = share
        self._runs: dict[str, _Run] = {}
        self._batches: dict[str, Span] = {}

    def __call__(self, event: Event, /) -> None:
        match event:
            case RequestFinished():
                self._request(event)
            case RequestRetried():
                self._retry(event)
            case RunStarted():
                self._begin(event)
            case RunRenamed():
                self._rename(event)
            case RunPhase():
                self._phase(event)
            case StageFinished():
                self._stage(event)
            case FileStaged():
                self._file(event)
            case RunFinished():
                self._finish(event.report)
            case BatchStarted():
                self._begin_batch(event)
            case BatchFinished():
                self._finish_batch(event)
            case _:
                pass

    def _begin_batch(self, event: BatchStarted) -> None:
        attributes: dict[str, str | int] = {
            "bronze.batch.id": event.batch,
            "bronze.batch.runs": len(event.runs),
        }
        self._batches[event.batch] = self._tracer.start_span(
            "batch", attributes=attributes, start_time=_nanoseconds(self._clock.now())
        )
        _batch.set(event.batch)

    def _finish_batch(self, event: BatchFinished) -> None:
        span = self._batches.pop(event.batch, None)
        if span is None:
            return
        for status in ("committed", "failed", "skipped", "left"):
            span.set_attribute(
                f"bronze.batch.{status}", sum(run.status == status for run in event.report.runs)
            )
        if event.report.exit_code:
            bad = sum(run.status != "committed" for run in event.report.runs)
            span.set_status(Status(StatusCode.ERROR, f"{bad} runs did not commit"))
        span.end(_nanoseconds(self._clock.now()))

    def _begin(self, event: RunStarted) -> None:
        now = self._clock.now()
        batch = self._batches.get(_batch.get() or "")
        is_bronze = event.layer == "bronze"
        span = self._tracer.start_span(
            f"{'run' if is_bronze else event.layer} {event.pipeline}",
            # Without a batch of ours the current context: a span of the caller's, if there is one.
            context=None if batch is None else set_span_in_context(batch),
            attributes={
                "bronze.pipeline": event.pipeline,
                "bronze.run.id": event.run,
                "bronze.run.date": event.run_date,
                **({} if is_bronze else {"bronze.layer": event.layer}),
            },
            start_time=_nanoseconds(now),
        )
        run = _Run(span, now)
        run.names.append(event.run)
        self._runs[event.run] = run
        _run.set(event.run)

    def _rename(self, event: RunRenamed) -> None:
        run = self._runs.get(event.before)
        if run is not None:
            run.names.append(event.run)
            run.span.set_attribute("bronze.run.id", event.run)
            self._runs[event.run] = run  # its tasks know it by the name before, too

    def _phase(self, event: RunPhase) -> None:
        run = self._runs.get(event.run)
        if run is None:
            return
        now = self._clock.now()
        if run.phase is not None:
            run.phase.end(_nanoseconds(now))
        if event.phase == "reading":
            run.reading_since = now
        run.phase = self._tracer.start_span(
            event.phase, context=run.context, start_time=_nanoseconds(now)
        )

    def _stage(self, event: StageFinished) -> None:
        run = self._runs.get(event.run)
        if run is None:
            return
        attributes: dict[str, str | int | float] = {
            "bronze.stage": event.stage,
            "bronze.stage.jobs": event.jobs,
            "bronze.stage.work_seconds": event.work_seconds,
            "bronze.stage.wait_seconds": event.wait_seconds,
        }
        if event.cpu_seconds is not None:
            attributes["bronze.stage.cpu_seconds"] = event.cpu_seconds
        until = run.reading_since + timedelta(seconds=event.busy_seconds)
        self._span(f"stage {event.stage}", run.context, attributes, run.reading_since, until)

    def _file(self, event: FileStaged) -> None:
        run = self._runs.get(event.run)
        if run is not None:
            run.span.add_event(
                "file staged",
                {"name": event.name, "rows": event.rows, "size_bytes": event.size_bytes},
                _nanoseconds(self._clock.now()),
            )

    def _request(self, event: RequestFinished) -> None:
        if self._share <= 0 and event.outcome == "succeeded":
            return
        run = self._runs.get(_run.get() or "")
        if run is None:
            return  # of a command that runs nothing, or after the run's end
        run.due += self._share
        if run.due < 1 and event.outcome == "succeeded":
            return
        run.due = max(0.0, run.due - 1.0)
        now = self._clock.now()
        self._span(
            name_of(event),
            run.context,
            attributes_of(event, self._hide(event.operation)),
            now - timedelta(seconds=event.seconds),
            now,
            kind=SpanKind.CLIENT,
            is_error=is_error(event),
        )

    def _retry(self, event: RequestRetried) -> None:
        run = self._runs.get(_run.get() or "")
        if run is not None:
            attributes: dict[str, str | int | float] = {
                "bronze.group": event.group,
                "reason": self._hide(event.reason),
                "attempt": event.attempt,
                "wait_seconds": event.wait_seconds,
            }
            run.span.add_event("retry", attributes, _nanoseconds(self._clock.now()))

    def _finish(self, report: RunReport) -> None:
        run = self._runs.get(report.run)
        if run is None:
            return
        for name in run.names:
            self._runs.pop(name, None)
        now = _nanoseconds(self._clock.now())
        if run.phase is not None:
            run.phase.end(now)
        run.span.set_attributes(_outcome(report))
        if report.status != "committed":
            error = self._hide(report.error or report.status)[:_ERROR_CHARACTERS]
            run.span.set_attribute("error.type", report.error_code or report.status)
            run.span.set_status(Status(StatusCode.ERROR, error))
        run.span.end(now)

    def _span(
        self,
        name: str,
        context: Context,
        attributes: Mapping[str, str | int | float],
        since: datetime,
        until: datetime,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        is_error: bool = False,
    ) -> None:
        """One that is over already."""
        span = self._tracer.start_span(
            name, context=context, kind=kind, attributes=attributes, start_time=_nanoseconds(since)
        )
        if is_error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(until))


def _outcome(report: RunReport) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {
        "bronze.run.status": report.status,
        "bronze.rows": report.rows,
        "bronze.rows.rejected": report.rejected,
        "bronze.files": report.files,
        "bronze.pages": report.pages,
        "bronze.requests": report.requests,
        "bronze.retries": report.retries,
        "bronze.bytes.in": report.bytes_in,
        "bronze.bytes.out": report.bytes_out,
    }
    if report.generation is not None:
        found["bronze.generation"] = report.generation
    if report.error_code is not None:
        found["bronze.code"] = report.error_code
    return found


def _nanoseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1e6) * 1000
