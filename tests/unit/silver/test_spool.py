"""Files of a lake as paths that DuckDB opens: what they hold is what the manifest says."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import anyio
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Store
from bronze_engine.errors import StoreError
from bronze_engine.model.part import ANY, DataFile
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.rewriting import rewriting
from bronze_engine.silver.database.spool import Spool, Verify, root_of
from bronze_engine.store.local.store import open_local
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import inject
from bronze_engine.testing.stores import data_file
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

FOLDER = "shop/orders/dt=2025-01-15"
NAME = "part-g00000001-run-00000-00000.parquet"
ROWS = pa.table({"id": [1, 2, 3]})


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


BODY = parquet(ROWS)
FILE = data_file(NAME, BODY, row_count=3)


@asynccontextmanager
async def opened(kind: str, tmp_path: Path) -> AsyncIterator[tuple[Store, Spool, Workers]]:
    spill = tmp_path / "spill"
    spill.mkdir()
    with Workers(4) as workers:
        async with (
            open_local(
                LocalStoreConfig(path=str(tmp_path / "lake")), workers, SYSTEM_CLOCK
            ) as local,
            Spool(workers, spill) as spool,
        ):
            yield (local if kind == "local" else MemoryStore()), spool, workers


@pytest.fixture(params=["local", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.asyncio
async def test_path_holds_what_the_manifest_names(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", BODY, expect=ANY)
        path = await spool.path(store, FOLDER, FILE)
        assert path.read_bytes() == BODY
        assert path.is_relative_to(tmp_path / "spill")
        assert path.is_symlink() is (kind == "local")


@pytest.mark.parametrize(
    ("file", "body", "differs"),
    [
        (FILE, BODY[:40] + bytes([BODY[40] ^ 1]) + BODY[41:], "has sha256 "),
        (FILE, BODY[:-1], f"has {len(BODY) - 1} bytes, where its manifest says {len(BODY)}"),
        (FILE, BODY + b"\0", f"has {len(BODY) + 1} bytes"),
        (FILE, b"", "has 0 bytes"),
        (FILE, None, "does not exist"),
        (data_file(NAME, parquet(pa.table({"id": [4, 5, 6]}))), BODY, "has sha256 "),
    ],
    ids=["flipped", "short", "long", "empty", "missing", "other-generation"],
)
@pytest.mark.asyncio
async def test_what_differs_is_refused_by_name(
    kind: str, tmp_path: Path, file: DataFile, body: bytes | None, differs: str
) -> None:
    async with opened(kind, tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/other", b"x", expect=ANY)
        if body is not None:
            await store.put(f"{FOLDER}/{NAME}", body, expect=ANY)
        with pytest.raises(StoreError) as caught:
            await spool.path(store, FOLDER, file)
        assert str(caught.value).startswith("STG001 ")
        assert f"{FOLDER}/{NAME}" in str(caught.value)
        assert body is None or store.url in str(caught.value)
        assert differs in str(caught.value)


@pytest.mark.asyncio
async def test_warn_reads_what_differs_and_says_so(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = parquet(pa.table({"id": [7]}))
    async with opened(kind, tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", body, expect=ANY)
        with caplog.at_level(logging.WARNING):
            path = await spool.path(store, FOLDER, FILE, verify="warn")
        assert path.read_bytes() == body
    [record] = caplog.records
    assert f"{FOLDER}/{NAME}" in record.getMessage()
    assert f"{len(body)} bytes, where its manifest says {len(BODY)}" in record.getMessage()


@pytest.mark.asyncio
async def test_off_reads_what_differs_in_silence(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = parquet(pa.table({"id": [7]}))
    async with opened(kind, tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", body, expect=ANY)
        path = await spool.path(store, FOLDER, FILE, verify="off")
        assert path.read_bytes() == body
    assert not caplog.records


@pytest.mark.parametrize("verify", ["warn", "off"])
@pytest.mark.asyncio
async def test_missing_file_can_not_be_read_whatever_is_verified(
    kind: str, tmp_path: Path, verify: Verify
) -> None:
    async with opened(kind, tmp_path) as (store, spool, _):
        with pytest.raises(StoreError, match=r"part-g00000001"):
            await spool.path(store, FOLDER, FILE, verify=verify)


@pytest.mark.asyncio
async def test_file_that_is_no_parquet_is_named(kind: str, tmp_path: Path) -> None:
    body = b"PAR1 and nothing else"
    async with opened(kind, tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", body, expect=ANY)
        with pytest.raises(StoreError, match=r"dt=2025-01-15/part-g00000001.*can't be read"):
            await spool.path(store, FOLDER, data_file(NAME, body))


@pytest.mark.asyncio
async def test_a_damaged_footer_is_told_on_one_line(tmp_path: Path) -> None:
    """Of its footer Arrow says so on two."""
    length = int.from_bytes(BODY[-8:-4], "little")
    body = BODY[: -8 - length] + bytes(length) + BODY[-8:]
    async with opened("local", tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", body, expect=ANY)
        with pytest.raises(StoreError, match=r"part-g00000001.*can't be read") as caught:
            await spool.path(store, FOLDER, data_file(NAME, body))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.asyncio
async def test_each_file_is_read_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    async with opened("memory", tmp_path) as (memory, spool, _):
        await memory.put(f"{FOLDER}/{NAME}", BODY, expect=ANY)
        store = inject(memory, at=0)
        paths: list[Path] = []

        async def ask() -> None:
            paths.append(await spool.path(store, FOLDER, FILE))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
        assert len(set(paths)) == 1
        assert [method for method, _ in store.script.operations] == ["read"]


@pytest.mark.asyncio
async def test_refused_file_is_refused_again(tmp_path: Path) -> None:
    async with opened("memory", tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", BODY[:-1], expect=ANY)
        for _ in range(2):
            with pytest.raises(StoreError, match="where its manifest says"):
                await spool.path(store, FOLDER, FILE)


@pytest.mark.asyncio
async def test_one_name_in_two_folders_is_two_files(kind: str, tmp_path: Path) -> None:
    other = parquet(pa.table({"id": [9]}))
    async with opened(kind, tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", BODY, expect=ANY)
        await store.put(f"shop/orders/dt=2025-01-16/{NAME}", other, expect=ANY)
        first = await spool.path(store, FOLDER, FILE)
        second = await spool.path(store, "shop/orders/dt=2025-01-16", data_file(NAME, other))
        assert (first.read_bytes(), second.read_bytes()) == (BODY, other)


@pytest.mark.asyncio
async def test_folders_that_duckdb_would_take_for_columns_or_patterns(
    kind: str, tmp_path: Path
) -> None:
    """`dt=…` is no column of the rows, and `*`, `?` and `[` are no patterns."""
    folder = "shop/orders/dt=2025-01-15/k=[*]?'\""
    async with opened(kind, tmp_path) as (store, spool, workers):
        await store.put(f"{folder}/{NAME}", BODY, expect=ANY)
        path = await spool.path(store, folder, FILE)
        root = root_of(store)
        async with Database(
            workers,
            tmp_path / "spill",
            memory_bytes=64 * 1024**2,
            readable=[root] if root else [],
        ) as database:
            found = await database.execute(f"SELECT * FROM read_parquet('{path}') ORDER BY ALL")
    assert found == [(1,), (2,), (3,)]


@pytest.mark.asyncio
async def test_link_in_the_lake_is_not_followed(tmp_path: Path) -> None:
    async with opened("local", tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/other", BODY, expect=ANY)
        (tmp_path / "lake" / FOLDER / NAME).symlink_to("other")
        with pytest.raises(StoreError, match="symbolic link"):
            await spool.path(store, FOLDER, FILE)


@pytest.mark.asyncio
async def test_wide_decimals_are_written_anew_and_their_first_copy_goes(
    kind: str, tmp_path: Path
) -> None:
    body = parquet(pa.table({"n": pa.array([Decimal(-1), None], pa.decimal256(40, 0))}))
    async with opened(kind, tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", body, expect=ANY)
        path = await spool.path(store, FOLDER, data_file(NAME, body))
        assert pq.read_table(path).column("n").to_pylist() == ["0" + "9" * 75 + "8", None]
        assert list((tmp_path / "spill/files").iterdir()) == [path]
        if kind == "local":
            assert (tmp_path / "lake" / FOLDER / NAME).read_bytes() == body


@pytest.mark.asyncio
async def test_disk_without_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    async with opened("memory", tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", BODY, expect=ANY)
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StoreError, match=r"spill.*No space left.*engine\.spill_dir"):
            await spool.path(store, FOLDER, FILE)


@pytest.mark.asyncio
async def test_disk_without_room_for_what_is_written_anew_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/full: what Arrow says of a full disk is no fault of the file that it reads."""
    body = parquet(pa.table({"n": pa.array([Decimal(-1)], pa.decimal256(40, 0))}))

    def full(path: Path, _: Path) -> Iterator[None]:
        return rewriting(path, Path("/dev/full"))

    monkeypatch.setattr("bronze_engine.silver.database.spool.rewriting", full)
    async with opened("memory", tmp_path) as (store, spool, _):
        await store.put(f"{FOLDER}/{NAME}", body, expect=ANY)
        with pytest.raises(StoreError, match=r"spill.*engine\.spill_dir"):
            await spool.path(store, FOLDER, data_file(NAME, body))


