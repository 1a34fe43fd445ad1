"""Where whole runs land in these tests: each place is a pipelines.toml over a store of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from bronze_engine.adapters import open_store
from bronze_engine.config.load import load_config
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.contracts import Store
from bronze_engine.workers import Workers
from tests.integration.azurite import ACCOUNT, KEY

__all__ = ["ROWS", "Place", "azure_place", "local_place", "place_of", "s3_place"]

ROWS: Final = 6

PIPELINE: Final = """
[engine]
log_dir = ""
target = "lake"
[apis.shop]
base_url = "http://127.0.0.1:9"
proxy = "none"
[apis.shop.retry]
backoff = "1ms"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
capture = "pages"
[pipelines.team.orders.source.paginator]
type = "page"
[pipelines.team.orders.quality]
max_bad_rows = 1
[pipelines.team.orders.output]
row_group_rows = 3
max_rows_per_file = 3
"""


class Place(msgspec.Struct, frozen=True):
    """A folder with a pipelines.toml, whose target is the store `lake`."""

    folder: Path

    @property
    def store(self) -> StoreConfig:
        return load_config(self.folder / "pipelines.toml", environ={}).place("lake")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        with Workers(2) as workers:
            async with open_store(self.store, workers) as store:
                yield store


def place_of(folder: Path, store: str) -> Place:
    """`store` is what stands in [stores.lake]."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pipelines.toml").write_text(f"{PIPELINE}\n[stores.lake]\n{store}")
    return Place(folder)


def local_place(folder: Path, path: str | os.PathLike[str] = "bronze") -> Place:
    return place_of(folder, f'type = "local"\npath = "{os.fspath(path)}"\n')


def s3_place(folder: Path, endpoint_url: str, url: str) -> Place:
    return place_of(
        folder,
        f'type = "s3"\nurl = "{url}"\nendpoint_url = "{endpoint_url}"\n'
        'addressing_style = "path"\nregion = "us-east-1"\n'
        'access_key_id = "AKIATEST"\nsecret_access_key = "secret"\n'
        'proxy = "none"\n[stores.lake.retry]\nbackoff = "10ms"\n',
    )


def azure_place(folder: Path, origin: str, url: str) -> Place:
    return place_of(
        folder,
        f'type = "azure"\nurl = "{url}"\nendpoint_url = "{origin}/{ACCOUNT}"\n'
        f'account_key = "{KEY}"\nproxy = "none"\n[stores.lake.retry]\nbackoff = "10ms"\n',
    )
