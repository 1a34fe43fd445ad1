"""What works with an extra of the distribution, or says which one it needs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from bronze_engine.clock import Clock
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.redis import parse_redis_url
from bronze_engine.config.table_format import TableFormat
from bronze_engine.contracts import LakeTableType
from bronze_engine.errors import ConfigError
from bronze_engine.limits.tokens import Tokens
from bronze_engine.workers import Workers

__all__ = [
    "adbc_module",
    "dask_cluster",
    "figure_type",
    "lake_table_type",
    "otel_hook",
    "otel_providers",
    "shared_tokens",
]


async def shared_tokens(engine: EngineConfig, workers: Workers, clock: Clock) -> Tokens | None:
    """Where the tokens of several processes are counted; None where each counts its own.

    Connects when it is first asked. Raises ConfigError where the extra is not installed.
    """
    if engine.limits is None:
        return None
    tokens_type = await workers.run(_redis_tokens)
    tokens: Tokens = tokens_type(parse_redis_url(engine.limits.reveal()), clock=clock)
    return tokens


def _redis_tokens() -> Any:
    needs = 'engine.limits needs an extra: pip install "bronze-engine[redis]"'
    return _of_extra("bronze_engine.limits.redis.tokens", needs, "redis").RedisTokens


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


def adbc_module(module: str) -> Any:
    """A module of sources.adbc. Raises ConfigError where the extra is not installed."""
    needs = (
        'a database of type = "adbc" needs an extra: pip install "bronze-engine[adbc]", and'
        " the driver of the database"
    )
    return _of_extra(f"bronze_engine.sources.adbc.{module}", needs, "adbc_driver_manager")


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


def dask_cluster() -> Callable[..., Any]:
    """What connects to a Dask cluster. Raises ConfigError without the extra."""
    needs = (
        '--on dask:// needs an extra, here and on the workers: pip install "bronze-engine[dask]"'
    )
    module = _of_extra("bronze_engine.remote.dask", needs, "dask", "distributed")
    opener: Callable[..., Any] = module.open_cluster
    return opener


def figure_type() -> Callable[..., Any]:
    """matplotlib's Figure, which draws without a display. Raises ConfigError without the extra."""
    needs = 'a plot needs an extra: pip install "bronze-engine[plot]", and run it again'
    figure: Callable[..., Any] = _of_extra("matplotlib.figure", needs, "matplotlib").Figure
    return figure


def _of_extra(module: str, needs: str, *libraries: str) -> Any:
    """A module that works with an extra. Raises ConfigError, which says what it needs, where that
    has not brought one of its libraries."""
    try:
        return import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in libraries:
            raise
        raise ConfigError(needs) from exc
