"""What an engine lends to every run, and the names that a run goes by."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

import msgspec

from bronze_engine.clock import Clock
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.table_format import TableOutput
from bronze_engine.contracts import Hook, LakeTable, Resources, SourceType, Store
from bronze_engine.flow import Budget, Reservation
from bronze_engine.publish.preflight import Preflight
from bronze_engine.telemetry.metrics import SourceTally
from bronze_engine.workers import Workers

__all__ = ["Identity", "Options", "Services", "Stores"]


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """Where a pipeline's partitions lie, and where its state and reports do."""

    target: Store
    state: Store


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine lends to every run."""

    clock: Clock
    workers: Workers
    budget: Budget
    preflight: Preflight
    publish: Hook
    source_type: Callable[[Pipeline], Awaitable[SourceType[Any]]]
    stores: Callable[[Pipeline], Awaitable[Stores]]
    table: Callable[[Pipeline, TableOutput], Awaitable[LakeTable | None]]
    """Of the pipeline's [output] or its Silver's; None where that has no `table_format`. Raises
    ConfigError where the format's extra is not installed."""
    resources: Callable[[Pipeline, SourceTally], Resources]
    """For a pipeline, and where its source counts."""
    today: Callable[[], date]
    """The date in the engine's timezone."""
    grace_seconds: Callable[[], float]
    """How long a cancelled run may still work on its commit, or on cleaning up."""
    resume_seconds: float
    """How old the checkpoint of a run may be that is resumed."""
    spill_dir: str | None = None
    """Where runs of Silver put what does not fit into memory; None: where the system does."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller asks of one run beyond the configuration."""

    full_refresh: bool = False
    adopt: bool = False
    """Take over a partition that stands under another pipeline's name."""
    wait_seconds: float = 0.0
    """How long to wait for a lease that another run holds."""
    replay: bool = False
    """Decode the captured pages of the committed partition again, in place of a reading."""
    mend: bool = False
    """Decode the records in the committed partition's quarantine again, beside its rows."""
    resume: bool = True
    """Go on where an earlier process of the run has left it."""
    admitted: Callable[[Reservation], None] | None = None
    """Told what was set aside for the run, once it is: the caller may have it lend that."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The names of one run."""

    run: str
    attempt: str
    started_at: datetime

    @classmethod
    def new(cls, clock: Clock) -> Identity:
        return cls(run=uuid.uuid4().hex[:12], attempt=uuid.uuid4().hex[:12], started_at=clock.now())
