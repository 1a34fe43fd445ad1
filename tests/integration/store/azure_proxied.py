"""An Azure store behind a proxy that faults can be set for, and the same store without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bronze_engine.store.azure.store import AzureStore
from tests.integration.azurite import Azurite
from tests.integration.fault_proxy import FaultProxy, Request, fault_proxy
from tests.integration.store.azure_opened import config_of, opened

__all__ = ["is_block", "is_commit", "is_conditional", "proxied"]


@asynccontextmanager
async def proxied(
    azurite: Azurite, **fields: Any
) -> AsyncIterator[tuple[FaultProxy, AzureStore, AzureStore]]:
    """The proxy, the store through it (with `fields`), and the store that is always well."""
    url = f"az://{await azurite.container()}/lake"
    async with fault_proxy(azurite.origin) as proxy:
        endpoint = azurite.url.replace(azurite.origin, proxy.origin)
        async with (
            opened(config_of(endpoint, url, **fields)) as store,
            opened(config_of(azurite.url, url)) as direct,
        ):
            yield proxy, store, direct


def is_block(request: Request) -> bool:
    return request.method == "PUT" and request.query.get("comp") == "block"


def is_commit(request: Request) -> bool:
    return request.method == "PUT" and request.query.get("comp") == "blocklist"


def is_conditional(request: Request) -> bool:
    """Whether sending it again could find its own effect, and lose against it."""
    return request.method == "PUT" and bool({"if-match", "if-none-match"} & set(request.headers))
