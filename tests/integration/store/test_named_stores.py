"""The contract over stores that the environment names: those of compose.yaml, or real ones.

    RUN_INTEGRATION=1 BRONZE_TEST_STORES="s3://bronze/tests az://lake/tests" \
        python -m pytest tests/ -m integration

Credentials and endpoints are those of the vendors' variables (AWS_*, AZURE_STORAGE_*). What
a check leaves there is removed again; buckets and containers must exist.
"""

from __future__ import annotations

import os
import secrets

import msgspec
import pytest

from bronze_engine.adapters import open_store
from bronze_engine.config.load import load_store
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.publish.preflight import Preflight
from bronze_engine.testing.stores import STORE_CHECKS, StoreCheck, StoreFactory, name_of
from bronze_engine.workers import Workers

pytestmark = pytest.mark.integration


async def check_preflight(open_store: StoreFactory) -> None:
    async with open_store() as store:
        await Preflight().check(store)


NAMED = os.environ.get("BRONZE_TEST_STORES", "").split()
STORES = NAMED if os.environ.get("RUN_INTEGRATION") == "1" else []
NONE = pytest.mark.skip("no RUN_INTEGRATION=1 with stores in BRONZE_TEST_STORES")
CASES = [
    pytest.param(url, check, id=f"{url} {name_of(check)}")
    for url in STORES
    for check in (*STORE_CHECKS, check_preflight)
] or [pytest.param("", check_preflight, marks=NONE)]


@pytest.mark.asyncio
@pytest.mark.parametrize(("url", "check"), CASES)
async def test_named_store_keeps_the_contract(url: str, check: StoreCheck) -> None:
    named = load_store(url)
    assert not isinstance(named, LocalStoreConfig), f"{url} is a path; name a bucket"
    config = msgspec.structs.replace(named, url=f"{named.location}/{secrets.token_hex(8)}")
    with Workers(2) as workers:
        try:
            await check(lambda: open_store(config, workers))
        finally:
            async with open_store(config, workers) as store:
                async for info in store.scan(""):
                    await store.delete(info.key)
                async for staged in store.scan_staged(""):
                    await store.discard(staged)
