"""The Azure store keeps the contract, over Azurite."""

from __future__ import annotations

import pytest

from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, name_of
from tests.integration.azurite import Azurite
from tests.integration.store.azure_opened import config_of, opened

pytestmark = pytest.mark.integration


@pytest.mark.asyncio
@pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
async def test_over_azurite(check: StoreCheck, azurite: Azurite) -> None:
    config = config_of(azurite.url, f"az://{await azurite.container()}/lake/bronze")
    await check(lambda: opened(config))
