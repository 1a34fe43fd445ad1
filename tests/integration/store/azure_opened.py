"""An Azure store over a server of the tests, as a pipeline would have it, with quick limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bronze_engine.adapters import store_limits, store_resources
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import Retry
from bronze_engine.config.stores.store import AzureStoreConfig
from bronze_engine.config.units import Duration, Secret
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.store.azure.store import AzureStore, open_azure
from bronze_engine.workers import Workers
from tests.integration.azurite import KEY

__all__ = ["config_of", "opened"]


def config_of(endpoint_url: str, url: str, **fields: Any) -> AzureStoreConfig:
    """With Azurite's key and waits of milliseconds."""
    values: dict[str, Any] = {
        "url": url,
        "endpoint_url": endpoint_url,
        "account_key": Secret(KEY),
        "proxy": "none",
        "retry": Retry(attempts=3, backoff=Duration(0.01)),
    }
    return AzureStoreConfig(**{**values, **fields})


@asynccontextmanager
async def opened(config: AzureStoreConfig) -> AsyncIterator[AzureStore]:
    limits = store_limits(LimitRegistry(SYSTEM_CLOCK, lambda _: None))
    with Workers(2) as workers:
        resources = store_resources(SYSTEM_CLOCK, workers, limits)
        async with open_azure(config, resources) as store:
            yield store
