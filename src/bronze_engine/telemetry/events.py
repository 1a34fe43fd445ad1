"""Typed events, told to hooks as they happen. None of them holds a secret."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.profile import Stage
from bronze_engine.model.report import RunReport

__all__ = [
    "BackfillStarted",
    "BatchFinished",
    "BatchRunEnded",
    "BatchStarted",
    "BreakerChanged",
    "ConcurrencyChanged",
    "Event",
    "FileStaged",
    "PageFetched",
    "RequestFinished",
    "RequestRetried",
    "RowsWritten",
    "RunFinished",
    "RunPhase",
    "RunRenamed",
    "RunStarted",
    "StageFinished",
]


class BatchStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A batch is about to run these pipelines and dates, in the order of asking."""

    batch: str
    runs: tuple[tuple[str, date], ...]


class BatchRunEnded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one pipeline and date of a batch: of those, too, that were never begun."""

    batch: str
    result: BatchRun


class BatchFinished(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of a batch is run any more, whatever became of it."""

    batch: str
    report: BatchReport


class BackfillStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A backfill is about to run these dates: those that are not committed yet, in order."""

    pipeline: str
    run_dates: tuple[date, ...]


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A run has its turn, and begins."""

    pipeline: str
    run_date: str
    """Of Silver the newest date that is asked for, or today."""
    run: str
    layer: Literal["bronze", "silver"] = "bronze"


class RunRenamed(msgspec.Struct, frozen=True, kw_only=True):
    """A run goes on under another name: of the one that it resumes, or a new one where that
    can't be resumed after all."""

    pipeline: str
    run_date: str
    run: str
    """Its name from here on."""
    before: str
    """The one that it began with."""


class RunPhase(msgspec.Struct, frozen=True, kw_only=True):
    """The run entered a phase: "waiting for memory", "reading", "publishing"; of Silver also
    "reading bronze" and "merging"."""

    pipeline: str
    run: str
    phase: str


class PageFetched(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a source has come, whole and checked."""

    pipeline: str
    run: str
    page: int
    records: int
    bytes_in: int
    total_records: int | None = None
    """What the source says it holds, where it says so."""


class RequestFinished(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of an operation on an API, a database or a store has ended."""

    group: str
    component: str
    pipeline: str
    """Empty where the operation is of no one pipeline: a store is shared."""
    operation: str
    """As it stands in messages, without secrets."""
    outcome: Literal["succeeded", "refused", "failed", "untold"]
    """`refused`: the server wants to be left alone. `untold`: cancelled, or an error that says
    nothing of the server."""
    waited_seconds: float
    """For pause, breaker, slot and tokens, before it was sent."""
    seconds: float
    """From sending to the whole answer."""
    resends: int = 0
    """Attempts of the same operation before this one, those that a pause followed among them."""
    status: int | None = None
    """Of HTTP, as the server answered last; None where it did not answer, or speaks no HTTP."""
    error: str = ""
    """The type of what broke the attempt, in words of the client library; empty where none did."""


class RequestRetried(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt failed in a way that may pass: another one follows after a wait."""

    group: str
    pipeline: str = ""
    attempt: int
    wait_seconds: float
    reason: str


class BreakerChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit breaker has opened, closed, or lets a probe pass."""

    component: str
    state: str


class ConcurrencyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The number of requests in flight that a limit group allows was chosen anew."""

    group: str
    component: str
    limit: int
    reason: str
    """See `limits.adaptive.Reason`."""


class RowsWritten(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a run have gone into its files."""

    pipeline: str
    run: str
    rows: int
    """Rows written so far in this run."""


class FileStaged(msgspec.Struct, frozen=True, kw_only=True):
    """A data file of a run is whole and sealed, and not visible yet."""

    pipeline: str
    run: str
    name: str
    rows: int
    size_bytes: int


class StageFinished(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage of a run has done in all; told before `RunFinished`."""

    pipeline: str
    run: str
    stage: Stage
    jobs: int
    work_seconds: float
    """Of what ran side by side, added up."""
    wait_seconds: float
    busy_seconds: float
    """Wall time in which at least one was under way."""
    cpu_seconds: float | None = None
    """Of workers; None where the work is another machine's."""


class RunFinished(msgspec.Struct, frozen=True, kw_only=True):
    """A run is over, committed or not."""

    pipeline: str
    run: str
    status: str
    rows: int
    seconds: float
    error_code: str | None = None
    report: RunReport
    """All that is known of the run, as it is stored."""


Event = (
    BatchStarted
    | BatchRunEnded
    | BatchFinished
    | BackfillStarted
    | RunStarted
    | RunRenamed
    | RunPhase
    | PageFetched
    | RequestFinished
    | RequestRetried
    | BreakerChanged
    | ConcurrencyChanged
    | RowsWritten
    | FileStaged
    | StageFinished
    | RunFinished
)
