"""The S3 store keeps the contract, over every server that there is."""

from __future__ import annotations

from typing import Any

import pytest

from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, name_of
from tests.integration.moto import Moto, moto
from tests.integration.s3_server import serve
from tests.integration.store.s3_opened import ACCESS_KEY, SECRET, config_of, opened

__all__ = ["moto"]

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_over_moto(check: StoreCheck, moto: Moto) -> None:
    config = config_of(moto.url, f"s3://{moto.bucket()}/lake/bronze")
    await check(lambda: opened(config))


@pytest.mark.asyncio
@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_over_our_server(check: StoreCheck) -> None:
    """Which verifies what moto does not: signatures, checksums, sizes; and pages of two."""
    with serve(keys={ACCESS_KEY: SECRET}) as server:
        server.bucket("lake").page_size = 2
        config = config_of(server.url, "s3://lake")
        await check(lambda: opened(config))


OPTIONS: list[dict[str, Any]] = [
    {"part_checksum": "sha256"},
    {"part_checksum": "md5"},
    {
        "sse": "aws:kms",
        "kms_key_id": "key",
        "tags": {"team": "a b"},
        "storage_class": "STANDARD_IA",
    },
    {"expected_bucket_owner": "111122223333"},
]


@pytest.mark.asyncio
@pytest.mark.parametrize("options", OPTIONS, ids="+".join)
@pytest.mark.parametrize("check", STORE_CHECKS[:14], ids=name_of)
async def test_with_options(check: StoreCheck, options: dict[str, Any]) -> None:
    with serve(keys={ACCESS_KEY: SECRET}) as server:
        config = config_of(server.url, "s3://lake/bronze", **options)
        await check(lambda: opened(config))
