"""Peak memory does not follow the size of a result, nor that of a driver's batch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.adbc.lake import Lake, in_duckdb, in_sqlite
from tests.integration.engine.test_memory import RUN

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FEW, MANY = 600_000, 4_800_000
"""Of both all that is held is full: row groups, the parts of a file, a driver's own buffers."""

SQLITE = """WITH RECURSIVE r(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM r WHERE id < {rows})
SELECT id, hex(id * 7919) AS code, 'a name of some length ' || id AS name, id / 7.0 AS x FROM r"""
DUCKDB = """SELECT range AS id, md5(range::varchar) AS code,
'a name of some length ' || range AS name, range / 7 AS x FROM range({rows})"""


def peak(lake: Lake, rows: int) -> int:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(lake.path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rows"] == rows, done.stderr
    return int(found["peak"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("driver", "sql", "batch_rows"),
    [("sqlite", SQLITE, 1024), ("sqlite", SQLITE, 50_000), ("duckdb", DUCKDB, None)],
)
def test_peak_memory_does_not_follow_the_number_of_rows(
    tmp_path: Path, driver: str, sql: str, batch_rows: int | None
) -> None:
    peaks = {}
    for rows in FEW, MANY:
        source = f'query = """{sql.format(rows=rows)}"""'
        if batch_rows is not None:
            source += f"\nbatch_rows = {batch_rows}"
        lake = Lake(tmp_path, driver, source)
        if not lake.database.exists():
            fill = in_sqlite if driver == "sqlite" else in_duckdb
            fill(lake.database, "CREATE TABLE t (id integer)")
        peaks[rows] = peak(lake, rows)
    assert peaks[MANY] <= 1.2 * peaks[FEW], peaks
    assert peaks[MANY] <= 400_000_000, peaks
