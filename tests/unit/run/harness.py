"""An engine over scripted sources and a store in memory, and what is left when it is done."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine import load_config, open_engine
from bronze_engine.clock import Clock
from bronze_engine.config.load import Config
from bronze_engine.contracts import Hook, SourceType, Store, StoreResources
from bronze_engine.engine import Engine
from bronze_engine.land import fold
from bronze_engine.model.manifest import Manifest, partition_path
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import Event
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.stores import keys_of, read_all, staged_keys

NAME = "team.orders"
DAY = date(2025, 1, 15)
"""The first day of a ManualClock."""

HEAD = """
[engine]
log_dir = ""
[apis.shop]
base_url = "http://127.0.0.1:9"
"""


def config_of(
    *overrides: str, pipelines: Sequence[str] = (NAME,), folder: Path = Path("/nowhere")
) -> Config:
    """One HTTP pipeline for each name, all of one API. `overrides` as after `--set`."""
    text = HEAD + "".join(
        f'[pipelines.{name}.source]\ntype = "http"\napi = "shop"\npath = "/{name}"\n'
        for name in pipelines
    )
    return load_text(text, *overrides, folder=folder)


def load_text(text: str, *overrides: str, folder: Path) -> Config:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pipelines.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ={}, overrides=overrides)


@asynccontextmanager
async def opened(
    config: Config,
    source: SourceType[Any] | None,
    *,
    store: Store | None = None,
    clock: Clock | None = None,
    hooks: Sequence[Hook] = (),
) -> AsyncIterator[Engine]:
    """An engine on a manual clock; `store` takes the place of every local one."""
    sources: Mapping[str, SourceType[Any]] = {} if source is None else {"http": source}

    @asynccontextmanager
    async def lend(_config: object, _resources: StoreResources) -> AsyncIterator[Store]:
        assert store is not None
        yield store

    stores = {} if store is None else {"local": lend}
    async with open_engine(
        config, hooks=hooks, clock=clock or ManualClock(), sources=sources, stores=stores
    ) as engine:
        yield engine


def cut_groups(monkeypatch: pytest.MonkeyPatch, size_bytes: int) -> None:
    """Make groups small, so that little data has many: 1 byte gives one a block."""
    monkeypatch.setattr(fold, "FIRST_GROUP_BYTES", size_bytes)
    monkeypatch.setattr(fold, "GROUP_BYTES", size_bytes)


class Bench:
    """A store in memory, and engines that run one pipeline over it."""

    def __init__(self, folder: Path, *overrides: str, store: Store | None = None) -> None:
        self.config = config_of(*overrides, folder=folder)
        self.store: Store = store or MemoryStore(ManualClock())
        self.events: list[Event] = []

    @asynccontextmanager
    async def engine(
        self, source: SourceType[Any], *, clock: Clock | None = None
    ) -> AsyncIterator[Engine]:
        async with opened(
            self.config, source, store=self.store, clock=clock, hooks=[self.events.append]
        ) as engine:
            yield engine

    async def run(self, source: SourceType[Any], day: date = DAY, **options: Any) -> Manifest:
        """Run to the commit, through every wait; returns what was committed."""
        clock = ManualClock()
        async with self.engine(source, clock=clock) as engine:
            await clock.drive(engine.run(NAME, run_date=day, **options))
            assert is_idle(engine)
        found = await self.manifest(day)
        assert found is not None
        return found

    async def manifest(self, day: date = DAY) -> Manifest | None:
        return await manifest_of(self.store, day)

    async def table(self, day: date = DAY) -> pa.Table:
        return await table_of(self.store, day)

    async def left(self) -> list[str]:
        """Everything that is in the store, staged files in brackets."""
        return await left_in(self.store)


def is_idle(engine: Engine) -> bool:
    statistics = engine.statistics()
    return (
        statistics.running,
        statistics.waiting,
        statistics.reserved_bytes,
        statistics.pooled_bytes,
    ) == (0, 0, 0, 0)


def partition_of(day: date = DAY, name: str = NAME) -> str:
    system, entity = name.split(".")
    return partition_path(system, entity, day)


async def manifest_of(store: Store, day: date = DAY, name: str = NAME) -> Manifest | None:
    key = f"{partition_of(day, name)}/_metadata.json"
    found = await store.get(key)
    return None if found is None else decode_manifest(found.body, key)


async def table_of(store: Store, day: date = DAY, name: str = NAME) -> pa.Table:
    """What a reader sees: the files that the manifest lists, in its order."""
    manifest = await manifest_of(store, day, name)
    assert manifest is not None
    tables = []
    for file in manifest.files:
        body = await read_all(store, f"{partition_of(day, name)}/{file.name}")
        tables.append(_parsed(body))
        assert len(tables[-1]) == file.row_count
        assert len(body) == file.size_bytes
    if not tables:
        return pa.table({})
    return pa.concat_tables(tables, promote_options="default")


@lru_cache(maxsize=64)
def _parsed(body: bytes) -> pa.Table:
    """Those who look at a partition after each step meet the same few files again."""
    return pq.read_table(io.BytesIO(body), use_threads=False)


async def groups_of(store: Store, manifest: Manifest, day: date = DAY) -> list[list[int]]:
    """Rows of each row group of each file."""
    found = []
    for file in manifest.files:
        body = await read_all(store, f"{partition_of(day)}/{file.name}")
        metadata = pq.ParquetFile(io.BytesIO(body)).metadata
        found.append([metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)])
    return found


async def left_in(store: Store) -> list[str]:
    staged = [f"[{key}]" for key in await staged_keys(store)]
    return [*await keys_of(store), *staged]


async def reports_of(store: Store) -> list[dict[str, Any]]:
    """Every run report, by key."""
    found = []
    for key in await keys_of(store, "_runs/"):
        if key.endswith(".json"):
            body = await read_all(store, key)
            found.append(msgspec.json.decode(body, type=dict[str, Any]))
    return found


def unowned(left: Sequence[str], manifest: Manifest | None) -> list[str]:
    """What is in a store beyond one partition's commit, its hint, the claim on a chain (which
    is given back, not removed) and the run reports."""
    known: set[str] = set()
    if manifest is not None:
        partition = partition_path(manifest.system, manifest.entity, manifest.run_date)
        names = ["_metadata.json", "_checksums.json"]
        names += manifest.names
        known = {f"{partition}/{name}" for name in names}
        known.add(f"_state/{manifest.system}/{manifest.entity}.json")
    return [
        key
        for key in left
        if key not in known
        and not (key[:6] == "_runs/" and key[-5:] == ".json")
        and not (key[:7] == "_state/" and key[-6:] == ".claim")
    ]
