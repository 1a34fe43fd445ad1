"""Tags of the configuration and the types behind them. The only lazy imports of the package.

A source or store of a third party registers itself under the entry point groups
`bronze_engine.sources` and `bronze_engine.stores`; an embedding service passes its own to
`open_engine`, which win over both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import entry_points
from typing import Any, TypeVar

from bronze_engine.clock import Clock
from bronze_engine.contracts import SourceType, Store
from bronze_engine.errors import ConfigError
from bronze_engine.workers import Workers

__all__ = ["StoreOpener", "source_type", "store_opener"]

T = TypeVar("T")

StoreOpener = Callable[[Any, Workers, Clock], AbstractAsyncContextManager[Store]]
"""Opens a store from its Struct of [stores]."""


def source_type(tag: str, own: Mapping[str, SourceType[Any]]) -> SourceType[Any]:
    """The source type for `type = tag`. Raises ConfigError where nobody provides it."""
    if tag in own:
        return own[tag]
    if tag == "http":
        from bronze_engine.sources.http.source import HttpSourceType  # noqa: PLC0415

        return HttpSourceType()
    found: SourceType[Any] = _entry_point("bronze_engine.sources", tag)
    return found


def store_opener(tag: str, own: Mapping[str, StoreOpener]) -> StoreOpener:
    """What opens stores of `type = tag`. Raises ConfigError where nobody provides it."""
    if tag in own:
        return own[tag]
    if tag == "local":
        from bronze_engine.store.local import open_local  # noqa: PLC0415

        return open_local
    found: StoreOpener = _entry_point("bronze_engine.stores", tag)
    return found


def _entry_point(group: str, tag: str) -> Any:
    found = entry_points(group=group, name=tag)
    if not found:
        raise ConfigError(f"nothing provides type = {tag!r}: no entry point {group}:{tag}")
    return next(iter(found)).load()()
