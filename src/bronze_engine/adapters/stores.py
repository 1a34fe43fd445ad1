"""Stores by the `type` of an entry of [stores], and what a store is lent when it is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any, Final

from bronze_engine.adapters.limits import StoreLimits, store_limits
from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.plugins import STORES, made
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.config.tag import tag_of
from bronze_engine.contracts import Store, StoreResources, StoreType
from bronze_engine.errors import ConfigError
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.workers import Workers

__all__ = ["StoreOpener", "open_store", "store_opener", "store_resources"]

StoreOpener = Callable[[Any, StoreResources], AbstractAsyncContextManager[Store]]
"""Opens a store from its Struct of [stores]."""

_NONE: Final[Mapping[str, StoreOpener]] = MappingProxyType({})


def store_opener(tag: str, own: Mapping[str, StoreOpener]) -> StoreOpener:
    """What opens stores of `type = tag`. Raises ConfigError where nobody provides it.

    Imports the client of the service: about half a second of work, for a worker.
    """
    if tag in own:
        return own[tag]
    if tag == "local":
        from bronze_engine.store.local.store import open_local  # noqa: PLC0415

        return lambda config, resources: open_local(config, resources.workers, resources.clock)
    if tag == "s3":
        from bronze_engine.store.s3.store import open_s3  # noqa: PLC0415

        return open_s3
    if tag == "azure":
        from bronze_engine.store.azure.store import open_azure  # noqa: PLC0415

        return open_azure
    found: StoreType[Any] | None = made(STORES, tag, ("open",))
    if found is None:
        raise ConfigError(
            f"nothing opens a store of type = {tag!r}: install the distribution that does, or"
            " give it to open_engine(stores=…)"
        )
    return found.open


def store_resources(
    clock: Clock,
    workers: Workers,
    limits: StoreLimits,
    stores: Mapping[str, StoreOpener] = _NONE,
) -> StoreResources:
    """What a store is lent when it is opened, the opening of stores that lie within it too."""

    @asynccontextmanager
    async def open_within(config: StoreConfig) -> AsyncIterator[Store]:
        # In a worker: the first of a kind imports its client, half a second of work.
        opener = await workers.run(store_opener, tag_of(config), stores)
        async with opener(config, resources) as store:
            yield store

    resources = StoreResources(clock=clock, workers=workers, limits=limits, open_store=open_within)
    return resources


@asynccontextmanager
async def open_store(
    config: StoreConfig,
    workers: Workers,
    clock: Clock = SYSTEM_CLOCK,
    *,
    stores: Mapping[str, StoreOpener] = _NONE,
) -> AsyncIterator[Store]:
    """One store by itself, without an engine: for readers and for tools."""
    limits = store_limits(LimitRegistry(clock, lambda _: None))
    async with store_resources(clock, workers, limits, stores).open_store(config) as store:
        yield store
