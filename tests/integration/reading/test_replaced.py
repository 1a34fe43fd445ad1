"""Readers of a partition that another process replaces all the time: never mixed, never cut."""

from __future__ import annotations

import asyncio
import time
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


def check_readers(
    target: StoreConfig, seconds: float, *, least: int
) -> tuple[Counter[str], set[int]]:
    """Read in every way, in turn; only a dataset may be told that it has lost the race.

    For `seconds`, and then, where the machine is busy, until every way but the dataset's has
    ended well `least` times and another run was seen. Returns how often each ended how, and
    the runs that were seen.
    """
    ends: Counter[str] = Counter()
    runs: set[int] = set()
    began = time.monotonic()

    def is_over(elapsed: float) -> bool:
        is_enough = min(ends["table"], ends["stream"]) >= least and len(runs) >= 2
        return elapsed > 10 * seconds or (elapsed > seconds and is_enough)

    with open_reader(target) as reader:
        while not is_over(time.monotonic() - began):
            for what, read in READS.items():
                try:
                    rows = read(reader)
                except Superseded:
                    if what != "dataset":
                        raise
                    ends["told"] += 1
                    continue
                seen: set[Any] = set(rows["run"].to_pylist())
                assert len(seen) == 1, f"rows of the runs {seen} in one {what}"
                assert rows["id"].to_pylist() == list(range(FILES * ROWS))
                runs |= seen
                ends[what] += 1
    return ends, runs


def s3_store(moto: Moto, bucket: str) -> str:
    return (
        f'type = "s3"\nurl = "s3://{bucket}/bronze"\nendpoint_url = "{moto.url}"\n'
        'addressing_style = "path"\nregion = "us-east-1"\nproxy = "none"\n'
        'access_key_id = "AKIATEST"\nsecret_access_key = "secret"\n'
    )


def test_a_directory_is_read_while_it_is_replaced(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with replacing(tmp_path, f'type = "local"\npath = "{lake}"\n') as writer:
        target = LocalStoreConfig(path=str(lake))
        ends, runs = check_readers(target, 3, least=10)
        commits = writer.stop()
    assert min(ends[what] for what in READS) >= 10
    assert commits >= 5
    assert len(runs) >= 3


def test_a_bucket_is_read_while_it_is_replaced(tmp_path: Path, moto: Moto) -> None:
    bucket = moto.bucket()
    with replacing(tmp_path, s3_store(moto, bucket)) as writer:
        target = s3_opened.config_of(moto.url, f"s3://{bucket}/bronze")
        ends, runs = check_readers(target, 6, least=5)
        commits = writer.stop()
    assert min(ends["table"], ends["stream"]) >= 5
    assert commits >= 3
    assert len(runs) >= 2


def test_a_container_is_read_while_it_is_replaced(tmp_path: Path, azurite: Azurite) -> None:
    url = f"az://{asyncio.run(azurite.container())}/bronze"
    store = (
        f'type = "azure"\nurl = "{url}"\nendpoint_url = "{azurite.url}"\n'
        f'account = "{ACCOUNT}"\naccount_key = "{KEY}"\nproxy = "none"\n'
    )
    with replacing(tmp_path, store) as writer:
        target = azure_opened.config_of(azurite.url, url)
        ends, runs = check_readers(target, 6, least=5)
        commits = writer.stop()
    assert min(ends["table"], ends["stream"]) >= 5
    assert commits >= 3
    assert len(runs) >= 2


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_minute_of_replacement_over_a_directory(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with replacing(tmp_path, f'type = "local"\npath = "{lake}"\n') as writer:
        target = LocalStoreConfig(path=str(lake))
        ends, runs = check_readers(target, 60, least=100)
        commits = writer.stop()
    assert sum(ends[what] for what in READS) >= 1000
    assert min(commits, len(runs)) >= 100
