"""Tags of the configuration and the types behind them, imported when first asked for.

An embedding service passes types of its own to `open_engine`; they win over the built-in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import msgspec

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.api import CircuitBreaker, Retry, Timeout
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.load import Config
from bronze_engine.config.notify import CommandNotify, Notify
from bronze_engine.config.plugins import (
    AUTHS,
    SOURCES,
    STORES,
    TOKEN_STORES,
    made,
    plugin,
    told_of,
)
from bronze_engine.config.redis import parse_redis_url
from bronze_engine.config.stores.store import CustomStore, RemoteStoreConfig, StoreConfig
from bronze_engine.config.table_format import TableFormat
from bronze_engine.contracts import (
    LakeTableType,
    Limits,
    SourceType,
    Store,
    StoreResources,
    StoreType,
)
from bronze_engine.credentials import Auth, AuthResources, AuthType, TokenStore
from bronze_engine.errors import ConfigError
from bronze_engine.limits.registry import LimitRegistry
from bronze_engine.limits.tokens import Tokens
from bronze_engine.model.probe import Probed
from bronze_engine.notify.command import Command
from bronze_engine.notify.sender import Sender
from bronze_engine.sources.plugged import PluggedSourceType
from bronze_engine.workers import Workers

__all__ = [
    "StoreOpener",
    "adbc_probe",
    "dask_cluster",
    "figure_type",
    "lake_table_type",
    "open_auth",
    "open_sender",
    "open_store",
    "otel_hook",
    "otel_providers",
    "shared_tokens",
    "silver_layer",
    "source_type",
    "store_limits",
    "store_opener",
    "store_resources",
    "token_store",
]

StoreOpener = Callable[[Any, StoreResources], AbstractAsyncContextManager[Store]]
"""Opens a store from its Struct of [stores]."""

StoreLimits = Callable[[RemoteStoreConfig | CustomStore, str], Limits]
"""Finds the limits of a store's group (`StoreResources.limits`)."""

_NONE: Final[Mapping[str, StoreOpener]] = MappingProxyType({})

_WHOLE: Final = frozenset({"bearer", "basic", "api_key"})
"""Auths whose table holds the credential whole: there is nothing to open."""
_AUTHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "oauth2_client_credentials": "client_credentials:ClientCredentials",
        "oauth2_refresh_token": "refresh_token:RefreshToken",
        "jwt_bearer": "jwt_bearer:JwtBearer",
        "login": "login:Login",
        "hmac": "keyed_hash:KeyedHash",
        "sigv4": "sigv4:SigV4",
    }
)
"""Modules of sources.http.auth and the types in them."""


def source_type(
    tag: str, own: Mapping[str, SourceType[Any]], clean: Callable[[str], str] = str
) -> SourceType[Any]:
    """The source type for `type = tag`. Raises ConfigError where nobody provides it.

    `clean` hides secrets in what a third party's exceptions say.
    """
    if tag in own:
        return own[tag]
    if tag == "http":
        from bronze_engine.sources.http.source import HttpSourceType  # noqa: PLC0415

        return HttpSourceType()
    if tag == "postgres":
        from bronze_engine.sources.postgres.source import PostgresSourceType  # noqa: PLC0415

        return PostgresSourceType()
    if tag == "files":
        from bronze_engine.sources.files.source import FilesSourceType  # noqa: PLC0415

        return FilesSourceType()
    if tag == "adbc":
        adbc: SourceType[Any] = _adbc("source").AdbcSourceType()
        return adbc
    found: SourceType[Any] | None = made(SOURCES, tag, ("open", "floor_bytes", "slices_at_once"))
    if found is None:
        raise ConfigError(
            f"nothing reads a source of type = {tag!r}: install the distribution that does, or"
            " give it to open_engine(sources=…)"
        )
    return PluggedSourceType(found, told_of(SOURCES, tag), clean)


def adbc_probe() -> Callable[..., Awaitable[tuple[Probed, ...]]]:
    """What tries out a connection of `type = "adbc"`. Raises ConfigError without the extra."""
    probe: Callable[..., Awaitable[tuple[Probed, ...]]] = _adbc("probe").probe_adbc
    return probe


def figure_type() -> Callable[..., Any]:
    """matplotlib's Figure, which draws without a display. Raises ConfigError without the extra."""
    needs = 'a plot needs an extra: pip install "bronze-engine[plot]", and run it again'
    figure: Callable[..., Any] = _of_extra("matplotlib.figure", needs, "matplotlib").Figure
    return figure


def lake_table_type(table_format: TableFormat) -> LakeTableType:
    """What opens tables of a format. Raises ConfigError without its extra.

    Imports the format's library: half a second of work, for a worker.
    """
    library = {"delta": "deltalake", "iceberg": "pyiceberg"}[table_format]
    needs = (
        f'table_format = "{table_format}" needs an extra: pip install'
        f' "bronze-engine[{table_format}]"'
    )
    module = _of_extra(f"bronze_engine.tables.{table_format}.table", needs, library)
    opener: LakeTableType = getattr(module, f"open_{table_format}")
    return opener


