"""An S3 store over a server of the tests, as a pipeline would have it, with quick limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bronze_engine.adapters import store_limits, store_resources
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import Retry
from bronze_engine.config.stores.store import S3StoreConfig
from bronze_engine.config.units import Duration, Secret
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.store.s3.store import S3Store, open_s3
from bronze_engine.workers import Workers

__all__ = ["ACCESS_KEY", "SECRET", "config_of", "opened"]

ACCESS_KEY = "AKIATEST"
SECRET = "canary-secret"


def config_of(endpoint_url: str, url: str, **fields: Any) -> S3StoreConfig:
    """In path style, with waits of milliseconds."""
    values: dict[str, Any] = {
        "url": url,
        "endpoint_url": endpoint_url,
        "addressing_style": "path",
        "region": "us-east-1",
        "access_key_id": ACCESS_KEY,
        "secret_access_key": Secret(SECRET),
        "proxy": "none",
        "retry": Retry(attempts=3, backoff=Duration(0.01)),
    }
    return S3StoreConfig(**{**values, **fields})


@asynccontextmanager
async def opened(config: S3StoreConfig) -> AsyncIterator[S3Store]:
    limits = store_limits(LimitRegistry(SYSTEM_CLOCK, lambda _: None))
    with Workers(2) as workers:
        resources = store_resources(SYSTEM_CLOCK, workers, limits)
        async with open_s3(config, resources) as store:
            yield store
