"""What events have told of the runs of one command: the numbers behind every display."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain, islice
from typing import Literal, final, get_args

from bronze_engine.cli.display.rate import Rate
from bronze_engine.cli.display.view import RunView, Standing
from bronze_engine.clock import Clock
from bronze_engine.model.batch import BatchRun
from bronze_engine.telemetry.events import (
    BackfillStarted,
    BatchRunEnded,
    BatchStarted,
    Event,
    PageFetched,
    RequestRetried,
    RowsWritten,
    RunFinished,
    RunPhase,
    RunRenamed,
    RunStarted,
)

__all__ = ["Board"]

_Key = tuple[str, str]


@final
class Board:
    """A hook that keeps a view of every run, sorted by how it stands.

    What it costs does not grow with the runs that wait or are done: a frame looks at those
    under way, and at as many others as it shows.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.kind = ""
        """What was asked for, "batch" or "backfill"; empty for single runs."""
        self._groups: dict[Standing, dict[_Key, RunView]] = {
            standing: {} for standing in get_args(Standing)
        }
        self._runs: dict[str, RunView] = {}
        """Those under way, by the name of the run."""
        self._order: dict[_Key, int] = {}
        self._dates: set[str] = set()
        self.name_width = 0
        """Of the longest pipeline's name."""
        self.retries = 0
        """Of all requests, those on stores included."""
        self.speed = Rate()
        """Of all rows, as they come."""
        self._heard = 0
        self._done_pages = 0
        self._done_bytes = 0
        self._done_rows = 0
        self.began = clock.monotonic()

    def __call__(self, event: Event, /) -> None:
        match event:
            case PageFetched():
                if (view := self._runs.get(event.run)) is not None:
                    self._heard += view.page(event)
            case RowsWritten():
                if (view := self._runs.get(event.run)) is not None:
                    more = view.write(event.rows)
                    self._heard += 0 if view.is_table else more
            case RunPhase():
                if (view := self._runs.get(event.run)) is not None:
                    view.phase = event.phase
            case RequestRetried():
                self._retried(event.pipeline)
            case RunStarted():
                self._start(event)
            case RunRenamed():
                if (view := self._runs.pop(event.before, None)) is not None:
                    view.is_resumed = True
                    self._runs[event.run] = view
            case RunFinished():
                self._finish(event)
            case BatchRunEnded():
                self._end(event.result)
            case BatchStarted():
                self._expect("batch", ((name, str(day)) for name, day in event.runs))
            case BackfillStarted():
                self._expect("backfill", ((event.pipeline, str(day)) for day in event.run_dates))
            case _:
                pass

    def sample(self) -> None:
        """Note how far everything is; some times a second."""
        now = self._clock.monotonic()
        for view in self.active:
            view.sample(now)
        self.speed.sample(now, self._heard)

    @property
    def active(self) -> Collection[RunView]:
        """Those under way, in the order in which they began."""
        return self._groups["active"].values()

    def count(self, standing: Standing) -> int:
        return len(self._groups[standing])

    @property
    def is_empty(self) -> bool:
        return not self._order

    @property
    def total(self) -> int:
        """All runs that are known of."""
        return len(self._order)

    @property
    def has_dates(self) -> bool:
        """Whether the runs are of several dates."""
        return len(self._dates) > 1

    @property
    def rows(self) -> int:
        """Landed, and read or written by those under way; not once more in curated tables."""
        return self._done_rows + sum(view.rows for view in self.active if not view.is_table)

    @property
    def pages(self) -> int:
        return self._done_pages + sum(view.pages for view in self.active)

    @property
    def bytes_in(self) -> int:
        return self._done_bytes + sum(view.bytes_in for view in self.active)

    @property
    def seconds(self) -> float:
        """Since the first run was heard of."""
        return self._clock.monotonic() - self.began

    def shown(self, most: int) -> list[RunView]:
        """As many views as fit, in the order in which they were asked for where that is all.

        Else those under way come first, then those that failed or were not run, then the latest
        commits, then those whose turn is next.
        """
        if self.total <= most:
            every = {key: view for group in self._groups.values() for key, view in group.items()}
            return [every[key] for key in sorted(every, key=self._order.__getitem__)]
        views = chain.from_iterable(
            group.values() if standing in ("active", "waiting") else reversed(group.values())
            for standing, group in self._groups.items()
        )
        return list(islice(views, most))

    def _expect(self, kind: str, keys: Iterable[_Key]) -> None:
        self.kind = kind
        for key in keys:
            if key not in self._order:
                self._groups["waiting"][key] = self._known(key)

    def _known(self, key: _Key) -> RunView:
        """The view of a run, taken out of where it stood; a new one of one not heard of."""
        for group in self._groups.values():
            if (view := group.pop(key, None)) is not None:
                return view
        if not self._order:
            self.began = self._clock.monotonic()
        self._order[key] = len(self._order)
        if key[1]:
            self._dates.add(key[1])
        self.name_width = max(self.name_width, len(key[0]))
        return RunView(*key)

    def _start(self, event: RunStarted) -> None:
        key = _key(event.layer, event.pipeline, event.run_date)
        before = self._known(key)
        if before.standing != "waiting" and not before.is_table:  # it is run once more
            self._done_rows -= before.rows
        view = RunView(*key)
        view.standing = "active"
        view.phase = "starting"
        view.began = view.told = self._clock.monotonic()
        self._groups["active"][key] = view
        self._runs[event.run] = view

    def _retried(self, pipeline: str) -> None:
        self.retries += 1
        # A request says of which pipeline it is, not of which date: where several dates of one
        # are under way the total alone is right, until their reports tell.
        views = [view for view in self.active if view.pipeline == pipeline]
        if len(views) == 1:
            views[0].retries += 1

    def _finish(self, event: RunFinished) -> None:
        self._runs.pop(event.run, None)
        key = _key(event.report.layer, event.pipeline, str(event.report.run_date))
        view = self._known(key)
        view.finish(event.report)
        self._groups[view.standing][key] = view
        self._done_rows += 0 if view.is_table else view.rows
        self._done_pages += view.pages
        self._done_bytes += view.bytes_in

    def _end(self, result: BatchRun) -> None:
        """A run that was never begun: skipped, or of a configuration that is wrong."""
        key = _key(result.layer, result.pipeline, str(result.run_date))
        if key not in self._groups["waiting"] or result.status not in ("failed", "skipped"):
            return
        view = self._known(key)
        view.standing = result.status
        view.code = result.error_code
        self._groups[view.standing][key] = view


def _key(layer: Literal["bronze", "silver"], pipeline: str, run_date: str) -> _Key:
    """A curated table is of no one date."""
    return (pipeline, run_date) if layer == "bronze" else (f"{pipeline} silver", "")
