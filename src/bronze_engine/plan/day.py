"""Windows that each date has by itself: [00:00, 00:00 of the next day)."""

from __future__ import annotations

from datetime import date

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.day import day_bounds
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.plan.window import is_above, recorded_window

__all__ = ["day_window", "is_complete"]


def is_complete(pipeline: Pipeline, manifest: Manifest) -> bool:
    """Whether a date window was read to its end: a run before that recorded how far it came."""
    window, incremental = manifest.watermark, pipeline.incremental
    if window is None or incremental is None:
        return False
    return window.high_open and window.high == _day_of(pipeline, incremental, manifest.run_date)[1]


def day_window(
    pipeline: Pipeline, run_date: date, neighbours: Neighbours, new_epoch: int
) -> tuple[str, str, int]:
    """(low, cap, epoch) of a date window, which other dates have no part in."""
    incremental, last = pipeline.incremental, neighbours.last
    assert incremental is not None  # noqa: S101  # or there would be no window
    low, cap = _day_of(pipeline, incremental, run_date)
    first = incremental.initial
    if first is not None and is_above(first, low, incremental):
        low = cap if is_above(first, cap, incremental) else first
    if new_epoch:
        if neighbours.later is not None:
            raise StateError(
                f"a full refresh of {pipeline.name} for {run_date} would leave"
                f" {neighbours.later.run_date} behind; refresh the newest date, or a new one, and"
                " run the others again (bronze backfill --force)"
            )
        return low, cap, new_epoch
    epoch = 1 if last is None else last.epoch
    for other in (neighbours.earlier, neighbours.later, last):
        if other is not None and other.epoch == epoch and other.run_date != run_date:
            _check_apart(pipeline, incremental, run_date, (low, cap), other)
    return low, cap, epoch


def _day_of(pipeline: Pipeline, incremental: Incremental, run_date: date) -> tuple[str, str]:
    kind, zone = incremental.cursor_type, incremental.cursor_timezone
    try:
        return day_bounds(run_date, kind, pipeline.timezone, zone)
    except ValueError as exc:
        raise ConfigError(f"{pipeline.name} has no window on {run_date}: {exc}") from exc


def _check_apart(
    pipeline: Pipeline,
    incremental: Incremental,
    run_date: date,
    day: tuple[str, str],
    other: Manifest,
) -> None:
    """Raise StateError where a committed window holds values of this day.

    Date windows of one configuration never do; those of a chain, of a full load, and of
    another timezone may.
    """
    low, cap = day
    window = recorded_window(other, incremental, pipeline)
    if window is None:
        is_apart = False
    elif other.run_date < run_date:
        end = window.high
        is_apart = (
            end is None
            or is_above(low, end, incremental)
            or (window.high_open and not is_above(end, low, incremental))
        )
    else:
        is_apart = window.low is not None and not is_above(cap, window.low, incremental)
    if is_apart:
        return
    held = "everything" if window is None else f"{window.low} to {window.high}"
    raise StateError(
        f"the windows of {pipeline.name} overlap: {other.run_date} holds {held}, and {run_date} is"
        f" {low} to {cap}; were window or [engine] timezone changed? Put them back, or begin anew:"
        " run the newest date with --full-refresh, then the others again"
    )
