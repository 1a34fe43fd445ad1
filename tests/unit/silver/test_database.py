"""One run's DuckDB: what it may do, what comes out, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.errors import ConfigError, StoreError
from bronze_engine.silver.database.database import BATCH_ROWS, Database
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

LIMIT = 64 * 1024**2
ENDLESS = "SELECT sum(sin(a.i) * cos(b.i)) FROM range(1000000) a(i), range(1000000) b(i)"


@asynccontextmanager
async def opened(tmp_path: Path, **options: Any) -> AsyncIterator[Database]:
    spill = tmp_path / "spill"
    spill.mkdir(exist_ok=True)
    with Workers(2) as workers:
        async with Database(workers, spill, **({"memory_bytes": LIMIT} | options)) as database:
            yield database


async def read(database: Database, sql: str, schema: pa.Schema) -> list[pa.RecordBatch]:
    async with database.batches(sql, schema=schema) as batches:
        return [batch async for batch in batches]


@pytest.mark.asyncio
async def test_rows_of_a_statement(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await database.execute("CREATE TABLE t AS SELECT unnest([1, 2]) AS a")
        assert await database.execute("SELECT a + ? FROM t ORDER BY a", [10]) == [(11,), (12,)]


@pytest.mark.asyncio
async def test_batches_hold_every_row_once_in_the_order_of_the_query(tmp_path: Path) -> None:
    rows = 3 * BATCH_ROWS + 17
    schema = pa.schema([("i", pa.int64())])
    async with opened(tmp_path) as database:
        found = await read(database, f"SELECT i FROM range({rows}) t(i) ORDER BY i", schema)
    assert all(batch.schema == schema for batch in found)
    assert max(batch.num_rows for batch in found) <= 2 * BATCH_ROWS
    assert pa.Table.from_batches(found)["i"].to_pylist() == list(range(rows))


@pytest.mark.asyncio
async def test_no_rows_are_no_batches(tmp_path: Path) -> None:
    schema = pa.schema([("i", pa.int64())])
    async with opened(tmp_path) as database:
        assert await read(database, "SELECT 1::BIGINT AS i WHERE false", schema) == []


@pytest.mark.asyncio
async def test_nan_is_found_beyond_what_the_statistics_of_a_file_say(tmp_path: Path) -> None:
    """DuckDB's own setting passes over the row group: NaN is no part of Parquet's statistics."""
    path = tmp_path / "nan.parquet"
    pq.write_table(pa.table({"x": [1.0, float("nan")]}), path)
    asked = f"SELECT count(*) FROM read_parquet('{path}') WHERE x > 5"
    async with opened(tmp_path, readable=[str(tmp_path)]) as database:
        assert await database.execute(asked) == [(1,)]
    with duckdb.connect() as plain:
        assert plain.execute(asked).fetchall() == [(0,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
        "COPY (SELECT 1) TO '/tmp/bronze-silver-never.csv'",
        "ATTACH '/tmp/bronze-silver-never.db'",
        "INSTALL httpfs",
        "SET memory_limit = '1GB'",
        "SET enable_external_access = true",
        "SELECT * FROM ENDLESS",
    ],
    ids=["file", "network", "write", "attach", "extension", "limit", "access", "variable"],
)
@pytest.mark.asyncio
async def test_sql_reaches_nothing_beyond_what_it_was_given(tmp_path: Path, sql: str) -> None:
    async with opened(tmp_path) as database:
        with pytest.raises((duckdb.Error, StoreError)):
            await database.execute(sql)


@pytest.mark.asyncio
async def test_times_are_utc(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        [(found,)] = await database.execute(
            "SELECT (TIMESTAMPTZ '2025-01-15 23:30:00+00')::DATE::VARCHAR"
        )
    assert found == "2025-01-15"


@pytest.mark.asyncio
async def test_cancelled_statement_is_over_when_the_caller_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        with anyio.move_on_after(0.2) as scope:  # noqa: TID251  # DuckDB's threads take real time
            await database.execute(ENDLESS)
        assert scope.cancelled_caught
        assert await database.execute("SELECT 1") == [(1,)]


@pytest.mark.asyncio
async def test_cancelled_stream_is_over_when_the_caller_goes_on(tmp_path: Path) -> None:
    schema = pa.schema([("x", pa.float64())])
    async with opened(tmp_path) as database:
        with anyio.move_on_after(0.2) as scope:  # noqa: TID251
            await read(database, ENDLESS, schema)
        assert scope.cancelled_caught
        assert await database.execute("SELECT 1") == [(1,)]


@pytest.mark.asyncio
async def test_stream_left_early_leaves_the_database_usable(tmp_path: Path) -> None:
    schema = pa.schema([("i", pa.int64())])
    async with opened(tmp_path) as database:
        async with database.batches("SELECT i FROM range(10000000) t(i)", schema=schema) as found:
            async for _ in found:
                break
        assert await database.execute("SELECT 1") == [(1,)]


@pytest.mark.asyncio
async def test_statements_run_beside_an_open_stream(tmp_path: Path) -> None:
    schema = pa.schema([("i", pa.int64())])
    async with opened(tmp_path) as database:
        await database.execute("CREATE TABLE t AS SELECT i FROM range(200000) t(i)")
        rows = 0
        async with database.batches("SELECT i FROM t", schema=schema) as batches:
            async for batch in batches:
                rows += batch.num_rows
                assert await database.execute("SELECT count(*) FROM t") == [(200000,)]
    assert rows == 200000


@pytest.mark.asyncio
async def test_out_of_memory_names_the_limit(tmp_path: Path) -> None:
    grouped = "SELECT list(i::VARCHAR || repeat('x', 100)) FROM range(5000000) t(i)"
    async with opened(tmp_path, memory_bytes=32 * 1024**2) as database:
        with pytest.raises(ConfigError, match=r"engine.memory_limit: DuckDB ran out of its 32 MiB"):
            await database.execute(grouped)
        with pytest.raises(ConfigError, match=r"engine.memory_limit: DuckDB ran out of its 32 MiB"):
            await read(database, grouped, pa.schema([("x", pa.string())]))


FULL = """
import resource, signal, sys, anyio
from pathlib import Path
from bronze_engine.errors import StoreError
from bronze_engine.silver.database.database import Database
from bronze_engine.workers import Workers
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
async def main():
    with Workers(1) as workers:
        async with Database(workers, Path(sys.argv[1]), memory_bytes=32 << 20) as database:
            try:
                await database.execute(
                    "CREATE TABLE t AS SELECT md5(i::VARCHAR) AS h FROM range(3000000) t(i)"
                )
            except StoreError as exc:
                print(exc)
