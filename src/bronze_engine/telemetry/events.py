"""Typed events, told to hooks as they happen. None of them holds a secret."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from bronze_engine.model.batch import BatchReport
from bronze_engine.model.report import RunReport

__all__ = [
    "BatchFinished",
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
    "RunStarted",
]


class BatchStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A batch is about to run these pipelines and dates, in the order of asking."""

    batch: str
    runs: tuple[tuple[str, date], ...]


class BatchFinished(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of a batch is run any more, whatever became of it."""

    batch: str
    report: BatchReport


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    pipeline: str
    run_date: str
    run: str


class RunPhase(msgspec.Struct, frozen=True, kw_only=True):
    """The run entered a phase: "waiting for memory", "reading", "publishing"."""

    pipeline: str
    run: str
    phase: str


class PageFetched(msgspec.Struct, frozen=True, kw_only=True):
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


class RequestRetried(msgspec.Struct, frozen=True, kw_only=True):
    group: str
    pipeline: str = ""
    attempt: int
    wait_seconds: float
    reason: str


class BreakerChanged(msgspec.Struct, frozen=True, kw_only=True):
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
    pipeline: str
    run: str
    rows: int
    """Rows written so far in this run."""


class FileStaged(msgspec.Struct, frozen=True, kw_only=True):
    pipeline: str
    run: str
    name: str
    rows: int
    size_bytes: int


class RunFinished(msgspec.Struct, frozen=True, kw_only=True):
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
    | BatchFinished
    | RunStarted
    | RunPhase
    | PageFetched
    | RequestFinished
    | RequestRetried
    | BreakerChanged
    | ConcurrencyChanged
    | RowsWritten
    | FileStaged
    | RunFinished
)
