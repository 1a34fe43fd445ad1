"""Which limits a pipeline shares, and with whom."""

from __future__ import annotations

from bronze_engine.config.api import Api
from bronze_engine.config.source import (
    CustomSource,
    FilesSourceConfig,
    HttpSourceConfig,
    SourceConfig,
)
from bronze_engine.config.tag import tag_of

__all__ = ["limit_group"]


def limit_group(source: SourceConfig) -> str:
    """The limit group that a source's requests go to: of its API, its database, its server."""
    if isinstance(source, HttpSourceConfig):
        return source.api.limit_group
    if isinstance(source, FilesSourceConfig):
        api = next((place.api for place in source.places if place.api is not None), None)
        if api is None:  # what lies in stores has the limits of those
            return "files"
        return api.limit_group or f"files of {api.base_url}"
    if isinstance(source, CustomSource):
        named = getattr(source, "api", None)
        if isinstance(named, Api):
            return named.limit_group
        kind = f"sources.{tag_of(source)}"  # no name of an API has a dot
        return f"{kind}.{source.server}" if source.server else kind
    return f"connections.{source.connection.name}"  # an API may have the same name
