"""Quality rules over a database whose driver speaks Arrow: rows that came as no text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bronze_engine import load_config, open_engine
from bronze_engine.errors import ConfigError, QualityError
from tests.integration.adbc.lake import DAY, Lake, in_sqlite

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

LIMIT = "[pipelines.team.orders.quality]\nmax_bad_rows = 1\n"


def rule(text: str) -> str:
    return f"[[pipelines.team.orders.quality.rules]]\n{text}\n"


def lite(folder: Path, *tables: str) -> Lake:
    lake = Lake(folder, "sqlite", 'table = "t"', more="".join(tables))
    rows = [(1, "a"), (2**62, "\u00e9"), (3, None)]
    in_sqlite(lake.database, "CREATE TABLE t (id INTEGER, name TEXT)")
    in_sqlite(lake.database, "INSERT INTO t VALUES (?, ?)", rows=rows)
    return lake


async def test_a_row_that_breaks_a_rule_is_kept_as_exact_text(tmp_path: Path) -> None:
    lake = lite(tmp_path, LIMIT, rule('rule = "range"\ncolumn = "id"\nmax = 100'))
    report = await lake.run()
    assert (report.rows, report.rejected) == (2, 1)
    config = load_config(tmp_path / "pipelines.toml", environ={})
    async with open_engine(config) as engine:
        (kept,) = (await engine.quarantine("team.orders", run_date=DAY)).records
    assert json.loads(kept.record) == {"id": 2**62, "name": "\u00e9"}
    assert (kept.page, kept.offset, kept.rule) == (1, 1, "range(id)")


async def test_a_rule_about_a_column_that_the_table_lacks_is_a_fault_of_the_configuration(
    tmp_path: Path,
) -> None:
    lake = lite(tmp_path, rule('rule = "not_null"\ncolumn = "nmae"'))
    with pytest.raises(ConfigError, match='no column "nmae"; did you mean "name"'):
        await lake.run()


async def test_a_partition_that_breaks_a_rule_is_not_committed(tmp_path: Path) -> None:
    lake = lite(tmp_path, rule('rule = "row_count"\nmax = 2'))
    with pytest.raises(QualityError, match="row_count: 3 rows; at most 2 is wanted"):
        await lake.run()
    assert not list((tmp_path / "lake").rglob("*.parquet"))
