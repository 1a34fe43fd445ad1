"""Databases in files, a configuration over them, and what of it has landed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bronze_engine import load_config, open_engine, open_partition, read_manifest
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.report import RunReport

__all__ = ["DAY", "INCREMENTAL", "NEXT_DAY", "Lake", "in_duckdb", "in_sqlite", "shown"]

DAY = date(2025, 1, 15)
NEXT_DAY = date(2025, 1, 16)

CONFIG = """
[engine]
target = "lake"
log_dir = ""
[connections.db]
type = "adbc"
driver = "{driver}"
uri = "{uri}"
[connections.db.retry]
attempts = 1
[pipelines.team.orders]
{pipeline}
[pipelines.team.orders.source]
type = "adbc"
connection = "db"
{source}
{more}
"""

INCREMENTAL = 'load = "incremental"'


def in_sqlite(path: Path, *statements: str, rows: Iterable[tuple[Any, ...]] = ()) -> None:
    """Run statements; the last takes the rows."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements if not rows else statements[:-1]:
            connection.execute(statement)
        if rows:
            connection.executemany(statements[-1], rows)
        connection.commit()


def in_duckdb(path: Path, *statements: str, row: tuple[Any, ...] = ()) -> None:
    """Run statements; the last takes the row."""
    with closing(duckdb.connect(str(path))) as connection:
        for statement in statements if not row else statements[:-1]:
            connection.execute(statement)
        if row:
            connection.execute(statements[-1], row)


def shown(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What DuckDB itself says."""
    with closing(duckdb.connect(str(path))) as connection:
        return connection.execute(sql).fetchall()


class Lake:
    """One pipeline, team.orders, over one database in `folder`."""

    def __init__(
        self, folder: Path, driver: str, source: str, *, pipeline: str = "", more: str = ""
    ) -> None:
        self.folder = folder
        self.database = folder / f"shop.{Path(driver).name}"
        self.path = folder / "pipelines.toml"
        self.driver = driver
        self.configure(source, pipeline=pipeline, more=more)

    def configure(self, source: str, *, pipeline: str = "", more: str = "") -> None:
        text = CONFIG.format(
            driver=self.driver, uri=self.database, source=source, pipeline=pipeline, more=more
        )
        self.path.write_text(text, encoding="utf-8")

    async def run(self, day: date = DAY) -> RunReport:
        async with open_engine(load_config(self.path, environ={})) as engine:
            return await engine.run("team.orders", run_date=day)

    async def check(self) -> list[str]:
        async with open_engine(load_config(self.path, environ={})) as engine:
            return [each.detail for each in await engine.check("team.orders", run_date=DAY)]

    def manifest(self, day: date = DAY) -> Manifest:
        return read_manifest(self.folder / "lake", "team.orders", day)

    def table(self, day: date = DAY) -> pa.Table:
        """What has landed, without what the engine adds."""
        table = open_partition(self.folder / "lake", "team.orders", day).to_table()
        return table.select([name for name in table.schema.names if not name.startswith("_")])

    def rows(self, day: date = DAY) -> list[dict[str, Any]]:
        return list(self.table(day).to_pylist())
