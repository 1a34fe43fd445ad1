"""The limits of a pipeline's source and of a store, by what their tables say."""

from __future__ import annotations

from collections.abc import Callable

from bronze_engine.config.api import Api, CircuitBreaker, RateLimit, Retry, Timeout
from bronze_engine.config.limit_group import limit_group
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import (
    CustomSource,
    FilesSourceConfig,
    HttpSourceConfig,
    SourceConfig,
)
from bronze_engine.config.stores.store import CustomStore, RemoteStoreConfig
from bronze_engine.contracts import Limits
from bronze_engine.limits.registry import LimitGroup, LimitRegistry

__all__ = ["StoreLimits", "source_limits", "store_limits"]

StoreLimits = Callable[[RemoteStoreConfig | CustomStore, str], Limits]
"""Finds the limits of a store's group (`StoreResources.limits`)."""


def source_limits(registry: LimitRegistry, pipeline: Pipeline) -> Limits:
    """Those of the group of its API, connection or server, and the source's own below them."""
    source = pipeline.source
    if isinstance(source, HttpSourceConfig):
        group = _api_group(registry, source, source.api, "ApiExtractor")
        return group.limits(source.rate_limit, source.retry, pipeline=pipeline.name)
    if isinstance(source, FilesSourceConfig):
        # Of HTTP those of the API, or of the server; stores have limits of their own.
        api = next((place.api for place in source.places if place.api is not None), None)
        component = "FileExtractor" if api is None or not api.name else "ApiExtractor"
        return _api_group(registry, source, api, component).limits(pipeline=pipeline.name)
    if isinstance(source, CustomSource):
        return _custom_limits(registry, source, pipeline.name)
    connection = source.connection
    group = registry.group(
        limit_group(source),
        "DatabaseExtractor",
        rate=None,
        retry=connection.retry,
        breaker=connection.circuit_breaker,
        concurrency=connection.max_connections,
    )
    return group.limits(pipeline=pipeline.name)


def store_limits(registry: LimitRegistry) -> StoreLimits:
    """Where a store finds the limits of its group: one group a store, whoever lands there."""

    def limits(config: RemoteStoreConfig | CustomStore, component: str) -> Limits:
        group = registry.group(
            f"store {config.name or config.location}",
            component,
            rate=None,
            retry=getattr(config, "retry", Retry()),
            breaker=getattr(config, "circuit_breaker", CircuitBreaker()),
            concurrency=getattr(config, "concurrency", 32),
        )
        timeout: Timeout = getattr(config, "timeout", Timeout())
        return group.limits(timeout_seconds=timeout.total)

    return limits


def _custom_limits(registry: LimitRegistry, source: CustomSource, pipeline: str) -> Limits:
    """Of what a third party's Struct has: those of its API, its own rate and retry."""
    api, rate, retry = (getattr(source, key, None) for key in ("api", "rate_limit", "retry"))
    named = api if isinstance(api, Api) else None
    component = "CustomExtractor" if named is None else "ApiExtractor"
    return _api_group(registry, source, named, component).limits(
        rate if isinstance(rate, RateLimit) else None,
        retry if isinstance(retry, Retry) else None,
        pipeline=pipeline,
    )


def _api_group(
    registry: LimitRegistry, source: SourceConfig, api: Api | None, component: str
) -> LimitGroup:
    """The group of an API; of what has none, with what an API has that says nothing."""
    return registry.group(
        limit_group(source),
        component,
        rate=None if api is None else api.rate_limit,
        retry=Retry() if api is None else api.retry,
        breaker=CircuitBreaker() if api is None else api.circuit_breaker,
        concurrency="auto" if api is None else api.concurrency,
    )