@pytest.mark.asyncio
async def test_cancelled_copy_has_closed_its_file(tmp_path: Path) -> None:
    async with opened("memory", tmp_path) as (memory, spool, _):
        await memory.put(f"{FOLDER}/{NAME}", BODY, expect=ANY)
        before = descriptors()
        async with anyio.create_task_group() as tasks:
            store = inject(memory, at=1, fault="cancel_after", cancel=tasks.cancel_scope.cancel)
            tasks.start_soon(spool.path, store, FOLDER, FILE)
        assert store.script.fired
        assert descriptors() <= before


@pytest.mark.asyncio
async def test_many_files_are_read_side_by_side(kind: str, tmp_path: Path) -> None:
    files = [msgspec.structs.replace(FILE, name=f"part-{number}.parquet") for number in range(20)]
    async with opened(kind, tmp_path) as (store, spool, _):
        for file in files:
            await store.put(f"{FOLDER}/{file.name}", BODY, expect=ANY)
        async with anyio.create_task_group() as tasks:
            for file in files:
                tasks.start_soon(spool.path, store, FOLDER, file)
        paths = [await spool.path(store, FOLDER, file) for file in files]
        assert len(set(paths)) == len(files)
        assert all(path.read_bytes() == BODY for path in paths)


@pytest.mark.parametrize("kind", ["local", "memory"])
@pytest.mark.asyncio
async def test_a_file_that_is_gone_is_told_with_what_helps(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as (store, spool, _):
        with pytest.raises(StoreError, match=r"does not exist.*names it.*Do that\.$"):
            await spool.path(store, FOLDER, FILE, remedy="Do that.")
