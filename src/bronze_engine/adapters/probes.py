"""What tries out an API or a database for real."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bronze_engine.adapters.extras import adbc_module
from bronze_engine.model.probe import Probed

__all__ = ["Probe", "adbc_probe", "api_probe", "postgres_probe"]

Probe = Callable[..., Awaitable[tuple[Probed, ...]]]
"""Asks one thing after the other, of an entry of the configuration."""


def api_probe() -> Probe:
    """Of an entry of [apis]."""
    from bronze_engine.sources.http.probe import probe_api  # noqa: PLC0415

    return probe_api


def postgres_probe() -> Probe:
    """Of a connection of `type = "postgres"`."""
    from bronze_engine.sources.postgres.probe import probe_postgres  # noqa: PLC0415

    return probe_postgres


def adbc_probe() -> Probe:
    """Of a connection of `type = "adbc"`. Raises ConfigError without the extra."""
    probe: Probe = adbc_module("probe").probe_adbc
    return probe
