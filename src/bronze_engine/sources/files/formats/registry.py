"""Which format reads the files of a pipeline. Each is a module of this package."""

from __future__ import annotations

from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.contracts import Request, Resources
from bronze_engine.errors import ConfigError
from bronze_engine.sources.files.format import Format

__all__ = ["make_format"]


def make_format(config: FilesSourceConfig, request: Request, resources: Resources) -> Format:  # noqa: ARG001  # most need them
    """The format that a source names; one for a run. Raises ConfigError for an extra that is
    not installed."""
    match config.format:
        case _:
            raise ConfigError(f"nothing reads files of format = {config.format!r}")
