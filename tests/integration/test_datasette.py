"""The main job on real input: 336,776 flights through a real API, compared value by value."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine import load_config, open_engine
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest
from tests.integration.datasette import COLUMNS, PAGE_SIZE, Flights, flights

__all__ = ["flights"]  # a fixture is found by its name in this module

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROWS = 336_776
DAY = date(2025, 1, 15)
ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string()}

PIPELINES = """
[engine]
target = "./bronze"
log_dir = ""

[apis.datasette]
base_url = "{url}"

[pipelines.nyc.flights.source]
type = "http"
api = "datasette"
path = "/flights/flights.json"
records = "rows"

[pipelines.nyc.flights.source.params]
_size = {page_size}
_shape = "objects"
_nofacet = 1

[pipelines.nyc.flights.source.paginator]
type = "next_url"
next_path = "next_url"
"""


@pytest.mark.asyncio
async def test_every_value_of_a_real_data_set_lands_as_the_source_holds_it(
    flights: Flights, tmp_path: Path
) -> None:
    config = tmp_path / "pipelines.toml"
    config.write_text(PIPELINES.format(url=flights.url, page_size=PAGE_SIZE))

    async with open_engine(load_config(config)) as engine:
        report = await engine.run("nyc.flights", run_date=DAY)
        verified = await engine.verify("nyc.flights", run_date=DAY)

    assert report.status == "committed"
    assert (report.rows, report.rejected) == (ROWS, 0)
    assert report.pages == -(-ROWS // PAGE_SIZE)
    assert verified.ok
    assert verified.rows == ROWS

    landed = _landed(tmp_path / "bronze/nyc/flights" / f"dt={DAY}")
    expected_types = {"rowid": pa.int64()} | {name: ARROW[kind] for name, kind in COLUMNS.items()}
    assert {name: landed.schema.field(name).type for name in expected_types} == expected_types
    for name, values in _source(flights.database).items():
        assert landed[name].to_pylist() == values, name


def test_the_source_holds_integers_floats_text_and_nulls(flights: Flights) -> None:
    source = _source(flights.database)
    assert {len(values) for values in source.values()} == {ROWS}
    with_nulls = {COLUMNS[name] for name, values in source.items() if None in values}
    assert with_nulls == {int, float, str}


def _landed(partition: Path) -> pa.Table:
    """The files of a partition in the manifest's order: what a reader sees."""
    manifest = msgspec.json.decode((partition / MANIFEST_NAME).read_bytes(), type=Manifest)
    tables = [pq.read_table(partition / file.name, partitioning=None) for file in manifest.files]
    assert [len(table) for table in tables] == [file.row_count for file in manifest.files]
    return pa.concat_tables(tables)


def _source(database: Path) -> dict[str, list[object]]:
    with closing(sqlite3.connect(database)) as connection:
        cursor = connection.execute("SELECT rowid, * FROM flights ORDER BY rowid")
        columns = [list(values) for values in zip(*cursor, strict=True)]
    return dict(zip([name for name, *_ in cursor.description], columns, strict=True))
