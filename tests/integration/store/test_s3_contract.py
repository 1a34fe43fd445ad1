"""The S3 store keeps the contract, over every server that there is."""

from __future__ import annotations

import pytest

from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, name_of
from tests.integration.moto import Moto, moto
from tests.integration.store.s3_opened import config_of, opened

__all__ = ["moto"]

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_over_moto(check: StoreCheck, moto: Moto) -> None:
    config = config_of(moto.url, f"s3://{moto.bucket()}/lake/bronze")
    await check(lambda: opened(config))
