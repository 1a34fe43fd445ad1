"""Databases that the environment names: that of compose.yaml, or real ones. They are only read.

    RUN_INTEGRATION=1 BRONZE_TEST_DATABASES="postgresql://bronze@127.0.0.1:5432/bronze" \
        PGPASSWORD=bronze-password python -m pytest tests/ -m integration
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bronze_engine import load_config, open_engine

pytestmark = pytest.mark.integration

NAMED = os.environ.get("BRONZE_TEST_DATABASES", "").split()
DATABASES = NAMED if os.environ.get("RUN_INTEGRATION") == "1" else []
NONE = pytest.mark.skip("no RUN_INTEGRATION=1 with dsns in BRONZE_TEST_DATABASES")
CASES = [pytest.param(dsn, id=f"database {at}") for at, dsn in enumerate(DATABASES)] or [
    pytest.param("", marks=NONE)
]
ROWS = 100_000

TEXT = """
[engine]
target = "lake"
log_dir = ""
[connections.named]
type = "postgres"
dsn = "${DSN}"
[pipelines.named.numbers.source]
type = "postgres"
connection = "named"
query = "SELECT n AS id, (n / 7.0)::numeric(18,4) AS amount, 'row ' || n AS note FROM generate_series(1, ROWS) n"
partition_column = "id"
partitions = 3
[pipelines.named.relations.source]
type = "postgres"
connection = "named"
table = "pg_catalog.pg_class"
columns = ["oid", "relname", "relkind", "relacl"]
"""  # noqa: E501  # one line of TOML


@pytest.mark.asyncio
@pytest.mark.parametrize("dsn", CASES)
async def test_a_named_database_lands_whole(tmp_path: Path, dsn: str) -> None:
    file = tmp_path / "pipelines.toml"
    file.write_text(TEXT.replace("ROWS", str(ROWS)))
    config = load_config(file, environ={**os.environ, "DSN": dsn})
    day = date(2025, 1, 15)
    async with open_engine(config) as engine:
        for name in config.names:
            findings = await engine.check(name, run_date=day)
            assert [finding.detail for finding in findings if not finding.ok] == []
            report = await engine.run(name, run_date=day)
            assert report.rows
            verified = await engine.verify(name, run_date=day)
            assert verified.ok
    folder = tmp_path / f"lake/named/numbers/dt={day}"
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    assert len(tables) == 3
    assert sum(table.num_rows for table in tables) == ROWS
    assert sum(pc.sum(table["id"]).as_py() for table in tables) == ROWS * (ROWS + 1) // 2
