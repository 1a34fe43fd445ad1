"""Lines in the log now and then, where there is no terminal to draw on."""

from __future__ import annotations

import logging
from typing import Final, final

from bronze_engine.cli.display.board import Board
from bronze_engine.cli.display.view import RunView, Standing
from bronze_engine.clock import Clock
from bronze_engine.engine import Engine
from bronze_engine.telemetry.events import Event, RunPhase

__all__ = ["Progress"]

log = logging.getLogger(__name__)

INTERVAL_SECONDS: Final = 10.0
TICK_SECONDS: Final = 1.0
MOST_RUNS: Final = 10
"""Runs that are told of in one interval, the oldest first: of hundreds under way the line of
the whole says more than one of each."""

_BAD: Final[tuple[Standing, ...]] = ("failed", "skipped")


@final
class Progress:
    """A hook that logs the pages and rows of long runs, and of a batch how it stands, at most
    every ten seconds each."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._board = Board(clock)
        self._told: float | None = None
        """When the whole was last told of."""

    def __call__(self, event: Event, /) -> None:
        self._board(event)
        if isinstance(event, RunPhase):
            log.debug("%s: %s", event.pipeline, event.phase)
            if event.phase == "waiting for memory" and not self._board.kind:
                log.info("%s: waiting for memory (engine.memory_limit)", event.pipeline)

    async def show(self, _: Engine) -> None:
        """Log until cancelled."""
        while True:
            await self._clock.sleep(TICK_SECONDS)
            if not self._board.is_empty:
                self.tick()

    def tick(self) -> None:
        """Log what is due."""
        board, now = self._board, self._clock.monotonic()
        board.sample()
        recent = sum(now - view.told < INTERVAL_SECONDS < now - view.began for view in board.active)
        for view in board.active:
            if recent < MOST_RUNS and now - view.told >= INTERVAL_SECONDS:
                recent += 1
                view.told = now
                log.info("%s", self._run(view))
        if self._told is None:
            self._told = board.began
        if board.kind and now - self._told >= INTERVAL_SECONDS:
            self._told = now
            log.info("%s", self._whole())

    def stopping(self) -> None:
        """Nothing: the log has said it."""

    def restore(self) -> None:
        """Nothing: no terminal was touched."""

    def _run(self, view: RunView) -> str:
        has_date = self._board.has_dates and not view.is_table
        name = f"{view.pipeline} {view.run_date}" if has_date else view.pipeline
        rows = f"{view.written:,} rows written"
        if not view.pages:  # a database has none
            return f"{name}: {rows}"
        total = view.total_records
        of = f" of {total:,}" if total is not None and total > 0 else ""
        return f"{name}: {view.pages:,} pages, {view.records:,} records{of} read, {rows}"

    def _whole(self) -> str:
        """batch: 37 of 1,000 committed, 2 failed, 8 under way, 1,234,567 rows, 45,000 rows/s."""
        board = self._board
        waiting = sum(view.phase == "waiting for memory" for view in board.active)
        for_memory = f" ({waiting:,} waiting for memory)" if waiting else ""
        parts = [
            f"{board.count('committed'):,} of {board.total:,} committed",
            *(
                f"{board.count(standing):,} {standing}"
                for standing in _BAD
                if board.count(standing)
            ),
            f"{board.count('active'):,} under way{for_memory}",
            f"{board.rows:,} rows",
            f"{board.speed.per_second:,.0f} rows/s",
        ]
        return f"{board.kind}: {', '.join(parts)}"
