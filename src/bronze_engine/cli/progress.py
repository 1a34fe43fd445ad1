"""A line now and then about what a long run is doing."""

from __future__ import annotations

import logging
from typing import Final, final

from bronze_engine.clock import Clock
from bronze_engine.telemetry.events import Event, PageFetched, RowsWritten, RunPhase

__all__ = ["Progress"]

log = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 10.0


@final
class Progress:
    """A hook that logs each run's pages and rows, at most every ten seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages: dict[str, int] = {}
        self._records: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        self._last: dict[str, float] = {}

    def __call__(self, event: Event, /) -> None:
        match event:
            case RunPhase():
                log.debug("%s: %s", event.pipeline, event.phase)
                if event.phase == "waiting for memory":
                    log.info("%s: waiting for memory (engine.memory_limit)", event.pipeline)
                self._last[event.run] = self._clock.monotonic()
            case PageFetched():
                self._pages[event.run] = self._pages.get(event.run, 0) + 1
                self._records[event.run] = self._records.get(event.run, 0) + event.records
                self._line(event.pipeline, event.run, event.total_records)
            case RowsWritten():
                self._rows[event.run] = event.rows
                self._line(event.pipeline, event.run, None)
            case _:
                pass

    def _line(self, pipeline: str, run: str, total: int | None) -> None:
        now = self._clock.monotonic()
        if now - self._last.setdefault(run, now) < INTERVAL_SECONDS:
            return
        self._last[run] = now
        rows = f"{self._rows.get(run, 0):,} rows written"
        if run not in self._pages:  # a database has no pages
            log.info("%s: %s", pipeline, rows)
            return
        of = f" of {total:,}" if total else ""
        log.info(
            "%s: %s pages, %s records%s read, %s",
            pipeline,
            f"{self._pages[run]:,}",
            f"{self._records.get(run, 0):,}",
            of,
            rows,
        )
