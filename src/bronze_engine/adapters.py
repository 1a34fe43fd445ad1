"""Tags of the configuration and the types behind them, imported when first asked for.

An embedding service passes types of its own to `open_engine`; they win over the built-in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import Any, Final

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.store import RemoteStoreConfig, StoreConfig
from bronze_engine.contracts import Limits, SourceType, Store, StoreResources
from bronze_engine.errors import ConfigError
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.workers import Workers

__all__ = ["StoreOpener", "open_store", "source_type", "store_limits", "store_opener"]

StoreOpener = Callable[[Any, StoreResources], AbstractAsyncContextManager[Store]]
"""Opens a store from its Struct of [stores]."""

_NONE: Final[Mapping[str, StoreOpener]] = MappingProxyType({})


def source_type(tag: str, own: Mapping[str, SourceType[Any]]) -> SourceType[Any]:
    """The source type for `type = tag`. Raises ConfigError where nobody provides it."""
    if tag in own:
        return own[tag]
    if tag == "http":
        from bronze_engine.sources.http.source import HttpSourceType  # noqa: PLC0415

        return HttpSourceType()
    raise ConfigError(f"nothing reads a source of type = {tag!r}")


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
    raise ConfigError(f"nothing opens a store of type = {tag!r}")


def store_limits(registry: LimitRegistry) -> Callable[[RemoteStoreConfig, str], Limits]:
    """Where a store finds the limits of its group: one group a store, whoever lands there."""

    def limits(config: RemoteStoreConfig, component: str) -> Limits:
        group = registry.group(
            f"store {config.name or config.location}",
            component,
            rate=None,
            retry=config.retry,
            breaker=config.circuit_breaker,
            concurrency=config.concurrency,
        )
        return group.limits(timeout_seconds=config.timeout.total)

    return limits


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
    resources = StoreResources(clock=clock, workers=workers, limits=limits)
    opener = await workers.run(store_opener, str(config.__struct_config__.tag), stores)
    async with opener(config, resources) as store:
        yield store
