"""Counts that are handed to the SDK together: adding one to a counter of its costs as much as
seven microseconds (measured), and there are several to each page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

from opentelemetry.metrics import Counter

__all__ = ["Counts"]

INTERVAL_SECONDS: Final = 1.0

Key = tuple[str, ...]
"""What attributes are known by."""


@final
class Counts:
    """What was counted since the last `flush`."""

    def __init__(self) -> None:
        self._held: dict[tuple[Counter, Key], int] = {}
        self._attributes: dict[Key, Mapping[str, str]] = {}

    def add(
        self, counter: Counter, amount: int, key: Key, names: tuple[str, ...]
    ) -> Mapping[str, str]:
        """Count so many; `key` has the values of the attributes `names`. Returns these."""
        held = (counter, key)
        self._held[held] = self._held.get(held, 0) + amount
        attributes = self._attributes.get(key)
        if attributes is None:
            attributes = self._attributes[key] = dict(zip(names, key, strict=True))
        return attributes

    def flush(self) -> None:
        """Hand on what is held."""
        for (counter, key), amount in self._held.items():
            counter.add(amount, self._attributes[key])
        self._held.clear()
