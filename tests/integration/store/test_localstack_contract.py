"""The S3 store keeps the contract over LocalStack too."""

from __future__ import annotations

from typing import Any

import pytest

from bronze_engine.errors import StoreError
from bronze_engine.model.part import ABSENT
from bronze_engine.store.s3.client import open_client
from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, name_of, stage_bytes
from bronze_engine.workers import Workers
from tests.integration.localstack import LocalStack, localstack
from tests.integration.store.s3_opened import config_of, opened

__all__ = ["localstack"]

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_over_localstack(check: StoreCheck, localstack: LocalStack) -> None:
    config = config_of(localstack.url, f"s3://{localstack.bucket()}/lake/bronze")
    await check(lambda: opened(config))


@pytest.mark.asyncio
@pytest.mark.parametrize("checksum", ["crc32", "sha256", "md5"])
async def test_options_are_taken_as_amazon_takes_them(
    checksum: str, localstack: LocalStack
) -> None:
    options: dict[str, Any] = {
        "part_checksum": checksum,
        "sse": "AES256",
        "storage_class": "STANDARD_IA",
        "tags": {"team": "data lake", "cost": "bronze/1 + 2=3"},
    }
    bucket = localstack.bucket()
    config = config_of(localstack.url, f"s3://{bucket}/lake", **options)
    async with opened(config) as store:
        await store.put("small", b"x", expect=ABSENT)
        staged = await stage_bytes(store, "file.parquet", bytes(6 << 20))
        assert (await store.complete(staged)).size_bytes == 6 << 20
    with Workers(1) as workers:
        async with open_client(config, workers) as client:
            file = await client.head_object(Bucket=bucket, Key="lake/file.parquet")
            assert (file["ServerSideEncryption"], file["StorageClass"]) == ("AES256", "STANDARD_IA")
            small = await client.head_object(Bucket=bucket, Key="lake/small")
            assert small["ServerSideEncryption"] == "AES256"
            assert "StorageClass" not in small
            for name in ("file.parquet", "small"):
                found = await client.get_object_tagging(Bucket=bucket, Key=f"lake/{name}")
                assert {tag["Key"]: tag["Value"] for tag in found["TagSet"]} == options["tags"]


@pytest.mark.asyncio
async def test_a_bucket_that_is_not_there_is_named(localstack: LocalStack) -> None:
    async with opened(config_of(localstack.url, "s3://no-such-bucket/lake")) as store:
        with pytest.raises(StoreError, match="no such bucket"):
            await store.put("small", b"x", expect=ABSENT)
