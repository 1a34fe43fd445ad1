"""Whole runs of one pipeline over a database, into a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, final

import pyarrow as pa

from bronze_engine import load_config
from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.contracts import Hook, Store
from bronze_engine.engine import Engine
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.report import RunReport
from bronze_engine.store.memory import MemoryStore
from tests.integration.postgres import Database
from tests.unit.run.harness import (
    DAY,
    NAME,
    is_idle,
    left_in,
    load_text,
    manifest_of,
    opened,
    table_of,
    unowned,
)

__all__ = ["DAY", "NAME", "Landing"]

CONFIG = """
[engine]
log_dir = ""
[connections.db]
type = "postgres"
dsn = "{dsn}"
{connection}
[pipelines.team.orders]
{pipeline}
[pipelines.team.orders.source]
type = "postgres"
connection = "db"
{source}
"""


@final
class Landing:
    """A pipeline, its store, and what landed there.

    `source`, `pipeline` and `connection` are lines of these tables; `pipeline` may go on with
    tables of its own, `source` too.
    """

    def __init__(
        self,
        folder: Path,
        database: Database,
        source: str,
        *,
        pipeline: str = "",
        connection: str = "",
        dsn: str | None = None,
        store: Store | None = None,
        clock: Clock = SYSTEM_CLOCK,
        hooks: Sequence[Hook] = (),
    ) -> None:
        text = CONFIG.format(
            dsn=dsn or database.dsn, source=source, pipeline=pipeline, connection=connection
        )
        self.config = load_text(text, folder=folder)
        self.store: Store = store or MemoryStore(SYSTEM_CLOCK)
        self._clock = clock
        self._hooks = hooks

    def reloaded(self, path: Path) -> Landing:
        """The same store, after its configuration was written anew."""
        self.config = load_config(path, environ={})
        return self

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        async with opened(
            self.config, None, store=self.store, clock=self._clock, hooks=self._hooks
        ) as engine:
            yield engine
            assert is_idle(engine)

    async def run(self, day: date = DAY, **options: Any) -> RunReport:
        """Run to the commit."""
        async with self.engine() as engine:
            return await engine.run(NAME, run_date=day, **options)

    async def manifest(self, day: date = DAY) -> Manifest:
        found = await manifest_of(self.store, day)
        assert found is not None
        return found

    async def table(self, day: date = DAY) -> pa.Table:
        """What landed, in the manifest's order."""
        return await table_of(self.store, day)

    async def column(self, name: str, day: date = DAY) -> list[Any]:
        """The values of one column; none where nothing landed."""
        table = await self.table(day)
        return table.column(name).to_pylist() if name in table.column_names else []

    async def unowned(self, day: date = DAY) -> list[str]:
        """What is in the store beside what the commit of one date owns."""
        return unowned(await left_in(self.store), await manifest_of(self.store, day))
