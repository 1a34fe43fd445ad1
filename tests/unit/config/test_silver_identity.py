"""A configuration that makes other rows has another hash, and no other has."""

from __future__ import annotations

from pathlib import Path

import pytest

from bronze_engine.config.silver_identity import silver_hash
from tests.unit.silver.bronze import pipeline

pytestmark = pytest.mark.unit

TOP = 'load = "incremental"\nprimary_key = ["id"]\nincremental = { cursor = "at" }'


def hash_of(folder: Path, silver: str, top: str = TOP) -> str:
    chosen = pipeline(folder, silver, top)
    assert chosen.silver is not None
    return silver_hash(chosen, chosen.silver)


@pytest.mark.parametrize(
    "silver",
    [
        'kind = "event"',
        'unique_columns = ["key"]',
        'order_by = ["seq"]',
        'history = "full"',
        'deletes = "hard"\ndeleted_column = "gone"',
        'deleted_column = "gone"',
        'partition_by = ["country"]',
        'late_data = "quarantine"\nlate_after = "1d"',
        '[.columns]\nkeep = ["id", "at"]',
        '[.columns]\ndrop = ["note"]',
        '[.columns]\nrename = { note = "remark" }',
        '[.columns]\ncast = { note = "json" }',
        '[[.quality.rules]]\nrule = "not_null"\ncolumn = "note"',
    ],
)
def test_what_makes_other_rows_is_another_table(tmp_path: Path, silver: str) -> None:
    assert hash_of(tmp_path, silver) != hash_of(tmp_path, "")


@pytest.mark.parametrize(
    "silver",
    [
        'unique_columns = ["id"]',
        'order_by = ["at"]',
        'contract = "freeze"',
        'verify_bronze = "off"',
        'path = "curated/{system}/{entity}"',
        "[.output]\nmax_rows_per_file = 10",
        '[.output]\nencoding = "delta"',
        "[.quality]\nmax_bad_rows = 5",
        '[[.quality.rules]]\nrule = "not_null"\ncolumn = "note"\nlevel = "warn"',
        '[[.quality.rules]]\nrule = "row_count"\nmin = 1',
    ],
)
def test_what_makes_the_same_rows_is_the_same_table(tmp_path: Path, silver: str) -> None:
    assert hash_of(tmp_path, silver) == hash_of(tmp_path, "")


def test_what_a_table_falls_back_to_is_a_part_of_it(tmp_path: Path) -> None:
    plain = hash_of(tmp_path, "")
    assert hash_of(tmp_path, "", TOP.replace('"id"', '"key"')) != plain
    assert hash_of(tmp_path, "", TOP.replace('"at"', '"seen"')) != plain
    assert hash_of(tmp_path, 'order_by = ["at"]', TOP.replace('"at"', '"seen"')) == plain


def test_the_hash_of_a_table_stays_what_it_is(tmp_path: Path) -> None:
    """With another one, every table would be made anew after an upgrade."""
    known = "2b49687e593df2a33bcbe6be109cc5c521b6beb3076ccce56fab92a13c5b8c84"
    assert hash_of(tmp_path, "") == known
