"""Which objects become columns of their own, and how those are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

import msgspec

from bronze_engine.model.path import flat_key, key_path

__all__ = ["Flatten"]


@final
class Flatten(msgspec.Struct, frozen=True, kw_only=True):
    """Which objects become columns, and how those are called."""

    separator: str
    depth: int | None
    """Levels of objects that are taken apart; None for all."""
    whole: frozenset[str]
    """Names that the configuration gives a type: such an object stays in one column."""

    def name(self, key: str) -> str:
        """The name of the column, before it is told from others of the same name."""
        return self.separator.join(key_path(key))

    def opens(self, path: tuple[str, ...]) -> bool:
        """Whether an object at this path is taken apart."""
        return (self.depth is None or len(path) <= self.depth) and (
            self.separator.join(path) not in self.whole
        )

    def record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a record by `flat_key`. An object without keys is a value."""
        return dict(self._leaves(record, ()))

    def _leaves(
        self, values: Mapping[str, Any], above: tuple[str, ...]
    ) -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            path = (*above, key)
            if type(value) is dict and value and self.opens(path):
                yield from self._leaves(value, path)
            else:
                yield flat_key(path), value
