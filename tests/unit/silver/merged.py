"""A table that grows by merges alone: records in, Parquet files and rows out, without an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.model.part import DataFile
from bronze_engine.silver.columns.shape import BRONZE_DATE, Shape
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.sql import identifier, literal
from bronze_engine.silver.fold.fold import table_columns
from bronze_engine.silver.merge.held import Held, HeldFile
from bronze_engine.silver.merge.merge import MergePlan, News, plan_merge
from bronze_engine.silver.merge.survivors import Survivors, ended, rows_left
from bronze_engine.workers import Workers

from .tables import DAY, relation

__all__ = ["Table"]

Records = Sequence[tuple[Any, ...]]


class Table:
    """A table in `folder`. `land` gives it dates; each run is a DuckDB of its own."""

    def __init__(self, shape: Shape, folder: Path, *, max_rows: int = 4) -> None:
        self.shape = shape
        self.held: Held | None = None
        self.bronze: dict[date, Records] = {}
        self.reads: list[str | None] = []
        """What was asked of Bronze beside the news: keys of a relation, or all (None)."""
        self._folder = folder
        self._max_rows = max_rows
        self._made = 0

    async def land(
        self, landed: dict[int, Records], *, gone: Iterable[int] = (), rebuild: bool = False
    ) -> MergePlan:
        """Take in dates (days of January); those that it has are landed again."""
        news = {DAY(day): records for day, records in landed.items()}
        had = () if self.held is None else self.held.dates
        lost = {DAY(day) for day in gone}
        self.bronze = {
            day: records for day, records in (self.bronze | news).items() if day not in lost
        }
        async with self._database() as (database, workers):
            every = [one for _, records in sorted(self.bronze.items()) for one in records]
            path = self._folder / "bronze.parquet"
            pq.write_table(relation(self.shape, every), path)
            read = f"SELECT * FROM read_parquet({literal(str(path))}, hive_partitioning = FALSE)"
            days = ", ".join(literal(day) for day in news)
            await database.execute(f"CREATE VIEW bronze AS {read}")
            await database.execute(
                f"CREATE VIEW news AS {read} WHERE {identifier(BRONZE_DATE)} IN ({days})"
            )

            async def everything(keys: str | None) -> str:
                self.reads.append(keys)
                if keys is None:
                    return "bronze"
                pairs = " AND ".join(
                    f"r.{identifier(name)} IS NOT DISTINCT FROM k.k{number}"
                    for number, name in enumerate(self.shape.keys)
                )
                await database.execute(
                    f"CREATE VIEW wanted AS SELECT r.* FROM bronze r SEMI JOIN {keys} k ON {pairs}"
                )
                return "wanted"

            plan = await plan_merge(
                database,
                self.shape,
                None if rebuild else self.held,
                News(
                    records="news",
                    dates=tuple(sorted(news)),
                    back=tuple(day for day in sorted(news) if day in had),
                    gone=tuple(sorted(lost)),
                    snapshots=tuple(sorted(self.bronze)) if self.shape.is_snapshot else (),
                ),
                everything,
                max_rows=self._max_rows,
            )
            await self._write(database, workers, plan, tuple(sorted({*self.bronze, *lost})))
        return plan

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """What readers see, sorted."""
        assert self.held is not None
        names = table_columns(self.shape)
        found = [
            tuple(row.get(name) for name in names)
            for one in self.held.files
            for row in pq.read_table(one.path).to_pylist()
        ]
        return sorted(found, key=repr)

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[tuple[Database, Workers]]:
        spill = self._folder / "spill"
        spill.mkdir(exist_ok=True)
        with Workers(1) as workers:
            async with Database(
                workers,
                spill,
                memory_bytes=64 * 1024**2,
                threads=1,
                readable=[str(self._folder)],
            ) as database:
                yield database, workers

    async def _write(
        self, database: Database, workers: Workers, plan: MergePlan, dates: tuple[date, ...]
    ) -> None:
        before = Held(dates=(), files=()) if self.held is None else self.held
        kept = {file.name for file in (*plan.kept, *plan.kept_departed)}
        files = [one for one in before.files if one.file.name in kept]
        departed = [one for one in before.departed if one.file.name in kept]
        for output in plan.outputs:
            if isinstance(output, Survivors):
                async with rows_left(output, database, workers) as left:
                    found = [batch async for batch in left]
                split = [ended(batch) for batch in found] if output.splits else []
                for part in [*zip(*split, strict=True)] if output.splits else [found]:
                    files += self._written(part, output.schema)
                continue
            async with database.batches(output.sql, schema=output.schema) as batches:
                made = self._written([batch async for batch in batches], output.schema)
            (files if output.kind == "data" else departed).extend(made)
        self.held = Held(
            dates=dates,
            files=tuple(files),
            departed=tuple(departed),
            current_rows=plan.current_rows,
        )

    def _written(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> list[HeldFile]:
        table = pa.Table.from_batches(batches, schema)
        written: list[HeldFile] = []
        for start in range(0, table.num_rows, self._max_rows):
            self._made += 1
            path = self._folder / f"{self._made}.parquet"
            part = table.slice(start, self._max_rows)
            pq.write_table(part, path)
            file = DataFile(name=path.name, size_bytes=1, sha256="", row_count=part.num_rows)
            written.append(HeldFile(file=file, path=path, schema=schema))
        return written

    def with_columns(self, columns: pa.Schema) -> None:
        """From now on it has these."""
        self.shape = msgspec.structs.replace(self.shape, columns=columns)
