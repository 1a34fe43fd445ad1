"""Configuration, recorded windows and a date become a request. Pure: no I/O, no clock.

The rules are those of SEMANTICS 1: a chained window begins where the newest earlier date
ended; a re-run keeps its recorded low and ends where the next committed date begins; a
full load, and a full refresh, begin an epoch. A date window is the day of its date.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.quality_rule import refuses_rows
from bronze_engine.contracts import Request
from bronze_engine.errors import StateError
from bronze_engine.model.layout import Layout
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.model.override import Override, moved
from bronze_engine.model.window import earlier_cursor
from bronze_engine.plan.day import day_window
from bronze_engine.plan.window import is_above, is_dated, recorded_window

__all__ = ["follows_full_load", "make_request"]


def follows_full_load(pipeline: Pipeline, neighbours: Neighbours) -> bool:
    """Whether a chain begins where a full load stands: it reads everything, as an epoch does."""
    own, earlier = neighbours.own, neighbours.earlier
    return (
        pipeline.incremental is not None
        and (own is None or own.watermark is None)
        and earlier is not None
        and earlier.watermark is None
        and not is_dated(pipeline)
    )


def make_request(
    pipeline: Pipeline,
    *,
    run_date: date,
    run: str,
    started_at: datetime,
    neighbours: Neighbours,
    new_epoch: int,
    base: Layout | None,
    override: Override | None = None,
) -> Request:
    """Decide what a run reads.

    `new_epoch` is the one that the run begins, 0 where it goes on with the recorded
    windows. `override` is what a person has decided and no commit has used yet. Raises
    StateError where the windows contradict each other or the configuration.
    """
    low: str | None
    cap: str | None
    if is_dated(pipeline):
        low, cap, epoch = day_window(pipeline, run_date, neighbours, new_epoch)
        override = override if new_epoch else None
    else:
        low, cap, epoch, override = _bounds(pipeline, neighbours, new_epoch, override)
    return Request(
        pipeline=pipeline.name,
        system=pipeline.system,
        entity=pipeline.entity,
        run_date=run_date,
        run=run,
        load=pipeline.load,
        started_at=started_at,
        low=low,
        low_open=_is_low_open(pipeline, neighbours, new_epoch, override),
        read_from=_read_from(pipeline.incremental, low),
        cap=cap,
        cap_open=is_dated(pipeline) or (cap is not None and _is_cap_open(pipeline, neighbours)),
        epoch=epoch,
        override=override,
        base=base,
        incremental=pipeline.incremental,
        schema=pipeline.schema,
        primary_key=pipeline.primary_key,
        keeps_records=any(refuses_rows(rule) for rule in pipeline.quality.rules),
    )


def _read_from(incremental: Incremental | None, low: str | None) -> str | None:
    """Below low by the lookback; the first run has nothing to look back at."""
    if incremental is None or incremental.lookback is None or low in (None, incremental.initial):
        return low
    return earlier_cursor(
        low, incremental.lookback, incremental.cursor_type, incremental.cursor_timezone
    )


class _Bounds(NamedTuple):
    """Where a window begins, and where the next date's does."""

    low: str | None
    cap: str | None
    epoch: int
    override: Override | None
    """The one that the window goes back to."""


def _bounds(
    pipeline: Pipeline, neighbours: Neighbours, new_epoch: int, override: Override | None
) -> _Bounds:
    incremental = pipeline.incremental
    own, earlier, later = neighbours.own, neighbours.earlier, neighbours.later
    if incremental is None:
        return _Bounds(None, None, new_epoch, None)
    if new_epoch:
        return _first_of_epoch(pipeline, incremental, later, new_epoch, override)
    own_window = recorded_window(own, incremental, pipeline)
    low, epoch = _begin(pipeline, incremental, neighbours)
    cap, used = None, None if own is None else own.override
    if override is not None and override.value is not None:
        low, cap = moved(
            override.value, low, own_window, lambda left, right: is_above(left, right, incremental)
        )
        used = override if cap is None else used
    if used is None and earlier is not None and earlier.epoch == epoch:
        _check_begin(pipeline, incremental, earlier, low)
    if later is not None and later.epoch == epoch:
        if later.override is not None and later.override.value is not None:
            # Where that one begins was decided; this one ends where it ended, or is empty.
            own_high = None if own_window is None else own_window.high
            return _Bounds(low, own_high or low or later.override.value, epoch, used)
        later_window = recorded_window(later, incremental, pipeline)
        if later_window is not None:
            cap = later_window.low
            _check_end(pipeline, incremental, later, low, cap)
    return _Bounds(low, cap, epoch, used)


