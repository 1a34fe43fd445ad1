"""Sources by the `type` of a pipeline's [source]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bronze_engine.adapters.extras import adbc_module
from bronze_engine.config.plugins import SOURCES, made, told_of
from bronze_engine.contracts import SourceType
from bronze_engine.errors import ConfigError
from bronze_engine.sources.plugged import PluggedSourceType

__all__ = ["source_type"]


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
        adbc: SourceType[Any] = adbc_module("source").AdbcSourceType()
        return adbc
    found: SourceType[Any] | None = made(SOURCES, tag, ("open", "floor_bytes", "slices_at_once"))
    if found is None:
        raise ConfigError(
            f"nothing reads a source of type = {tag!r}: install the distribution that does, or"
            " give it to open_engine(sources=…)"
        )
    return PluggedSourceType(found, told_of(SOURCES, tag), clean)
