"""A lake on each kind of store, as `[stores.lake]`, and as the test itself looks into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, final

import anyio

from bronze_engine.adapters import open_store
from bronze_engine.config.load import load_config
from bronze_engine.contracts import Store
from bronze_engine.testing.stores import keys_of, staged_keys
from bronze_engine.workers import Workers
from tests.integration.azurite import ACCOUNT, KEY, Azurite
from tests.integration.cli.command import shop
from tests.integration.moto import Moto

__all__ = ["Lake", "azure_lake", "local_lake", "s3_lake"]

T = TypeVar("T")


@final
class Lake:
    """A folder whose pipelines.toml has one pipeline, which lands in the store `lake`."""

    def __init__(self, folder: Path, url: str, table: str) -> None:
        self.url = url
        self._folder = folder
        shop(folder, f"\n[stores.lake]\n{table}\n")

    def look(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Do something with the store itself."""

        async def opened() -> T:
            config = load_config(self._folder / "pipelines.toml").store("lake")
            with Workers(2) as workers:
                async with open_store(config, workers) as store:
                    return await work(store)

        return anyio.run(opened)

    def content(self) -> tuple[list[str], list[str]]:
        """The keys of objects, and of staged files."""

        async def look(store: Store) -> tuple[list[str], list[str]]:
            return await keys_of(store), await staged_keys(store)

        return self.look(look)


def local_lake(folder: Path) -> Lake:
    return Lake(folder, str(folder / "lake"), 'type = "local"\npath = "lake"')


def s3_lake(folder: Path, moto: Moto) -> Lake:
    url = f"s3://{moto.bucket()}/bronze"
    return Lake(
        folder,
        url,
        f'type = "s3"\nurl = "{url}"\nendpoint_url = "{moto.url}"\naddressing_style = "path"\n'
        'proxy = "none"\naccess_key_id = "AKIATEST"\nsecret_access_key = "canary-secret"',
    )


def azure_lake(folder: Path, azurite: Azurite) -> Lake:
    url = f"az://{anyio.run(azurite.container)}/bronze"
    return Lake(
        folder,
        url,
        f'type = "azure"\nurl = "{url}"\nendpoint_url = "{azurite.url}"\nproxy = "none"\n'
        f'account = "{ACCOUNT}"\naccount_key = "{KEY}"',
    )
