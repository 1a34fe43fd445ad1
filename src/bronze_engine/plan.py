"""Configuration, recorded windows and a date become a request. Pure: no I/O, no clock.

The rules are those of SEMANTICS 1: a chained window begins where the newest earlier date
ended; a re-run keeps its recorded low and ends where the next committed date begins; a
full load, and a full refresh, begin an epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from bronze_engine.config.incremental import Incremental
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.rules.chain import all_asked
from bronze_engine.config.source import FilesSourceConfig, HttpSourceConfig
from bronze_engine.config.template import uses
from bronze_engine.contracts import Request
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.day import covers, day_bounds, settled_until
from bronze_engine.model.layout import Layout
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.model.override import Override, moved
from bronze_engine.model.window import Window, cursor_key, earlier_cursor

__all__ = [
    "begins_epoch",
    "final_window",
    "follows_full_load",
    "highest",
    "is_above",
    "is_chained",
    "is_complete",
    "is_dated",
    "make_request",
    "names_run_date",
    "old_date_warning",
    "planned_window",
]


def begins_epoch(pipeline: Pipeline, *, full_refresh: bool) -> bool:
    """Whether a run replaces all that earlier dates hold: a full load, a full refresh."""
    return pipeline.incremental is None or full_refresh


def is_dated(pipeline: Pipeline) -> bool:
    """Whether each date has a window of its own, so that none depends on another."""
    return pipeline.incremental is not None and pipeline.incremental.window == "date"


def is_chained(pipeline: Pipeline) -> bool:
    """Whether the window of a date begins where another's ends."""
    return pipeline.incremental is not None and pipeline.incremental.window == "chain"


def is_complete(pipeline: Pipeline, manifest: Manifest) -> bool:
    """Whether a date window was read to its end: a run before that recorded how far it came."""
    window, incremental = manifest.watermark, pipeline.incremental
    if window is None or incremental is None:
        return False
    return window.high_open and window.high == _day_of(pipeline, incremental, manifest.run_date)[1]


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
        low, cap, epoch = _day(pipeline, run_date, neighbours, new_epoch)
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
        low_open=_is_low_open(pipeline, neighbours, new_epoch),
        read_from=_read_from(pipeline.incremental, low),
        cap=cap,
        cap_open=is_dated(pipeline),
        epoch=epoch,
        override=override,
        base=base,
        incremental=pipeline.incremental,
        schema=pipeline.schema,
        primary_key=pipeline.primary_key,
    )


def _read_from(incremental: Incremental | None, low: str | None) -> str | None:
    """Below low by the lookback; the first run has nothing to look back at."""
    if incremental is None or incremental.lookback is None or low in (None, incremental.initial):
        return low
    return earlier_cursor(
        low, incremental.lookback, incremental.cursor_type, incremental.cursor_timezone
    )


def _bounds(
    pipeline: Pipeline, neighbours: Neighbours, new_epoch: int, override: Override | None
) -> tuple[str | None, str | None, int, Override | None]:
    """(low, cap, epoch), and the override that the window goes back to."""
    incremental = pipeline.incremental
    own, earlier, later = neighbours.own, neighbours.earlier, neighbours.later
    if incremental is None:
        return None, None, new_epoch, None
    if new_epoch:
        if later is not None:
            raise StateError(
                f"a full refresh of {pipeline.name} would leave {later.run_date} behind, which"
                " chains to what it replaces; refresh the newest date, or a new one"
            )
        is_reset = override is not None and override.kind == "reset"
        return incremental.initial, None, new_epoch, override if is_reset else None
    own_window = _window(own, incremental, pipeline)
    earlier_window = _window(earlier, incremental, pipeline)
    later_window = _window(later, incremental, pipeline)
    if own is not None and own_window is not None:
        low, epoch = own_window.low, own.epoch
    elif earlier is not None and earlier_window is not None:
        low, epoch = earlier_window.high, earlier.epoch
    else:
        low, epoch = incremental.initial, 1 if later is None else later.epoch
    cap, used = None, None if own is None else own.override
    if override is not None and override.value is not None:
        low, cap = moved(
            override.value, low, own_window, lambda left, right: is_above(left, right, incremental)
        )
        used = override if cap is None else used
    if used is None and earlier is not None and earlier_window and earlier.epoch == epoch:
        end = earlier_window.high
        if end is not None and (low is None or is_above(end, low, incremental)):
            begins = "the beginning" if low is None else low
            raise StateError(
                f"the windows of {pipeline.name} overlap: {earlier.run_date} ends at {end}, and"
                f" the one to read begins at {begins}; run {earlier.run_date} again, or begin anew"
                " with --full-refresh"
            )
    decided = None if later is None or later.epoch != epoch else later.override
    if decided is not None and decided.value is not None:
        # Where that one begins was decided; this one ends where it ended, or is empty.
        own_high = None if own_window is None else own_window.high
        return low, own_high or low or decided.value, epoch, used
    if later is not None and later_window is not None and later.epoch == epoch:
        cap = later_window.low
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
    return low, cap, epoch, used


