"""docs/reading.md: every example is run, but for Spark's, and its tables are those of the code."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

import bronze_engine
from bronze_engine import Reader
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.model.block import Block
from bronze_engine.reading.committed import HELD_FILES
from bronze_engine.reading.partition import TRIES
from bronze_engine.testing import ScriptedSource, page
from tests.documents import READING
from tests.unit.run.harness import load_text, opened

pytestmark = pytest.mark.integration

DAYS = (date(2025, 1, 14), date(2025, 1, 15))
FUNCTIONS = {
    "open_partition",
    "partition_files",
    "read_manifest",
    "read_partition",
    "stream_partition",
}
CONFIG = """
[engine]
log_dir = ""
target = "lake"
[stores.lake]
type = "local"
path = "bronze"
[apis.shop]
base_url = "http://127.0.0.1:9"
[pipelines.myteam.orders.source]
type = "http"
api = "shop"
path = "/orders/{run_date}"
"""


def orders(count: int, **more: object) -> list[dict[str, object]]:
    return [
        {"id": at, "status": ("paid", "open")[at % 2], "amount": at * 1.5, **more}
        for at in range(count)
    ]


def script() -> Sequence[Sequence[Block]]:
    """Two files; the second has a column that the first does not have."""
    return [[page(1, *orders(100))], [page(1, *orders(50, coupon="x"))]]


async def land(folder: Path) -> None:
    config = load_text(CONFIG, folder=folder)
    async with opened(config, ScriptedSource(script()), clock=SYSTEM_CLOCK) as engine:
        for day in DAYS:
            await engine.run("myteam.orders", run_date=day)


@pytest.fixture
def landed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the examples are run."""
    asyncio.run(land(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(names: dict[str, Any], example: str) -> dict[str, Any]:
    exec(compile(example, str(READING.path), "exec"), names)  # noqa: S102  # our own document
    return names


@pytest.fixture
def names(landed: Path) -> dict[str, Any]:
    """What the first example leaves, as it is run before each of the others."""
    assert landed.exists()
    [example] = READING.blocks("python", "One partition")
    return run({}, example)


def test_the_first_example_opens_what_landed(names: dict[str, Any]) -> None:
    assert names["manifest"].row_count == 150
    assert names["orders"].count_rows() == 150
    assert names["orders"].to_table(columns=["coupon"])["coupon"].null_count == 100


def test_a_configuration_is_a_target(names: dict[str, Any]) -> None:
    for line in "own target", "an entry of [stores]":
        assert line in READING.section("Targets and names")
    [example] = READING.blocks("python", "Targets and names")
    assert run(names, example)["orders"].count_rows() == 150
    pipeline = re.sub(r"(?m)^.*config\.place.*\n", "", example)
    assert run(names, pipeline)["orders"].count_rows() == 150


def test_duckdb_reads_the_dataset_and_the_files(names: dict[str, Any]) -> None:
    dataset, files = READING.blocks("python", "DuckDB")
    paid = sum(float(str(each["amount"])) for each in orders(100)[::2] + orders(50)[::2])
    assert run(names, dataset)["by_status"][1] == ("paid", 75, paid)
    assert run(names, files)["total"] == [(sum(at * 1.5 for at in [*range(100), *range(50)]),)]
    found = duckdb.read_parquet(names["files"], union_by_name=True)
    assert "coupon" in found.columns


def test_polars_reads_the_dataset_and_the_files(names: dict[str, Any]) -> None:
    dataset, files = READING.blocks("python", "Polars")
    large = sum(at * 1.5 > 100 for at in [*range(100), *range(50)])
    assert run(names, dataset)["large"].shape == (large, 2)
    assert run(names, files)["large"].height == large
    assert "coupon" in names["large"].columns


def test_pandas_takes_the_table(names: dict[str, Any]) -> None:
    [example] = READING.blocks("python", "pandas")
    run(names, example)
    assert names["frame"].shape == (150, 2)
    assert str(names["exact"].dtypes["id"]) == "int64[pyarrow]"
    assert names["exact"]["coupon"].isna().sum() == 100


def test_batches_are_streamed(names: dict[str, Any]) -> None:
    [example] = READING.blocks("python", "More than fits into memory")
    assert run(names, example)["rows"] == 150


def test_many_partitions_are_read_with_one_reader(names: dict[str, Any]) -> None:
    one, range_of_dates = READING.blocks("python", "Many partitions")
    assert run(names, one)["counts"] == [150, 150]
    whole = run(names, range_of_dates)["whole"]
    assert whole.num_rows == 300
    assert set(whole["_load_date"].to_pylist()) == set(DAYS)


def test_the_example_for_spark_is_python() -> None:
    [example] = READING.blocks("pyspark")
    compile(example, "spark", "exec")
    assert "none of them runs" in " ".join(READING.section("Spark").split())


def test_no_example_was_left_out() -> None:
    assert len(READING.blocks("python")) == 10
    assert {language for language, _ in re.findall(r"```(\w+)()", READING.text)} == {
        "python",
        "pyspark",
    }


def test_the_tables_name_every_function() -> None:
    for section in ("One partition", "While a run replaces it"):
        rows = re.findall(r"^\| `(\w+)` \|", READING.section(section), re.MULTILINE)
        assert set(rows) <= FUNCTIONS
    assert (
        set(re.findall(r"^\| `(\w+)` \|", READING.section("One partition"), re.MULTILINE))
        == FUNCTIONS
    )
    assert set(bronze_engine.__all__) >= FUNCTIONS
    assert all(hasattr(Reader, name) for name in FUNCTIONS)


def test_the_numbers_are_those_of_the_code() -> None:
    replaced = READING.section("While a run replaces it")
    assert f"after {TRIES} such runs in a row" in replaced
    assert f"up to {HELD_FILES} files" in replaced
