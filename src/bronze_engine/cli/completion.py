"""What a shell offers at TAB: the names that stand in the configuration.

A file that is not there, or can't be read, offers none: errors have no place in a line that is
being written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import environ

import typer

from bronze_engine.config.config import Config
from bronze_engine.config.load import load_config
from bronze_engine.errors import BronzeError

__all__ = [
    "complete_apis",
    "complete_connections",
    "complete_entries",
    "complete_pipelines",
    "complete_tags",
]


def complete_pipelines(ctx: typer.Context, incomplete: str) -> list[str]:
    """Pipelines, `team.name`."""
    return _offered(ctx, incomplete, lambda config: config.names)


def complete_tags(ctx: typer.Context, incomplete: str) -> list[str]:
    """What pipelines are tagged with."""
    return _offered(
        ctx,
        incomplete,
        lambda config: (tag for name in config.names for tag in config.words(name, "tags")),
    )


def complete_apis(ctx: typer.Context, incomplete: str) -> list[str]:
    """Entries of [apis]."""
    return _offered(ctx, incomplete, lambda config: config.api_names)


def complete_connections(ctx: typer.Context, incomplete: str) -> list[str]:
    """Entries of [connections]."""
    return _offered(ctx, incomplete, lambda config: config.connection_names)


def complete_entries(ctx: typer.Context, incomplete: str) -> list[str]:
    """Entries of [stores], [apis] and [connections]."""
    return _offered(
        ctx,
        incomplete,
        lambda config: (*config.store_names, *config.api_names, *config.connection_names),
    )


def _offered(
    ctx: typer.Context, incomplete: str, names: Callable[[Config], Iterable[str]]
) -> list[str]:
    """Those that begin so, of the file that the line names."""
    path = ctx.params.get("config") or environ.get("BRONZE_CONFIG") or "pipelines.toml"
    try:
        found = set(names(load_config(path)))
    except BronzeError:
        return []
    return sorted(name for name in found if name.startswith(incomplete))
