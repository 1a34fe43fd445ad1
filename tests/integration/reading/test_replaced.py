"""Readers of a partition that another process replaces all the time: never mixed, never cut."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine import Reader, open_reader
from bronze_engine.config.stores.store import LocalStoreConfig, StoreConfig
from bronze_engine.reading.partition import Superseded
from tests.integration.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.integration.moto import Moto, moto
from tests.integration.reading.writer import FILES, ROWS, replacing
from tests.integration.store import azure_opened, s3_opened
from tests.unit.run.harness import DAY, NAME

__all__ = ["azurite", "moto"]

pytestmark = pytest.mark.integration

READS: Mapping[str, Callable[[Reader], pa.Table]] = {
    "table": lambda reader: reader.read_partition(NAME, DAY),
    "stream": lambda reader: reader.stream_partition(NAME, DAY).read_all(),
    "dataset": lambda reader: reader.open_partition(NAME, DAY).to_table(),
}


def check_readers(target: StoreConfig, *, reads: int, runs: int) -> Counter[str]:
    """Read in every way, in turn, so often and until so many runs were seen.

    Only a dataset may be told that it has lost the race. Returns how often each way ended well.
    """
    ends: Counter[str] = Counter()
    seen: set[int] = set()
    with open_reader(target) as reader:
        while len(seen) < runs or ends.total() < reads:
            for what, read in READS.items():
                try:
                    rows = read(reader)
                except Superseded:
                    if what != "dataset":
                        raise
                    continue
                found: set[Any] = set(rows["run"].to_pylist())
                assert len(found) == 1, f"rows of the runs {found} in one {what}"
                assert rows["id"].to_pylist() == list(range(FILES * ROWS))
                seen |= found
                ends[what] += 1
    return ends


def s3_store(moto: Moto, bucket: str) -> str:
    return (
        f'type = "s3"\nurl = "s3://{bucket}/bronze"\nendpoint_url = "{moto.url}"\n'
        'addressing_style = "path"\nregion = "us-east-1"\nproxy = "none"\n'
        'access_key_id = "AKIATEST"\nsecret_access_key = "secret"\n'
    )


@pytest.mark.slow
def test_a_directory_is_read_while_it_is_replaced(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with replacing(tmp_path, f'type = "local"\npath = "{lake}"\n') as writer:
        ends = check_readers(LocalStoreConfig(path=str(lake)), reads=1000, runs=100)
        commits = writer.stop()
    assert min(ends[what] for what in READS) >= 10
    assert commits >= 100


def test_a_bucket_is_read_while_it_is_replaced(tmp_path: Path, moto: Moto) -> None:
    bucket = moto.bucket()
    with replacing(tmp_path, s3_store(moto, bucket)) as writer:
        target = s3_opened.config_of(moto.url, f"s3://{bucket}/bronze")
        ends = check_readers(target, reads=18, runs=3)
        commits = writer.stop()
    assert min(ends["table"], ends["stream"]) >= 5
    assert commits >= 3


def test_a_container_is_read_while_it_is_replaced(tmp_path: Path, azurite: Azurite) -> None:
    url = f"az://{asyncio.run(azurite.container())}/bronze"
    store = (
        f'type = "azure"\nurl = "{url}"\nendpoint_url = "{azurite.url}"\n'
        f'account = "{ACCOUNT}"\naccount_key = "{KEY}"\nproxy = "none"\n'
    )
    with replacing(tmp_path, store) as writer:
        target = azure_opened.config_of(azurite.url, url)
        ends = check_readers(target, reads=18, runs=3)
        commits = writer.stop()
    assert min(ends["table"], ends["stream"]) >= 5
    assert commits >= 3