def _first_of_epoch(
    pipeline: Pipeline,
    incremental: Incremental,
    later: Manifest | None,
    epoch: int,
    override: Override | None,
) -> _Bounds:
    if later is not None:
        raise StateError(
            f"a full refresh of {pipeline.name} would leave {later.run_date} behind, which"
            " chains to what it replaces; refresh the newest date, or a new one"
        )
    is_reset = override is not None and override.kind == "reset"
    return _Bounds(incremental.initial, None, epoch, override if is_reset else None)


def _begin(
    pipeline: Pipeline, incremental: Incremental, neighbours: Neighbours
) -> tuple[str | None, int]:
    """The low that the manifests say, and its epoch: a re-run keeps its own."""
    own, earlier, later = neighbours.own, neighbours.earlier, neighbours.later
    own_window = recorded_window(own, incremental, pipeline)
    if own is not None and own_window is not None:
        return own_window.low, own.epoch
    earlier_window = recorded_window(earlier, incremental, pipeline)
    if earlier is not None and earlier_window is not None:
        return earlier_window.high, earlier.epoch
    return incremental.initial, 1 if later is None else later.epoch


def _check_begin(
    pipeline: Pipeline, incremental: Incremental, earlier: Manifest, low: str | None
) -> None:
    """Raise StateError for a window that begins within the one before it."""
    window = recorded_window(earlier, incremental, pipeline)
    if window is None or window.high is None:
        return
    if low is None or is_above(window.high, low, incremental):
        begins = "the beginning" if low is None else low
        raise StateError(
            f"the windows of {pipeline.name} overlap: {earlier.run_date} ends at {window.high}, and"
            f" the one to read begins at {begins}; run {earlier.run_date} again, or begin anew"
            " with --full-refresh"
        )


def _check_end(
    pipeline: Pipeline,
    incremental: Incremental,
    later: Manifest,
    low: str | None,
    cap: str | None,
) -> None:
    """Raise StateError where the next date leaves no window, or one that ends before it begins."""
    if cap is None:
        raise StateError(
            f"{later.run_date} of {pipeline.name} was read from the beginning, so nothing is"
            " left for an earlier date; run that date again, or set incremental.initial and"
            " begin anew with --full-refresh"
        )
    if low is not None and is_above(low, cap, incremental):
        raise StateError(
            f"the windows of {pipeline.name} overlap: the one to read begins at {low}, and"
            f" {later.run_date} begins at {cap} already; run {later.run_date} again, or begin"
            " anew with --full-refresh"
        )


def _is_low_open(
    pipeline: Pipeline, neighbours: Neighbours, new_epoch: int, override: Override | None
) -> bool:
    """Whether rows exactly at low have landed elsewhere: a re-run keeps what was recorded, the
    first values of the day that ended a date window belong to the chain that goes on, and
    those at `initial` to the first run."""
    incremental, own, earlier = pipeline.incremental, neighbours.own, neighbours.earlier
    if incremental is None:
        return True
    if is_dated(pipeline):
        return False
    is_moved = override is not None and override.value is not None
    if new_epoch:
        return incremental.low_open and (incremental.initial is None or is_moved)
    if own is not None and own.watermark is not None:
        return incremental.low_open and own.watermark.low_open
    if earlier is not None and earlier.watermark is not None:
        return incremental.low_open and not earlier.watermark.high_open
    return incremental.low_open and (incremental.initial is None or is_moved)


def _is_cap_open(pipeline: Pipeline, neighbours: Neighbours) -> bool:
    """Whether rows exactly at the cap of a chain's window belong to the date after it: to one that
    has taken up where a date window ended."""
    incremental, own, later = pipeline.incremental, neighbours.own, neighbours.later
    if incremental is None or not incremental.low_open:
        return False
    if later is None or later.override is not None:  # the cap is where its own window ended
        return own is not None and own.watermark is not None and own.watermark.high_open
    return later.watermark is not None and not later.watermark.low_open