anyio.run(main)
"""


def test_disk_that_takes_no_more_is_a_fault_of_the_store(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(spill)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert found.stdout.startswith(f"STG001 {tmp_path}: DuckDB could not read or write")
    assert "File too large" in found.stdout
    assert "engine.spill_dir" in found.stdout


@pytest.mark.asyncio
async def test_file_that_was_removed_since_it_was_verified_is_a_fault_of_the_store(
    tmp_path: Path,
) -> None:
    (tmp_path / "spill").mkdir()
    link = tmp_path / "spill/000001-part.parquet"
    link.symlink_to(tmp_path / "part.parquet")
    async with opened(tmp_path, readable=[str(tmp_path)]) as database:
        with pytest.raises(StoreError, match=r"000001-part\.parquet"):
            await database.execute(f"SELECT * FROM read_parquet('{link}')")


@pytest.mark.asyncio
async def test_loop_runs_on_while_duckdb_is_at_work(tmp_path: Path) -> None:
    turns = 0
    async with opened(tmp_path) as database, anyio.create_task_group() as tasks:

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        tasks.start_soon(turn)
        await database.execute("SELECT sum(sin(i)) FROM range(5000000) t(i)")
        tasks.cancel_scope.cancel()
    assert turns > 100


@pytest.mark.asyncio
async def test_database_that_is_not_open_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        pass
    with pytest.raises(RuntimeError, match="not open"):
        await database.execute("SELECT 1")


@pytest.mark.asyncio
async def test_cancelled_while_it_is_opened_nothing_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "spill").mkdir()
    with Workers(1) as workers:
        database = Database(workers, tmp_path / "spill", memory_bytes=LIMIT)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await database.__aenter__()
        with pytest.raises(RuntimeError, match="not open"):
            await database.execute("SELECT 1")


@pytest.mark.asyncio
async def test_file_that_is_no_parquet_is_a_fault_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    async with opened(tmp_path, readable=[str(tmp_path)]) as database:
        with pytest.raises(StoreError, match=r"broken\.parquet"):
            await database.execute(f"SELECT * FROM read_parquet('{path}')")


@pytest.mark.asyncio
async def test_wrong_sql_is_a_fault_of_our_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        with pytest.raises(duckdb.BinderException):
            await database.execute("SELECT nothing FROM range(1) t(i)")


@pytest.mark.asyncio
async def test_what_is_spilled_lies_in_its_own_folder_and_goes_with_it(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    async with opened(tmp_path) as database:
        await database.execute(
            "CREATE TABLE t AS SELECT i, md5(i::VARCHAR) AS h FROM range(3000000) t(i) ORDER BY h"
        )
        assert any(spill.rglob("*.tmp"))
        assert await database.execute("SELECT count(DISTINCT h) FROM t") == [(3000000,)]
    assert not any(spill.rglob("*.tmp"))
