"""Files landed by an engine of this process, and what came of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, final

import pyarrow as pa

from bronze_engine import load_config, open_engine, open_partition, read_manifest
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.report import RunReport

__all__ = ["DAY", "Lake"]

DAY = date(2025, 1, 15)


@final
class Lake:
    """A directory with an inbox, one pipeline `drop.it`, and what it lands."""

    def __init__(self, folder: Path, source: str, more: str = "", stores: str = "") -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.inbox.mkdir(exist_ok=True)
        self.configure(source, more, stores)

    def configure(self, source: str, more: str = "", stores: str = "") -> None:
        (self.folder / "pipelines.toml").write_text(
            f'[engine]\ntarget = "./bronze"\n{stores}\n[pipelines.drop.it]\n{more}\n'
            f'[pipelines.drop.it.source]\ntype = "files"\n{source}\n'
        )

    async def run(self, day: date = DAY) -> RunReport:
        async with open_engine(load_config(self.folder / "pipelines.toml")) as engine:
            return await engine.run("drop.it", run_date=day)

    async def table(self, day: date = DAY) -> pa.Table:
        await self.run(day)
        return self.landed(day)

    async def values(self, column: str, day: date = DAY) -> list[Any]:
        return list((await self.table(day)).column(column).to_pylist())

    def landed(self, day: date = DAY) -> pa.Table:
        dataset: Any = open_partition(self.folder / "bronze", "drop.it", run_date=day)
        table: pa.Table = dataset.to_table()
        return table

    def manifest(self, day: date = DAY) -> Manifest:
        return read_manifest(self.folder / "bronze", "drop.it", day)

    def sources(self, day: date = DAY) -> list[str]:
        """The names of the files that a date has landed."""
        return [file.path.rpartition("/")[2] for file in self.manifest(day).sources]
