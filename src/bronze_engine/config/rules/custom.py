"""What may be wrong with a source of a third party's: its limits, and what it finds itself."""

from __future__ import annotations

from collections.abc import Iterator

from bronze_engine.config.api import RateLimit
from bronze_engine.config.file.fault import Fault, KeyPath
from bronze_engine.config.rules.rate import rate_faults
from bronze_engine.config.source import CustomSource

__all__ = ["custom_source_faults"]


def custom_source_faults(source: CustomSource, path: KeyPath) -> Iterator[Fault]:
    """Faults of a source whose references are resolved."""
    rate = getattr(source, "rate_limit", None)
    if isinstance(rate, RateLimit):
        yield from rate_faults(rate, (*path, "rate_limit"), of_api=False)
    yield from (Fault((*path, key), message) for key, message in source.faults())
