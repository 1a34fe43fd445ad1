"""Tables of stores that tests change one thing of, and what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bronze_engine.config.stores.store import AzureStoreConfig, S3StoreConfig, StoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.errors import ConfigError
from tests.unit.config.files import API, load

__all__ = [
    "ABFSS",
    "CONNECTION",
    "KEY",
    "KEYS",
    "OTHER_KEY",
    "S3",
    "TAKEN",
    "azure",
    "given",
    "refused",
    "s3",
    "store",
    "two_pipelines",
]

S3 = '[stores.lake]\nurl = "s3://bucket/bronze"\n'
KEY = "a2V5LW9mLWFjY3QxLWluLWJhc2U2NA=="
OTHER_KEY = "b3RoZXIta2V5LW9mLWFjY3QxLQ=="
CONNECTION = f"AccountName=acct1;AccountKey={KEY};EndpointSuffix=core.windows.net"
ABFSS = 'url = "abfss://lake@acct1.dfs.core.windows.net"\n'
KEYS = {"AWS_ACCESS_KEY_ID": "id-of-env", "AWS_SECRET_ACCESS_KEY": "secret-of-env"}
TAKEN = {"access_key_id": "id-of-env", "secret_access_key": "secret-of-env"}


def store(folder: Path, text: str, **environ: str) -> StoreConfig:
    return load(folder, text, environ=environ).store("lake")


def refused(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        store(folder, text, **environ)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def s3(folder: Path, body: str = "", **environ: str) -> dict[str, Any]:
    """What is set of an S3 store, secrets revealed."""
    found = store(folder, f"{S3}{body}\n", **environ)
    assert isinstance(found, S3StoreConfig)
    return given(found)


def azure(folder: Path, text: str, **environ: str) -> dict[str, Any]:
    found = store(folder, f"[stores.lake]\n{text}\n", **environ)
    assert isinstance(found, AzureStoreConfig)
    return given(found)


def given(found: S3StoreConfig | AzureStoreConfig) -> dict[str, Any]:
    values = msgspec.structs.asdict(found)
    blank = msgspec.structs.asdict(type(found)(url=found.url, name="lake"))
    return {
        key: value.reveal() if isinstance(value, Secret) else value
        for key, value in values.items()
        if value != blank[key]
    }


def two_pipelines(one: str, other: str) -> str:
    source = 'source = {type = "http", api = "shop", path = "/x"}\n'
    return (
        f'{API}[pipelines.myteam.orders]\ntarget = "{one}"\n{source}'
        f'[pipelines.other.orders]\ntarget = "{other}"\nsystem = "myteam"\n{source}'
    )
