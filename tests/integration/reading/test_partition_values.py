"""Folders of partition values, as others read them: each row and column once, in exact types.

By the manifest, by the list of files, and by folders as Hive has them.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from bronze_engine import (
    open_engine,
    open_partition,
    partition_files,
    read_partition,
    stream_partition,
)
from bronze_engine.config.load import Config, load_config
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.testing import ScriptedSource, page
from tests.integration.azurite import ACCOUNT, Azurite, azurite
from tests.integration.moto import Moto, moto
from tests.integration.store.places import Place, azure_place, local_place, s3_place

__all__ = ["azurite", "moto"]

pytestmark = pytest.mark.integration

NAME: Final = "team.orders"
DAY: Final = date(2025, 1, 15)
PARTITION: Final = "team/orders/dt=2025-01-15"
TEXTS: Final = (
    *("DE", "de", "007", "1e3", "true", "2025-01-01", "NULL", "", None, " a ", "a."),
    *("a/b", "a=b", "a%2Fb", "50 %", "a+b&c", "Zürich 東京", "[x]{y}*?", "'q\"", "a\nb", "x" * 150),
)


def rows() -> list[dict[str, Any]]:
    return [
        {
            "id": place,
            "text": text,
            "number": place % 3 - 1,
            "price": Decimal(place % 4) / 4,
            "flag": place % 2 == 0,
            "day": date(2025, 1, 1 + place % 2),
            "at": datetime(2025, 1, 14 + place % 3, 23, 30, tzinfo=UTC),
        }
        for place, text in enumerate(TEXTS * 2)
    ]


TYPES: Final[dict[str, pa.DataType]] = {
    "id": pa.int64(),
    "text": pa.string(),
    "number": pa.int64(),
    "price": pa.decimal128(6, 2),
    "flag": pa.bool_(),
    "day": pa.date32(),
    "at": pa.timestamp("us", "UTC"),
}


def config_of(place: Place, *entries: str) -> Config:
    by = ", ".join(f'"{entry}"' for entry in entries)
    return load_config(
        place.folder / "pipelines.toml",
        environ={},
        overrides=(
            f"output.partition_by=[{by}]",
            "output.load_columns=false",
            'schema.columns.price="decimal(6,2)"',
            'schema.columns.day="date"',
            'schema.columns.at="timestamp"',
        ),
    )


async def land(config: Config, *, times: int = 1) -> None:
    sent = [
        {**row, "price": str(row["price"]), "day": str(row["day"]), "at": row["at"].isoformat()}
        for row in rows()
    ]
    source = ScriptedSource([[page(1, *sent[:20]), page(2, *sent[20:])]])
    async with open_engine(config, sources={"http": source}) as engine:
        for _ in range(times):
            await engine.run(NAME, run_date=DAY)
        report = await engine.verify(NAME, run_date=DAY)
    assert (report.ok, report.unlisted, report.rows) == (True, (), len(sent))


def in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: int(row["id"]))


ENTRIES: Final = [
    ("text",),
    ("number", "flag"),
    ("price", "day"),
    ("day(at)", "text"),
    ("year(at)", "month(day)", "hour(at)"),
]


def keys_below(lake: Path) -> list[str]:
    """What the folders of a partition's values are called."""
    partition = lake / PARTITION
    return sorted(
        {
            part.partition("=")[0]
            for path in partition.rglob("*.parquet")
            for part in path.relative_to(partition).parts[:-1]
        }
    )


