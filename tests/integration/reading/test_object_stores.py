"""Partitions of S3 and Azure are read by their URL, with the vendors' own variables."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from bronze_engine import (
    RetryError,
    StateError,
    load_config,
    open_partition,
    open_reader,
    partition_files,
    read_manifest,
    read_partition,
    stream_partition,
)
from bronze_engine.config.stores.store import StoreConfig
from tests.integration.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.integration.moto import Moto, moto
from tests.integration.store import azure_opened, s3_opened
from tests.unit.reading.landed import DAY, NAME, PARTITION, land_in, table_of

__all__ = ["azurite", "moto"]

pytestmark = pytest.mark.integration

FILES: Final = 2
ROWS: Final = 150_000
"""Of each file: a few MiB, in 10 row groups."""


class Landed:
    """A partition under a URL, and the store's configuration for it."""

    def __init__(self, url: str, config: StoreConfig) -> None:
        self.url = url
        self.config = config
        self.manifest = asyncio.run(land_in(config, 1, files=FILES, rows=ROWS))


@pytest.fixture(scope="module")
def on_s3(moto: Moto) -> Landed:
    url = f"s3://{moto.bucket()}/lake"
    return Landed(url, s3_opened.config_of(moto.url, url))


@pytest.fixture(scope="module")
def on_azure(azurite: Azurite) -> Landed:
    url = f"az://{asyncio.run(azurite.container())}/lake"
    return Landed(url, azure_opened.config_of(azurite.url, url))


@pytest.fixture(params=["s3", "azure"])
def landed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Landed:
    """A committed partition, in an environment that says how to reach it."""
    for name in tuple(os.environ):
        if name.startswith(("AWS_", "AZURE_")):
            monkeypatch.delenv(name)
    landed: Landed = request.getfixturevalue(f"on_{request.param}")
    if request.param == "s3":
        variables = {
            "AWS_ENDPOINT_URL": request.getfixturevalue("moto").url,
            "AWS_ACCESS_KEY_ID": s3_opened.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": s3_opened.SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    else:
        variables = {
            "AZURE_STORAGE_ENDPOINT": request.getfixturevalue("azurite").url,
            "AZURE_STORAGE_ACCOUNT": ACCOUNT,
            "AZURE_STORAGE_KEY": KEY,
        }
    for name, value in {**variables, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    return landed


@pytest.fixture(scope="module")
def expected() -> pa.Table:
    tables = [table_of(1, number, ROWS) for number in range(FILES)]
    return pa.concat_tables(tables, promote_options="default")


def test_a_partition_is_read_by_its_url(landed: Landed, expected: pa.Table) -> None:
    assert read_manifest(landed.url, NAME, DAY) == landed.manifest
    names = [file.name for file in landed.manifest.files]
    assert list(partition_files(landed.url, NAME, DAY)) == [
        f"{landed.url}/{PARTITION}/{name}" for name in names
    ]
    assert read_partition(landed.url, NAME, DAY).equals(expected)
    stream = stream_partition(landed.url, NAME, DAY)
    assert pa.Table.from_batches(list(stream), stream.schema).equals(expected)
    orders = open_partition(landed.url, NAME, DAY)
    assert orders.count_rows() == FILES * ROWS
    some = orders.to_table(columns=["text"], filter=ds.field("id") == ROWS + 7)
    assert some["text"].to_pylist() == ["row 7 of 1"]
    assert orders.to_table().equals(expected)


def test_a_store_of_a_configuration_is_read(landed: Landed, expected: pa.Table) -> None:
    with open_reader(landed.config) as reader:
        assert reader.read_partition(NAME, DAY, columns=["id"]).equals(expected.select(["id"]))
        with pytest.raises(StateError, match="nothing was committed there"):
            reader.read_manifest("shop.customers", DAY)


def test_a_pipeline_with_a_store_is_read(landed: Landed, tmp_path: Path) -> None:
    kind = landed.config.__struct_config__.tag
    (tmp_path / "pipelines.toml").write_text(
        f'[stores.lake]\ntype = "{kind}"\nurl = "{landed.url}"\n'
        '[apis.a]\nbase_url = "http://127.0.0.1:9"\n'
        '[pipelines.shop.orders]\ntarget = "lake"\n'
        '[pipelines.shop.orders.source]\ntype = "http"\napi = "a"\npath = "/orders"\n'
    )
    config = load_config(tmp_path / "pipelines.toml")
    assert open_partition(config, NAME, DAY).count_rows() == FILES * ROWS


def test_a_server_that_is_not_there_is_told_and_nothing_is_left_open() -> None:
    target = s3_opened.config_of("http://127.0.0.1:9", "s3://lake/bronze")
    with pytest.raises(RetryError, match="failed 3 times"):
        open_partition(target, NAME, DAY)