def _adbc(module: str) -> Any:
    """A module of sources.adbc. Raises ConfigError where the extra is not installed."""
    needs = (
        'a database of type = "adbc" needs an extra: pip install "bronze-engine[adbc]", and'
        " the driver of the database"
    )
    return _of_extra(f"bronze_engine.sources.adbc.{module}", needs, "adbc_driver_manager")


async def shared_tokens(engine: EngineConfig, workers: Workers, clock: Clock) -> Tokens | None:
    """Where the tokens of several processes are counted; None where each counts its own.

    Connects when it is first asked. Raises ConfigError where the extra is not installed.
    """
    if engine.limits is None:
        return None
    tokens_type = await workers.run(_redis_tokens)
    tokens: Tokens = tokens_type(parse_redis_url(engine.limits.reveal()), clock=clock)
    return tokens


async def silver_layer(workers: Workers) -> Any:
    """The module `bronze_engine.silver.steps`, imported with DuckDB: only who curates needs it."""
    return await workers.run(import_module, "bronze_engine.silver.steps")


def _redis_tokens() -> Any:
    needs = 'engine.limits needs an extra: pip install "bronze-engine[redis]"'
    return _of_extra("bronze_engine.limits.redis.tokens", needs, "redis").RedisTokens


def dask_cluster() -> Callable[..., Any]:
    """What connects to a Dask cluster. Raises ConfigError without the extra."""
    needs = (
        '--on dask:// needs an extra, here and on the workers: pip install "bronze-engine[dask]"'
    )
    module = _of_extra("bronze_engine.remote.dask", needs, "dask", "distributed")
    opener: Callable[..., Any] = module.open_cluster
    return opener


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


async def open_auth(resources: AuthResources) -> Auth | None:
    """What proves who we are to an API; None where its table holds the credential whole.

    Raises ConfigError for a key that is none, and for an entry point that fails.
    """
    config = resources.api.auth
    tag = None if config is None else _tag(config)
    if tag is None or tag in _WHOLE:
        return None
    # In a worker: cryptography and botocore take their time to import.
    kind = await resources.workers.run(auth_type, tag)
    return kind(config, resources)


def auth_type(tag: str) -> AuthType:
    """The auth type for `type = tag`. Raises ConfigError where nobody provides it."""
    if tag in _AUTHS:
        module, _, name = _AUTHS[tag].partition(":")
        built_in: AuthType = getattr(
            import_module(f"bronze_engine.sources.http.auth.{module}"), name
        )
        return built_in
    found: AuthType | None = plugin(AUTHS, tag)
    if found is None:
        raise ConfigError(f"nothing provides an auth of type = {tag!r}")
    return found


async def token_store(
    text: str,
    config: Config,
    workers: Workers,
    open_store: Callable[[StoreConfig], Awaitable[Store]],
) -> TokenStore:
    """What a `token_store` names that is no file: a store, or an entry point's.

    Raises ConfigError where it names neither.
    """
    if "://" in text or text in config.store_names:
        return await open_store(config.place(text))
    make = await workers.run(plugin, TOKEN_STORES, text)
    if make is None:
        raise ConfigError(f"nothing provides a token_store {text!r}")
    made: TokenStore = make()
    return made


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
        opener = await workers.run(store_opener, _tag(config), stores)
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


@asynccontextmanager
async def open_sender(
    notify: Notify, config: Config, clock: Clock, workers: Workers
) -> AsyncIterator[Sender]:
    """What sends the messages of an entry of [notify]. Raises ConfigError."""
    if isinstance(notify, CommandNotify):
        yield Command(notify, clock, config.path.parent, lambda: config.secrets, config.variables)
        return
    # In a worker: it imports the HTTP client.
    webhook = await workers.run(import_module, "bronze_engine.notify.webhook")
    opened: AbstractAsyncContextManager[Sender] = webhook.open_webhook(
        notify, clock, workers, lambda: config.secrets
    )
    async with opened as sender:
        yield sender


def otel_providers() -> Callable[[str], Any]:
    """What makes `telemetry.otel.providers.Providers`. Raises ConfigError without the extra."""
    providers: Callable[[str], Any] = _otel("providers").Providers
    return providers


def otel_hook() -> Callable[..., Any]:
    """What makes an OpenTelemetryHook. Raises ConfigError without the extra."""
    hook: Callable[..., Any] = _otel("hook").OpenTelemetryHook
    return hook


def _otel(module: str) -> Any:
    """A module of telemetry.otel. Raises ConfigError where the extra is not installed."""
    needs = 'telemetry.otel needs an extra: pip install "bronze-engine[otel]"'
    return _of_extra(f"bronze_engine.telemetry.otel.{module}", needs, "opentelemetry")


def _of_extra(module: str, needs: str, *libraries: str) -> Any:
    """A module that works with an extra. Raises ConfigError, which says what it needs, where that
    has not brought one of its libraries."""
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in libraries:
            raise
        raise ConfigError(needs) from exc


def _tag(config: msgspec.Struct) -> str:
    """The `type` that the configuration names."""
    return str(config.__struct_config__.tag)
