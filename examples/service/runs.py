"""The runs that a service has begun, and how far each of them is."""

from __future__ import annotations

import logging
import secrets
from contextvars import ContextVar
from datetime import date
from typing import Any, Literal

import anyio

from bronze_engine import BronzeError, Engine
from bronze_engine.telemetry.events import Event, RowsWritten, RunPhase

__all__ = ["Run", "Runs"]

log = logging.getLogger(__name__)

State = Literal["running", "committed", "failed", "cancelled"]

_HEARING_SECONDS = 1.0
"""So long a caller waits to hear whether its run is refused: another one may hold the lease."""


class Run:
    """One run, from the request that begins it to whatever becomes of it."""

    def __init__(self, pipeline: str, run_date: date) -> None:
        self.id = secrets.token_hex(8)
        self.pipeline = pipeline
        self.run_date = run_date
        self.state: State = "running"
        self.phase = "waiting"
        self.rows = 0
        self.error: BronzeError | None = None
        self.scope = anyio.CancelScope()
        self.is_heard = anyio.Event()
        """Set when it reads, or is over."""
        self.is_over = anyio.Event()

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "pipeline": self.pipeline,
            "run_date": self.run_date.isoformat(),
            "state": self.state,
            "phase": self.phase,
            "rows": self.rows,
        }


_CURRENT: ContextVar[Run | None] = ContextVar("run", default=None)
"""The run whose task, or whose child's task, is running: events are told from within them."""


class Runs:
    """Those of one engine. `hook` is given to `open_engine`."""

    def __init__(self, keep: int = 1000) -> None:
        self._runs: dict[str, Run] = {}
        self._keep = keep

    def __getitem__(self, run_id: str) -> Run:
        return self._runs[run_id]

    def hook(self, event: Event, /) -> None:
        """On the loop, quick, and it never raises."""
        run = _CURRENT.get()
        match event:
            case RunPhase() if run is not None:
                run.phase = event.phase
                if event.phase == "reading":
                    run.is_heard.set()
            case RowsWritten() if run is not None:
                run.rows = event.rows
            case _:
                pass

    async def start(self, engine: Engine, tasks: anyio.abc.TaskGroup, run: Run) -> None:
        """Begin a run, and wait until it reads, is over, or has been quiet for a second."""
        for old in [each for each in self._runs.values() if each.is_over.is_set()][: -self._keep]:
            del self._runs[old.id]
        self._runs[run.id] = run
        tasks.start_soon(self._execute, engine, run)
        try:
            async with engine.clock.timeout(_HEARING_SECONDS):
                await run.is_heard.wait()
        except TimeoutError:
            pass  # it waits for its turn, for memory, or for a slow store

    async def _execute(self, engine: Engine, run: Run) -> None:
        _CURRENT.set(run)
        end: tuple[State, int] = ("cancelled", 0)  # unless it comes to an end of its own
        try:
            with run.scope:
                end = await self._landed(engine, run)
        finally:
            run.state, run.rows = end
            run.phase = "over"
            run.is_heard.set()
            run.is_over.set()

    async def _landed(self, engine: Engine, run: Run) -> tuple[State, int]:
        try:
            report = await engine.run(run.pipeline, run_date=run.run_date)
        except BronzeError as exc:
            run.error = exc
            return "failed", 0
        except Exception:  # a fault of the library's, or of a plug-in's: the service lives on
            log.exception("run %s of %s", run.id, run.pipeline)
            return "failed", 0
        return "committed", report.rows