def _is_low_open(pipeline: Pipeline, neighbours: Neighbours, new_epoch: int) -> bool:
    """Whether rows exactly at low have landed elsewhere: a re-run keeps what was recorded, and
    the first values of the day that ended a date window belong to the chain that goes on."""
    incremental, own, earlier = pipeline.incremental, neighbours.own, neighbours.earlier
    if incremental is None or new_epoch:
        return incremental is None or (incremental.low_open and not is_dated(pipeline))
    if is_dated(pipeline):
        return False
    if own is not None and own.watermark is not None:
        return incremental.low_open and own.watermark.low_open
    if earlier is not None and earlier.watermark is not None:
        return incremental.low_open and not earlier.watermark.high_open
    return incremental.low_open


def _day(
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
    window = _window(other, incremental, pipeline)
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


def _window(
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


def names_run_date(pipeline: Pipeline) -> bool:
    """Whether what is asked for says which date it is asked for."""
    source = pipeline.source
    asked: Iterable[Any]
    match source:
        case FilesSourceConfig():
            asked = source.urls
        case HttpSourceConfig():
            asked = all_asked(source)
        case _:
            asked = (source.query, source.where)
    return any("run_date" in uses(part) for part in asked)


def old_date_warning(pipeline: Pipeline, run_date: date, today: date) -> str | None:
    """What to say where a past date will hold today's data; None where all is well."""
    if run_date >= today or is_dated(pipeline) or names_run_date(pipeline):
        return None
    source, where = pipeline.source, "query or where, if the database"
    if isinstance(source, FilesSourceConfig):
        if pipeline.incremental is not None:  # the files of a date are recorded
            return None
        where = "url, if its files"
    elif isinstance(source, HttpSourceConfig):
        where = "the path or params where the API"
    return (
        f"{run_date} is past and the request does not name it: this is today's data under an old"
        f" date; use {{run_date}} in {where} can be asked for a date"
    )


def final_window(request: Request, high: str | None, reached: str | None = None) -> Window | None:
    """The window to record. `high` is the highest cursor value that landed, None for no row.

    A window with a cap was asked for up to there, so it ends there; an empty one keeps
    high = low. A date window ends with its day once that is over, and before that where
    everything was `reached` (None: by the instant at which the run began), which its high says.
    """
    window = planned_window(request)
    if window is None:
        return None
    is_day = request.incremental is not None and request.incremental.window == "date"
    if is_day and request.low is not None and request.cap is not None:
        return _day_so_far(window, request, request.low, request.cap, reached)
    end = request.cap or high or request.low
    return msgspec.structs.replace(window, high=end)


def _day_so_far(
    window: Window, request: Request, low: str, end: str, reached: str | None
) -> Window:
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
    if is_above(low, reached, incremental):
        return msgspec.structs.replace(window, high=low)
    return msgspec.structs.replace(window, high=reached, high_open=False)


def highest(left: str | None, right: str | None, request: Request) -> str | None:
    """The higher of two cursor values; None is below everything."""
    if left is None or right is None or request.incremental is None:
        return right if left is None else left
    return right if is_above(right, left, request.incremental) else left
