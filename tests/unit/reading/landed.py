"""Partitions of real Parquet files, committed as runs do, and stores in which others act."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.adapters import StoreOpener, open_store
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig, StoreConfig
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.model.arrow import schema_to_text
from bronze_engine.model.manifest import (
    FORMAT_VERSION,
    Manifest,
    SourceInfo,
    columns_of,
    partition_path,
)
from bronze_engine.model.part import ObjectInfo, StoredObject
from bronze_engine.publish.base import read_base
from bronze_engine.publish.commit import publish
from bronze_engine.publish.names import data_name
from bronze_engine.publish.reap import reap
from bronze_engine.testing.faults import FaultyStore, Script
from bronze_engine.testing.stores import data_file, parts_of
from bronze_engine.workers import Workers

__all__ = [
    "DAY",
    "FILES",
    "LATE",
    "NAME",
    "ROWS",
    "Interrupted",
    "land",
    "land_in",
    "lending",
    "local",
    "parquet",
    "table_of",
]

NAME = "shop.orders"
DAY = date(2025, 1, 15)
PARTITION = partition_path("shop", "orders", DAY)
FILES = 3
ROWS = 200
"""Of each file."""
LATE = "coupon"
"""A column that the first file does not have."""


def table_of(run: int, number: int, rows: int = ROWS) -> pa.Table:
    """The rows of one file of one run: each names its run, and its place among the run's rows."""
    columns: dict[str, Any] = {
        "id": pa.array(range(number * rows, (number + 1) * rows)),
        "run": pa.array([run] * rows),
        "text": pa.array([f"row {at} of {run}" for at in range(rows)]),
    }
    if number:
        columns[LATE] = pa.array([f"late {at}" for at in range(rows)])
    return pa.table(columns)


def parquet(table: pa.Table, row_group_size: int = 50) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=row_group_size)
    return sink.getvalue()


async def land(
    store: Store, run: int, *, files: int = FILES, rows: int = ROWS, day: date = DAY
) -> Manifest:
    """Commit a run's files over what is there, and reap what it has replaced."""
    partition = partition_path("shop", "orders", day)
    base = await read_base(store, partition, pipeline=NAME)
    tables = [table_of(run, number, rows) for number in range(files)]
    schema = table_of(run, 1).schema
    staged = []
    for number, table in enumerate(tables):
        name = data_name(generation=base.generation + 1, run=f"run-{run}", slice=0, number=number)
        body = parquet(table, row_group_size=max(50, rows // 10))
        async with store.stage(f"{partition}/{name}") as upload:
            for part in parts_of(body, 5 * 1024**2):
                await upload.part(part)
            staged.append(await upload.seal(data_file(name, body, row_count=len(table))))
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        pipeline=NAME,
        system="shop",
        entity="orders",
        run_date=day,
        run=f"run-{run}",
        attempt=f"attempt-{run}",
        generation=base.generation + 1,
        epoch=1,
        written_at=datetime(2025, 1, 16, tzinfo=UTC),
        load="full",
        source=SourceInfo(type="http", location="http://localhost/orders"),
        row_count=files * rows,
        schema=columns_of(schema),
        arrow_schema=schema_to_text(schema),
        files=tuple(one.file for one in staged if one.file is not None),
    )
    published = await publish(store, base, manifest, staged, SYSTEM_CLOCK)
    await reap(store, partition, published.manifest)
    return published.manifest


async def land_in(config: StoreConfig, run: int, **options: Any) -> Manifest:
    """`land` in a store that is opened for it."""
    with Workers(2) as workers:
        async with open_store(config, workers) as store:
            return await land(store, run, **options)


def local(folder: Path) -> LocalStoreConfig:
    return LocalStoreConfig(path=str(folder / "lake"))


def lending(store: Store) -> Mapping[str, StoreOpener]:
    """Openers for a reader's `stores`: every local target is this store."""

    @asynccontextmanager
    async def lend(_config: object, _resources: StoreResources) -> AsyncIterator[Store]:
        yield store

    return {"local": lend}


class Interrupted(FaultyStore):
    """A store in which somebody acts right before the n-th get, scan or ranged read."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, Script())
        self.actions: dict[int, Callable[[], Awaitable[object]]] = {}
        self.calls: list[str] = []
        """What was asked for so far: the method and the key, with the range of a read."""

    async def _step(self, call: str) -> None:
        self.calls.append(call)
        action = self.actions.pop(len(self.calls), None)
        if action is not None:
            await action()

    async def get(self, key: str, /) -> StoredObject | None:
        await self._step(f"get {key}")
        return await super().get(key)

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        await self._step(f"read {key} {start} {length}")
        async with super().read(key, start=start, length=length) as chunks:
            yield chunks

    async def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        await self._step(f"scan {prefix}")
        async for info in super().scan(prefix):
            yield info
