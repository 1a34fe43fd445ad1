"""Tags of the configuration and the types behind them, imported when first asked for.

An embedding service passes types of its own to `open_engine`; they win over the built-in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from bronze_engine.clock import Clock
from bronze_engine.contracts import SourceType, Store
from bronze_engine.errors import ConfigError
from bronze_engine.workers import Workers

__all__ = ["StoreOpener", "source_type", "store_opener"]

StoreOpener = Callable[[Any, Workers, Clock], AbstractAsyncContextManager[Store]]
"""Opens a store from its Struct of [stores]."""


def source_type(tag: str, own: Mapping[str, SourceType[Any]]) -> SourceType[Any]:
    """The source type for `type = tag`. Raises ConfigError where nobody provides it."""
    if tag in own:
        return own[tag]
    if tag == "http":
        from bronze_engine.sources.http.source import HttpSourceType  # noqa: PLC0415

        return HttpSourceType()
    raise ConfigError(f"nothing reads a source of type = {tag!r}")


def store_opener(tag: str, own: Mapping[str, StoreOpener]) -> StoreOpener:
    """What opens stores of `type = tag`. Raises ConfigError where nobody provides it."""
    if tag in own:
        return own[tag]
    if tag == "local":
        from bronze_engine.store.local import open_local  # noqa: PLC0415

        return open_local
    raise ConfigError(f"nothing opens a store of type = {tag!r}")
