"""What may be wrong with a source of a third party's: its limits, and what it finds itself."""

from __future__ import annotations

from collections.abc import Iterator

from bronze_engine.config.api import RateLimit
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.rules.rate import rate_faults
from bronze_engine.config.source import CustomSource
from bronze_engine.config.stores.store import CustomStore

__all__ = ["custom_source_faults", "own_faults"]


def custom_source_faults(source: CustomSource, path: KeyPath) -> Iterator[Fault]:
    """Faults of a source whose references are resolved."""
    rate = getattr(source, "rate_limit", None)
    if isinstance(rate, RateLimit):
        yield from rate_faults(rate, (*path, "rate_limit"), of_api=False)
    yield from own_faults(source, path)


def own_faults(table: CustomSource | CustomStore, path: KeyPath) -> Iterator[Fault]:
    """What a third party's Struct finds itself. No text of its exceptions: it may hold secrets."""
    try:
        found = [Fault((*path, key), message) for key, message in table.faults()]
    except Exception as exc:  # noqa: BLE001  # whatever foreign code does
        told = f"{type(table).__module__}.{type(table).__qualname__}.faults"
        found = [Fault(path, f"{told} has failed: {type(exc).__name__}; report it to its author")]
    yield from found
