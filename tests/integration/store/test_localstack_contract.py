"""The S3 store keeps the contract over LocalStack too."""

from __future__ import annotations

import pytest

from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, name_of
from tests.integration.localstack import LocalStack, localstack
from tests.integration.store.s3_opened import config_of, opened

__all__ = ["localstack"]

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_over_localstack(check: StoreCheck, localstack: LocalStack) -> None:
    config = config_of(localstack.url, f"s3://{localstack.bucket()}/lake/bronze")
    await check(lambda: opened(config))
