"""Windows as they are recorded: which rows of a cursor a partition holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.contracts import Request
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.day import covers, settled_until
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.window import Window, cursor_key

__all__ = [
    "begins_epoch",
    "final_window",
    "highest",
    "is_above",
    "is_chained",
    "is_dated",
    "is_whole",
    "planned_window",
    "recorded_window",
]


def begins_epoch(pipeline: Pipeline, *, full_refresh: bool) -> bool:
    """Whether a run replaces all that earlier dates hold: a full load, a full refresh."""
    return pipeline.incremental is None or full_refresh


def is_chained(pipeline: Pipeline) -> bool:
    """Whether the window of a date begins where another's ends."""
    return pipeline.incremental is not None and pipeline.incremental.window == "chain"


def is_dated(pipeline: Pipeline) -> bool:
    """Whether each date has a window of its own, so that none depends on another."""
    return pipeline.incremental is not None and pipeline.incremental.window == "date"


def is_above(left: str, right: str, incremental: Incremental) -> bool:
    """Whether left > right, as values of the cursor's type. Raises ConfigError for what is none."""

    def key(value: str) -> Any:
        try:
            return cursor_key(value, incremental.cursor_type, incremental.cursor_timezone)
        except ValueError as exc:
            raise ConfigError(
                f"incremental.cursor {incremental.cursor!r}: {value!r} is no"
                f" {incremental.cursor_type}: {exc}"
            ) from exc

    return bool(key(left) > key(right))


def planned_window(request: Request) -> Window | None:
    """The window as far as it is known before anything was read."""
    if request.incremental is None:
        return None
    return Window(
        column=request.incremental.cursor,
        type=request.incremental.cursor_type,
        low=request.low,
        high=request.cap,
        read_from=request.read_from,
        low_open=request.low_open,
        high_open=request.cap_open,
    )


def final_window(request: Request, high: str | None, reached: str | None = None) -> Window | None:
    """The window to record. `high` is the highest cursor value that landed, None for no row.

    It never ends before it begins, though a lookback may have found nothing but rows below. A
    window with a cap was asked for up to there, so it ends there; an empty one keeps
    high = low, and is open at it where its low is not: rows there may still come. A date window
    ends with its day once that is over, and before that where everything was `reached` (None: by
    the instant at which the run began), which its high says.
    """
    window = planned_window(request)
    if window is None:
        return None
    is_day = request.incremental is not None and request.incremental.window == "date"
    if is_day and request.low is not None and request.cap is not None:
        return _day_so_far(window, request, (request.low, request.cap), high, reached)
    if high is not None:
        high = highest(high, request.low, request)
    if _may_still_come(window, request, high):
        return msgspec.structs.replace(window, high=request.low, high_open=True)
    return msgspec.structs.replace(window, high=request.cap or high or request.low)


def is_whole(request: Request) -> bool:
    """Whether a run that begins now reads its window to the end: a day may not be over."""
    return final_window(request, None) == planned_window(request)


def _may_still_come(window: Window, request: Request, high: str | None) -> bool:
    """Whether a chain that takes rows at its low, as after a date window, has seen none yet."""
    incremental = request.incremental
    if (
        incremental is None
        or not incremental.low_open
        or window.low_open
        or request.cap is not None
    ):
        return False
    # A lookback finds rows below, and may stand at low for them.
    return high is None or (high == request.low and request.read_from != request.low)


def _day_so_far(
    window: Window,
    request: Request,
    day: tuple[str, str],
    high: str | None,
    reached: str | None,
) -> Window:
    low, end = day
    incremental = request.incremental
    assert incremental is not None  # noqa: S101  # or there would be no window
    kind, zone = incremental.cursor_type, incremental.cursor_timezone
    if reached is None:
        begun = request.started_at - timedelta(seconds=incremental.lag or 0)
        reached = settled_until(begun, kind, zone)
    if reached is None or covers(reached, end, kind, zone):
        return window
    if kind == "date":  # it is read as it stands: a day that is not over ends with itself
        return msgspec.structs.replace(window, high=low, high_open=False)
    if high is not None and is_above(high, reached, incremental):
        reached = high  # a source without a clock tells only by its rows what it has seen
    if is_above(low, reached, incremental):
        return msgspec.structs.replace(window, high=low)
    return msgspec.structs.replace(window, high=reached, high_open=False)


def highest(left: str | None, right: str | None, request: Request) -> str | None:
    """The higher of two cursor values; None is below everything."""
    if left is None or right is None or request.incremental is None:
        return right if left is None else left
    return right if is_above(right, left, request.incremental) else left


def recorded_window(
    manifest: Manifest | None, incremental: Incremental, pipeline: Pipeline
) -> Window | None:
    """The manifest's window, if it is one of the cursor that the configuration names."""
    if manifest is None or manifest.watermark is None:
        return None
    window = manifest.watermark
    if (window.column, window.type) != (incremental.cursor, incremental.cursor_type):
        raise StateError(
            f"{pipeline.name} {manifest.run_date} was landed by the cursor {window.column!r}"
            f" ({window.type}), and the configuration says {incremental.cursor!r}"
            f" ({incremental.cursor_type}); put the cursor back, or begin anew with --full-refresh"
        )
    return window