@pytest.fixture(scope="module", params=ENTRIES, ids=" ".join)
def landed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a lake on disk, with one partition."""
    folder = tmp_path_factory.mktemp("lake")
    asyncio.run(land(config_of(local_place(folder), *request.param)))
    return folder / "bronze"


def test_by_the_manifest_all_columns_are_there_in_their_types(landed: Path) -> None:
    table = read_partition(landed, NAME, DAY)
    assert table.schema.remove_metadata() == pa.schema(TYPES)
    assert in_order(table.to_pylist()) == rows()
    one = open_partition(landed, NAME, DAY).to_table(filter=ds.field("text") == "007")
    assert one.column("id").to_pylist() == [2, 2 + len(TEXTS)]


def test_files_of_other_values_are_passed_over(tmp_path: Path) -> None:
    asyncio.run(land(config_of(local_place(tmp_path), "text", "flag", "number", "day")))
    lake = tmp_path / "bronze"
    whole = open_partition(lake, NAME, DAY)
    files = len(list(whole.get_fragments()))
    for column in ("text", "flag", "number", "day"):
        for value in {row[column] for row in rows()}:
            field = ds.field(column)
            wanted = field.is_null() if value is None else field == pa.scalar(value)
            found = whole.to_table(filter=wanted)
            assert found.schema == whole.schema
            assert in_order(found.to_pylist()) == [row for row in rows() if row[column] == value]
            assert 0 < len(list(whole.get_fragments(wanted))) < files
            streamed = stream_partition(lake, NAME, DAY, filter=wanted).read_all()
            assert in_order(streamed.to_pylist()) == in_order(found.to_pylist())


def test_each_file_holds_the_rows_of_its_values(landed: Path) -> None:
    manifest = decode_manifest((landed / PARTITION / "_metadata.json").read_bytes(), "manifest")
    for file in manifest.files:
        table = pq.read_table(landed / PARTITION / file.name, partitioning=None)
        for key, value in file.values.items():
            if key in table.schema.names:
                kind = TYPES[key]
                assert table.column(key).cast(pa.string()).unique().to_pylist() == [value], kind


SQL_TYPES: Final = {"text": "VARCHAR", "number": "BIGINT", "flag": "BOOLEAN", "day": "DATE"}
"""What DuckDB calls the types of columns that folders are called after."""


def test_duckdb_reads_the_files_and_the_folders(landed: Path) -> None:
    files = list(partition_files(landed, NAME, DAY))
    keys = keys_below(landed)
    types = {**SQL_TYPES, "price": "DECIMAL(6, 2)"}
    hive = ", ".join(f"{key}: '{types.get(key, 'VARCHAR')}'" for key in keys)
    columns = ", ".join(f'"{name}"' for name in TYPES)
    for source in (
        f"read_parquet({files!r}, hive_partitioning = false)",
        f"read_parquet('{landed}/{PARTITION}/**/*.parquet', hive_types = {{{hive}}})",
    ):
        relation = duckdb.sql(f"FROM {source}")
        assert relation is not None
        assert len(relation.columns) == len(set(relation.columns))
        table = relation.select(columns).to_arrow_table()
        zoned = table.schema.field("at").type  # in the session's zone
        assert pa.types.is_timestamp(zoned)
        assert table.schema == pa.schema({**TYPES, "at": zoned})
        assert in_order(table.to_pylist()) == rows()


def test_polars_reads_the_files_and_the_folders(landed: Path) -> None:
    for frame in (
        pl.scan_parquet(list(partition_files(landed, NAME, DAY))),
        pl.scan_parquet(f"{landed}/{PARTITION}/**/*.parquet", hive_partitioning=True),
    ):
        assert in_order(frame.select(list(TYPES)).collect().to_dicts()) == rows()


def test_pyarrow_reads_the_folders_with_their_types(landed: Path) -> None:
    keys = keys_below(landed)
    types = {key: TYPES.get(key, pa.string()) for key in keys}
    folders = ds.partitioning(pa.schema(types), flavor="hive")
    if "price" in keys:
        with pytest.raises(pa.ArrowNotImplementedError, match="decimal128"):
            ds.dataset(landed / PARTITION, partitioning=folders)
        return
    table = ds.dataset(landed / PARTITION, partitioning=folders).to_table(columns=list(TYPES))
    assert table.schema.remove_metadata() == pa.schema(TYPES)
    assert in_order(table.to_pylist()) == rows()


@pytest.mark.slow
@pytest.mark.parametrize("store", ["s3", "azure"])
def test_object_stores_take_every_value(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if store == "s3":
        server: Moto = request.getfixturevalue("moto")
        place = s3_place(tmp_path, server.url, f"s3://{server.bucket()}/lake")
    else:
        blobs: Azurite = request.getfixturevalue("azurite")
        container = asyncio.run(blobs.container())
        place = azure_place(
            tmp_path, blobs.url.removesuffix(f"/{ACCOUNT}"), f"az://{container}/lake"
        )
    config = config_of(place, "text")
    asyncio.run(land(config, times=2))  # the second removes the files of the first
    assert in_order(read_partition(config, NAME, DAY).to_pylist()) == rows()
    assert len(partition_files(config, NAME, DAY)) == len(set(TEXTS))
