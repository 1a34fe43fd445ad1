"""Quality rules over PostgreSQL: exact rows in the quarantine, keys compared across partitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from bronze_engine.errors import ConfigError, QualityError
from tests.integration.databases.landing import DAY, NAME, Landing
from tests.integration.postgres import Database

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

GOODS: Final = """
DROP TABLE IF EXISTS judged;
CREATE TABLE judged (id bigint PRIMARY KEY, code text, price numeric(30, 10), at timestamptz);
INSERT INTO judged SELECT i, 'c' || i % 400, i * 1.5, '2025-01-15 00:00Z' FROM
    generate_series(1, 500) AS i;
UPDATE judged SET price = -12345678901234567890.0123456789, at = NULL WHERE id = 7;
"""
PARTS: Final = 'table = "judged"\npartition_column = "id"\npartitions = 4\nparallel = 2'


def judged(*rules: str, most: int = 0) -> str:
    tables = "".join(f"[[pipelines.team.orders.quality.rules]]\n{rule}\n" for rule in rules)
    return f"[pipelines.team.orders.quality]\nmax_bad_rows = {most}\n{tables}"


async def test_a_row_is_kept_to_the_last_digit(database: Database, tmp_path: Path) -> None:
    database.execute(GOODS)
    rule = 'rule = "expression"\nexpression = "price > 0 and at is not null"\nname = "sold"'
    landing = Landing(tmp_path, database, PARTS + "\n" + judged(rule, most=1))
    report = await landing.run()
    assert (report.rows, report.rejected) == (499, 1)
    async with landing.engine() as engine:
        (kept,) = (await engine.quarantine(NAME, run_date=DAY)).records
    assert json.loads(kept.record) == {
        "id": 7,
        "code": "c7",
        "price": "-12345678901234567890.0123456789",
        "at": None,
    }
    assert kept.rule == "sold"
    (result,) = report.quality
    assert (result.checked, result.failed) == (500, 1)


async def test_keys_of_other_partitions_count_and_fail(database: Database, tmp_path: Path) -> None:
    database.execute(GOODS)
    unique = 'rule = "unique"\ncolumn = "code"'
    landing = Landing(tmp_path / "fails", database, PARTS + "\n" + judged(unique))
    with pytest.raises(QualityError, match=r"unique\(code\): 100 rows have values that a row of"):
        await landing.run()
    warned = judged(f'{unique}\nlevel = "warn"')
    landing = Landing(tmp_path / "warns", database, PARTS + "\n" + warned)
    report = await landing.run()
    (result,) = report.quality
    assert (report.rows, result.checked, result.failed) == (500, 500, 100)


async def test_an_unknown_column_is_told_with_its_nearest(
    database: Database, tmp_path: Path
) -> None:
    database.execute(GOODS)
    landing = Landing(
        tmp_path, database, PARTS + "\n" + judged('rule = "not_null"\ncolumn = "cod"')
    )
    with pytest.raises(ConfigError, match='no column "cod"; did you mean "code"'):
        await landing.run()
