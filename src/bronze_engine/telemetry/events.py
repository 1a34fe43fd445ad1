"""Typed events, told to hooks as they happen. None of them holds a secret."""

from __future__ import annotations

import msgspec

from bronze_engine.model.report import RunReport

__all__ = [
    "BreakerChanged",
    "ConcurrencyChanged",
    "Event",
    "FileStaged",
    "PageFetched",
    "RequestRetried",
    "RowsWritten",
    "RunFinished",
    "RunPhase",
    "RunStarted",
]


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


class RequestRetried(msgspec.Struct, frozen=True, kw_only=True):
    group: str
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
    RunStarted
    | RunPhase
    | PageFetched
    | RequestRetried
    | BreakerChanged
    | ConcurrencyChanged
    | RowsWritten
    | FileStaged
    | RunFinished
)
