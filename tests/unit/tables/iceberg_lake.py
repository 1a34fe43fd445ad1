"""A pipeline that lands into a directory, and its Iceberg table in a catalog of SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table

from bronze_engine import open_partition
from bronze_engine.config.load import Config
from bronze_engine.errors import StateError
from bronze_engine.model.report import RunReport
from bronze_engine.testing import ScriptedSource
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import DAY, HEAD, NAME, load_text, opened
from tests.unit.tables.delta_reader import Row, ordered, with_date

TABLE = "team.orders"


class Lake:
    """One pipeline of `folder`."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        self.folder = folder
        text = (
            f'{HEAD}[pipelines.{NAME}.source]\ntype = "http"\napi = "shop"\npath = "/orders"\n'
            f'[pipelines.{NAME}.output]\ntable_format = "iceberg"\ncatalog = "lake"\n'
            '[catalogs.lake]\ntype = "sql"\nuri = "sqlite:///lake.db"\nwarehouse = "./tables"\n'
        )
        self.config: Config = load_text(text, *overrides, folder=folder)

    async def run(self, source: ScriptedSource, day: date = DAY) -> RunReport:
        clock = ManualClock()
        async with opened(self.config, source, clock=clock) as engine:
            report: RunReport = await clock.drive(engine.run(NAME, run_date=day))
        return report

    async def gc(self) -> tuple[Any, ...]:
        """Its faults."""
        async with opened(self.config, None) as engine:
            return (await engine.gc(NAME, delete=True)).faults

    @contextmanager
    def table(self) -> Iterator[Table]:
        """As any reader opens it: nothing of ours is said."""
        catalog = load_catalog("lake", type="sql", uri=f"sqlite:///{self.folder}/lake.db")
        try:
            yield catalog.load_table(TABLE)
        finally:
            catalog.close()

    def rows(self) -> list[Row]:
        """By pyiceberg, and counted by DuckDB over its Arrow."""
        with self.table() as table:
            found = table.scan().to_arrow()
        with duckdb.connect() as connection:
            connection.register("t", found)
            counted = connection.execute("SELECT count(*) FROM t").fetchone()
        assert counted == (found.num_rows,)
        return _plain(found.to_pylist())

    def landed(self, *days: date) -> list[Row]:
        """What the manifests of these dates say."""
        rows: list[Row] = []
        for day in days:
            try:
                dataset = open_partition(self.config, NAME, day)
            except StateError:
                continue
            rows += with_date(dataset.to_table().to_pylist(), day)
        names = dict.fromkeys(name for row in rows for name in row)
        return _plain([{name: row.get(name) for name in names} for row in rows])


def _plain(rows: list[Row]) -> list[Row]:
    return ordered([dict(sorted(row.items())) for row in rows])
