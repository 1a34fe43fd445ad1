"""Azurite for the demo: Azure Blob Storage in a process of its own, run by node."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from azure.storage.blob.aio import ContainerClient

from bronze_engine.config.stores.store import AzureStoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.demo.process import ServerProcess
from bronze_engine.errors import ConfigError
from bronze_engine.store.azure.access import access_of

__all__ = ["open_azurite"]

_DEVELOPMENT: Final = "UseDevelopmentStorage=true"
"""Stands for the account and the key that every emulator has."""

_MAIN: Final = "azurite/dist/src/blob/main.js"


@asynccontextmanager
async def open_azurite(container: str) -> AsyncIterator[Mapping[str, str]]:
    """Start it with a container; gives the keys of [stores] that land there."""
    with as_file(files("bronze_engine.demo") / "azurite.cjs") as preload:
        async with ServerProcess("Azurite", _command(preload)) as url:
            keys = {
                "url": f"az://{container}/lake",
                "endpoint_url": f"{url}/devstoreaccount1",
                "connection_string": _DEVELOPMENT,
            }
            await _make_container(container, keys)
            yield keys


def _command(preload: Path) -> Sequence[str]:
    node = shutil.which("node")
    if node is None:
        raise ConfigError(
            "node is not installed, and Azurite, the Azure server of the demo, runs on it: install "
            "Node.js 18 or newer, or try `bronze demo --emulator s3`, which needs none"
        )
    return [
        node,
        "--require",
        str(preload),
        str(_main()),
        *("--blobHost", "127.0.0.1", "--blobPort", "0"),
        *("--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"),
    ]


def _main() -> Path:
    """Of `.azurite` in the working directory, else of whoever installed it for all."""
    own = Path(".azurite/node_modules", _MAIN).absolute()
    if own.exists():
        return own
    command = shutil.which("azurite-blob")
    if command is None:
        raise ConfigError(
            "Azurite, the Azure server of the demo, is not installed: `make demo TARGET=azure` "
            "installs it, or npm install --prefix .azurite azurite@3.35.0"
        )
    return Path(command).resolve()


async def _make_container(container: str, keys: Mapping[str, str]) -> None:
    access = access_of(
        AzureStoreConfig(
            url=keys["url"],
            endpoint_url=keys["endpoint_url"],
            connection_string=Secret(keys["connection_string"]),
        )
    )
    async with ContainerClient(
        access.endpoint, container, credential=access.credential, use_env_settings=False
    ) as client:
        await client.create_container()
