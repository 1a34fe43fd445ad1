"""A table that another run works on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.publish.lease import hold_lease, table_lease_key, this_process
from bronze_engine.store.local.store import open_local
from bronze_engine.workers import Workers

from .lake import Lake

__all__ = ["held"]


@asynccontextmanager
async def held(lake: Lake, run: str) -> AsyncIterator[None]:
    """While `run` holds the lease of the lake's table."""
    config = LocalStoreConfig(path=str(lake.root))
    with Workers(1) as workers:
        async with open_local(config, workers, SYSTEM_CLOCK) as store:
            key = table_lease_key("silver/team/orders")
            holder = this_process(run, "a", SYSTEM_CLOCK)
            async with hold_lease(store, key, holder, SYSTEM_CLOCK):
                yield
