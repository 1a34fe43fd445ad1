"""A run replaces the partition while it is read, at every moment: one generation, or an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from bronze_engine import StateError, StoreError, open_partition, open_reader, stream_partition
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.model.manifest_json import encode_manifest
from bronze_engine.model.part import ANY
from bronze_engine.reading import committed
from bronze_engine.reading.files import Files, Judge, LocalFiles
from bronze_engine.reading.partition import TRIES
from bronze_engine.reading.reader import Reader
from bronze_engine.store.memory import MemoryStore
from tests.unit.reading.landed import (
    DAY,
    FILES,
    NAME,
    PARTITION,
    ROWS,
    Interrupted,
    land,
    land_in,
    lending,
    local,
)

pytestmark = pytest.mark.unit

REPLACED = (
    r"STATE001 .*shop/orders/dt=2025-01-15: generation 2 \(run run-2\) has replaced generation 1 "
    r".*open the partition again"
)


def run_of(rows: pa.Table) -> int:
    """The one run that all rows are of; they are all of its rows."""
    assert rows["id"].to_pylist() == list(range(FILES * ROWS))
    found: set[Any] = set(rows["run"].to_pylist())
    [run] = found
    return int(run)


def outcome(read: Callable[[Reader], pa.Table], reader: Reader) -> int | None:
    """The run whose rows were read, or None where the reader was told of generation 2."""
    try:
        return run_of(read(reader))
    except StateError as exc:
        return None if exc.context["generation"] == 2 else -1


def runs_until_replaced(stream: pa.RecordBatchReader) -> list[int]:
    """The run of each row that a stream hands out before it ends with the lost race."""
    runs: list[Any] = []

    def take() -> None:
        for batch in stream:
            runs.extend(batch["run"].to_pylist())

    with pytest.raises(StateError, match=REPLACED):
        take()
    return runs


class Landing:
    """A store in memory in which run 2 commits right before the n-th call."""

    def __init__(self, before: int) -> None:
        self.memory = MemoryStore()
        asyncio.run(land(self.memory, 1))
        self.store = Interrupted(self.memory)
        self.store.actions[before] = lambda: land(self.memory, 2)
        self.stores = lending(self.store)

    @property
    def has_landed(self) -> bool:
        return not self.store.actions


class LandingFiles:
    """A directory in which run 2 commits right before the n-th call."""

    keeps_open = True

    def __init__(self, files: Files, before: int, config: StoreConfig) -> None:
        self._files = files
        self._left = before
        self._config = config

    @property
    def has_landed(self) -> bool:
        return self._left <= 0

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            asyncio.run(land_in(self._config, 2))

    def location(self, key: str) -> str:
        return self._files.location(key)

    def get(self, key: str) -> bytes | None:
        self._step()
        return self._files.get(key)

    def sizes(self, partition: str, names: Sequence[str]) -> Mapping[str, int]:
        self._step()
        return self._files.sizes(partition, names)

    def open(self, key: str, size_bytes: int, judge: Judge) -> pa.NativeFile:
        self._step()
        return self._files.open(key, size_bytes, judge)

    def close(self) -> None:
        self._files.close()


READS: Mapping[str, Callable[[Reader], pa.Table]] = {
    "table": lambda reader: reader.read_partition(NAME, DAY),
    "stream": lambda reader: reader.stream_partition(NAME, DAY).read_all(),
    "dataset": lambda reader: reader.open_partition(NAME, DAY).to_table(),
}


@pytest.mark.parametrize(
    ("what", "expected"),
    [("table", {1, 2}), ("stream", {1, 2}), ("dataset", {1, 2, None})],
)
def test_replaced_before_any_call_to_a_store_one_generation_is_read(
    what: str, expected: set[int | None], tmp_path: Path
) -> None:
    seen: set[int | None] = set()
    for before in range(1, 100):
        landing = Landing(before)
        with open_reader(local(tmp_path), stores=landing.stores) as reader:
            seen.add(outcome(READS[what], reader))
        if not landing.has_landed:
            break
    assert before == 2 + FILES + 1  # the manifest, the listing, and each file once
    assert seen == expected


@pytest.mark.parametrize(
    ("what", "expected"),
    [("table", {1, 2}), ("stream", {1, 2}), ("dataset", {1, 2, None})],
)
def test_replaced_before_any_call_to_a_directory_one_generation_is_read(
    what: str, expected: set[int | None], tmp_path: Path
) -> None:
    seen: set[int | None] = set()
    for before in range(1, 100):
        config = local(tmp_path / f"{before}")
        asyncio.run(land_in(config, 1))
        files = LandingFiles(LocalFiles(config.path), before, config)
        seen.add(outcome(READS[what], Reader(files)))
        if not files.has_landed:
            break
    assert before == 2 + FILES + 1
    assert seen == expected


def test_a_dataset_of_a_replaced_partition_names_the_new_generation(tmp_path: Path) -> None:
    asyncio.run(land_in(local(tmp_path), 1))
    orders = open_partition(tmp_path / "lake", NAME, DAY)
    asyncio.run(land_in(local(tmp_path), 2))
    for scan in (orders.to_table, orders.count_rows, lambda: orders.head(1)):
        with pytest.raises(StateError, match=REPLACED):
            scan()
    assert run_of(open_partition(tmp_path / "lake", NAME, DAY).to_table()) == 2


def test_a_stream_of_a_directory_can_not_lose_the_race(tmp_path: Path) -> None:
    asyncio.run(land_in(local(tmp_path), 1))
    stream = stream_partition(tmp_path / "lake", NAME, DAY)
    asyncio.run(land_in(local(tmp_path), 2))
    assert run_of(stream.read_all()) == 1


def test_a_stream_that_opens_its_files_late_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committed, "HELD_FILES", FILES - 1)
    monkeypatch.setattr("bronze_engine.reading.portions.PORTION", 1)
    asyncio.run(land_in(local(tmp_path), 1))
    stream = stream_partition(tmp_path / "lake", NAME, DAY)
    asyncio.run(land_in(local(tmp_path), 2))
    assert runs_until_replaced(stream) == [1] * ROWS


def test_a_stream_of_a_store_hands_out_one_generation_and_then_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bronze_engine.reading.portions.PORTION", 1)
    store = MemoryStore()
    asyncio.run(land(store, 1))
    with open_reader(local(tmp_path), stores=lending(store)) as reader:
        stream = reader.stream_partition(NAME, DAY)
        asyncio.run(land(store, 2))
        assert runs_until_replaced(stream) == [1] * ROWS


@pytest.mark.parametrize("what", ["table", "stream", "dataset"])
def test_a_reader_that_is_always_late_gives_up(what: str, tmp_path: Path) -> None:
    store = MemoryStore()
    asyncio.run(land(store, 1))
    runs = iter(range(2, 1000))
    late = Interrupted(store)

    async def again() -> None:
        await land(store, next(runs))

    class Always(dict[int, Callable[[], Awaitable[Any]]]):
        def pop(self, _key: int, _default: object = None) -> Callable[[], Awaitable[Any]] | None:  # type: ignore[override]
            return again if late.calls[-1].startswith("scan") else None

    late.actions = Always()
    with open_reader(local(tmp_path), stores=lending(late)) as reader:
        with pytest.raises(StateError, match=f"was replaced {TRIES} times while it was being"):
            READS[what](reader)
        assert next(runs) == 2 + TRIES


def test_a_partition_that_is_taken_away_is_told(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = asyncio.run(land(store, 1))
    with open_reader(local(tmp_path), stores=lending(store)) as reader:
        orders = reader.open_partition(NAME, DAY)
        void = encode_manifest(msgspec.structs.replace(manifest, status="void", generation=2))
        asyncio.run(store.put(f"{PARTITION}/_metadata.json", void, expect=ANY))
        asyncio.run(store.delete(f"{PARTITION}/{manifest.files[1].name}"))
        with pytest.raises(StateError, match="is void: nothing was committed there"):
            orders.to_table()


def test_a_file_that_is_lost_is_no_lost_race(tmp_path: Path) -> None:
    store = MemoryStore()
    manifest = asyncio.run(land(store, 1))
    with open_reader(local(tmp_path), stores=lending(store)) as reader:
        orders = reader.open_partition(NAME, DAY)
        # What garbage collection commits: another generation of the same files.
        fence = msgspec.structs.replace(manifest, generation=2, attempt="gc")
        body = encode_manifest(fence)
        asyncio.run(store.put(f"{PARTITION}/_metadata.json", body, expect=ANY))
        assert run_of(orders.to_table()) == 1
        asyncio.run(store.delete(f"{PARTITION}/{manifest.files[1].name}"))
        with pytest.raises(StoreError, match="is missing, although generation 2 names it"):
            orders.to_table()
        with pytest.raises(StateError, match="is missing, although generation 2 names it"):
            reader.read_partition(NAME, DAY)


@pytest.mark.parametrize("what", READS)
def test_a_store_that_fails_is_no_lost_race(what: str, tmp_path: Path) -> None:
    async def fail() -> None:
        raise StoreError("the bucket is on fire")

    for before in range(1, 100):
        store = MemoryStore()
        asyncio.run(land(store, 1))
        failing = Interrupted(store)
        failing.actions[before] = fail
        with open_reader(local(tmp_path), stores=lending(failing)) as reader:
            if before > 2 + FILES:
                assert run_of(READS[what](reader)) == 1
                break
            with pytest.raises(StoreError, match="the bucket is on fire"):
                READS[what](reader)
    assert before == 2 + FILES + 1
