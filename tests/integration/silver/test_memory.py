"""What DuckDB holds is what was set aside for it: its limit, and so much beyond it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.config.silver import Silver
from bronze_engine.errors import ConfigError
from bronze_engine.silver.database.database import BEYOND_BYTES
from bronze_engine.silver.memory import LEAST_DATABASE_BYTES, share_of

pytestmark = pytest.mark.integration

MIB = 1024**2
ROWS, GROUP = 2_000_000, 100_000
FOLDED = """
import re, sys, anyio, pyarrow as pa
from pathlib import Path
from bronze_engine.silver.database.database import Database
from bronze_engine.workers import Workers

def held(name):
    return int(re.search(rf"{name}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

async def main(folder, limit):
    source = f"read_parquet('{folder}/rows.parquet')"
    with Workers(2) as workers:
        async with Database(
            workers, Path(folder), memory_bytes=int(limit), readable=[folder]
        ) as database:
            await database.execute("SELECT 1")
            base, rows = held("VmRSS"), 0
            await database.execute(
                f"CREATE TABLE newest AS SELECT id, max(nr) AS nr FROM {source} GROUP BY id"
            )
            sql = f"SELECT b.* FROM {source} b SEMI JOIN newest USING (id, nr) ORDER BY id"
            schema = pa.schema(
                [("id", pa.int64()), ("nr", pa.int64()), ("a", pa.string()), ("b", pa.string())]
            )
            async with database.batches(sql, schema=schema) as batches:
                async for batch in batches:
                    rows += batch.num_rows
            print(rows, held("VmHWM") - base)

anyio.run(main, *sys.argv[1:])
"""


COLUMNS: Final[dict[str, Any]] = {
    "id": pa.int64(),
    "nr": pa.int64(),
    "a": pa.string(),
    "b": pa.string(),
}
SCHEMA: Final = pa.schema(list(COLUMNS.items()))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each key twice, as Bronze would have written them."""
    folder = tmp_path_factory.mktemp("rows")
    with pq.ParquetWriter(folder / "rows.parquet", SCHEMA, compression="zstd") as writer:
        for start in range(0, ROWS, GROUP):
            numbers = range(start, start + GROUP)
            columns: list[list[Any]] = [
                [number * 7919 % (ROWS // 2) for number in numbers],
                list(numbers),
                [f"name {number}" for number in numbers],
                [f"{hash(number * 0.1):032x}".ljust(132, "x") for number in numbers],
            ]
            writer.write_table(pa.table(dict(zip(SCHEMA.names, columns, strict=True)), SCHEMA))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("limit", [64 * MIB, 128 * MIB], ids=["64", "128"])
def test_duckdb_stays_within_what_is_set_aside(rows: Path, limit: int) -> None:
    """300 MB of rows, of which half are the newest of their key."""
    found = subprocess.run(
        [sys.executable, "-c", FOLDED, str(rows), str(limit)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    count, held = map(int, found.stdout.split())
    assert count == ROWS // 2
    assert held <= limit + BEYOND_BYTES


def test_a_run_sets_aside_what_duckdb_takes_beyond_its_limit() -> None:
    share = share_of("team.orders", Silver(), 512 * MIB)
    assert share.database_bytes == 256 * MIB
    assert share.size_bytes == 256 * MIB + BEYOND_BYTES + share.encoder_bytes <= 512 * MIB


def test_what_is_left_beside_the_encoders_is_duckdbs_where_the_limit_is_small() -> None:
    share = share_of("team.orders", Silver(), 256 * MIB)
    assert LEAST_DATABASE_BYTES <= share.database_bytes < 128 * MIB
    assert share.size_bytes == 256 * MIB


def test_too_small_a_limit_is_told_before_anything_is_opened() -> None:
    with pytest.raises(
        ConfigError, match=r"team\.orders needs .* engine\.memory_limit is 104,857,600"
    ):
        share_of("team.orders", Silver(), 100 * MIB)
