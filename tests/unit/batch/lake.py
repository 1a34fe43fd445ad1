"""A lake in memory, and batches of scripted pipelines over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from bronze_engine.batch.batch import Batch
from bronze_engine.contracts import Request
from bronze_engine.model.batch import BatchReport
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import Event
from bronze_engine.testing import Pause, ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import is_idle, load_text, opened

DAY = date(2025, 1, 15)


class Lake:
    """Pipelines by name: `a.x` is of the API and limit group `a`, and comes after what it says."""

    def __init__(
        self,
        folder: Path,
        *names: str,
        after: Mapping[str, Sequence[str]] | None = None,
        memory: str = "512MiB",
        silver: Sequence[str] = (),
    ) -> None:
        text = f'[engine]\nlog_dir = ""\nmemory_limit = "{memory}"\n'
        for api in sorted({name.partition(".")[0] for name in names}):
            text += f'[apis.{api}]\nbase_url = "http://127.0.0.1:9"\n'
        for name in names:
            text += f"[pipelines.{name}]\nafter = {list((after or {}).get(name, ()))}\n"
            text += f'[pipelines.{name}.source]\ntype = "http"\npath = "/{name}"\n'
            text += f'api = "{name.partition(".")[0]}"\n'
            if name in silver:
                text += f'[pipelines.{name}.silver]\nunique_columns = ["id"]\n'
        self.config = load_text(text, folder=folder)
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.seconds: dict[str, float] = {}
        """How long a pipeline's source is silent, by its name or that of its API."""
        self.faults: dict[str, Exception] = {}
        self.opened: list[str] = []
        self.events: list[Event] = []

    def script(self, request: Request) -> Sequence[Sequence[Step]]:
        name = request.pipeline
        self.opened.append(name)
        seconds = self.seconds.get(name, self.seconds.get(name.partition(".")[0], 0.1))
        fault = self.faults.get(name)
        return [[Pause(seconds), page(1, {"id": 1}) if fault is None else fault]]

    async def batch(self, *runs: Any, **options: Any) -> BatchReport:
        keys = [(run, DAY) if isinstance(run, str) else run for run in runs]
        async with opened(
            self.config,
            ScriptedSource(self.script),
            store=self.store,
            clock=self.clock,
            hooks=[self.events.append],
        ) as engine:
            report = await self.clock.drive(Batch(engine, keys, **options).run())
            assert is_idle(engine)
            return report


def statuses(report: BatchReport) -> dict[str, str]:
    return {run.pipeline: run.status for run in report.runs}
