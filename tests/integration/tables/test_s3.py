"""Tables on S3: committed with the store's own credentials, read with nothing of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from pyiceberg.catalog import load_catalog

from bronze_engine import open_partition
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import Config
from bronze_engine.testing import ScriptedSource, page
from tests.integration.moto import Moto, moto
from tests.unit.run.harness import DAY, HEAD, NAME, load_text, opened

__all__ = ["moto"]

pytestmark = pytest.mark.integration

NEXT = DAY + timedelta(days=1)
SECRET: Final = "secret-of-the-lake"

Row = dict[str, Any]


class Place:
    """A bucket with a pipeline that lands into it."""

    def __init__(self, server: Moto, folder: Path, table_format: str) -> None:
        self.server = server
        self.folder = folder
        self.bucket = server.bucket()
        self.root = f"s3://{self.bucket}/bronze/team/orders"
        catalog = 'catalog = "lake"\n' if table_format == "iceberg" else ""
        text = (
            f'{HEAD}[stores.lake]\nurl = "s3://{self.bucket}/bronze"\n'
            f'endpoint_url = "{server.url}"\naddressing_style = "path"\nregion = "eu-central-1"\n'
            f'access_key_id = "lake"\nsecret_access_key = "{SECRET}"\n'
            f'[pipelines.{NAME}]\ntarget = "lake"\nprimary_key = ["id"]\n'
            f'[pipelines.{NAME}.source]\ntype = "http"\napi = "shop"\npath = "/orders"\n'
            f'[pipelines.{NAME}.output]\ntable_format = "{table_format}"\n{catalog}'
            f'[catalogs.lake]\ntype = "sql"\nuri = "sqlite:///lake.db"\n'
            f'warehouse = "s3://{self.bucket}/tables"\n'
        )
        self.config: Config = load_text(text, folder=folder)

    async def run(self, day: date, *records: Row) -> None:
        source = ScriptedSource([[page(1, *records)]])
        async with opened(self.config, source, clock=SYSTEM_CLOCK) as engine:
            report = await engine.run(NAME, run_date=day)
        assert report.degraded == ()

    def landed(self, *days: date) -> list[Row]:
        rows: list[Row] = []
        for day in days:
            found = open_partition(self.config, NAME, day).to_table().to_pylist()
            rows += [{**row, "dt": day} for row in found]
        return plain(rows)

    def by_delta(self) -> list[Row]:
        options: Mapping[str, str] = {
            "aws_endpoint_url": self.server.url,
            "aws_access_key_id": "lake",
            "aws_secret_access_key": SECRET,
            "aws_region": "eu-central-1",
            "aws_allow_http": "true",
        }
        table = DeltaTable(self.root, storage_options=dict(options))
        query = QueryBuilder().register("t", table).execute("SELECT * FROM t")
        return plain(pa.table(query.read_all()).to_pylist())

    def by_iceberg(self) -> list[Row]:
        options = {
            "s3.endpoint": self.server.url,
            "s3.access-key-id": "lake",
            "s3.secret-access-key": SECRET,
            "s3.region": "eu-central-1",
        }
        uri = f"sqlite:///{self.folder}/lake.db"
        catalog = load_catalog("lake", type="sql", uri=uri, **options)
        try:
            return plain(catalog.load_table("team.orders").scan().to_arrow().to_pylist())
        finally:
            catalog.close()

    def rows(self, table_format: str) -> list[Row]:
        return self.by_delta() if table_format == "delta" else self.by_iceberg()


def plain(rows: list[Row]) -> list[Row]:
    return sorted([dict(sorted(row.items())) for row in rows], key=repr)


@pytest.mark.asyncio
@pytest.mark.parametrize("table_format", ["delta", "iceberg"])
async def test_a_table_on_s3_has_the_rows_of_the_manifests(
    moto: Moto, tmp_path: Path, table_format: str
) -> None:
    place = Place(moto, tmp_path, table_format)
    await place.run(DAY, {"id": 1, "note": "a"}, {"id": 2, "note": None})
    await place.run(NEXT, {"id": 3, "note": "ü"})
    await place.run(DAY, {"id": 1, "note": "b"})
    assert place.rows(table_format) == place.landed(DAY, NEXT)
    assert len(place.landed(DAY, NEXT)) == 2


@pytest.mark.asyncio
async def test_a_catalog_that_is_not_there_is_told_without_secrets(
    moto: Moto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(moto, tmp_path, "iceberg")
    (tmp_path / "lake.db").mkdir()  # no file of a database
    source = ScriptedSource([[page(1, {"id": 1})]])
    async with opened(place.config, source, clock=SYSTEM_CLOCK) as engine:
        report = await engine.run(NAME, run_date=DAY)
    [told] = report.degraded
    assert told.startswith("the table does not show it yet, and nothing was reaped: STG001 table")
    assert "look whether the catalog is there" in told
    assert SECRET not in told + capsys.readouterr().err
