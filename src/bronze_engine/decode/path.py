"""Where a flattened column's values are: the keys of the objects around them, and the name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, final

import msgspec

from bronze_engine.model.layout import Column

__all__ = ["Flatten", "flat_key", "is_called", "is_nested", "key_path", "outer_keys"]

_MARK: Final = '\0["'
"""Begins the key of a nested value. A key of the source that begins so is written as a path too."""


def flat_key(path: tuple[str, ...]) -> str:
    """The keys of a path as one key: a lone one is itself, so that plain columns stay as they are.

    No two paths have the same.
    """
    if len(path) == 1 and not path[0].startswith(_MARK):
        return path[0]
    return "\0" + json.dumps(path)


def key_path(key: str) -> tuple[str, ...]:
    """The inverse of `flat_key`."""
    return tuple(json.loads(key[1:])) if key.startswith(_MARK) else (key,)


def is_nested(key: str) -> bool:
    """Whether the key is that of a value within an object."""
    return key.startswith(_MARK) and len(key_path(key)) > 1


def is_called(column: Column, name: str) -> bool:
    """Whether the configuration means this column: by its key, or, flattened, by its name."""
    key = column.key
    return key == name or (key is not None and is_nested(key) and column.name == name)


def outer_keys(key: str) -> list[str]:
    """The keys of the objects around a value, from the outermost."""
    path = key_path(key)
    return [flat_key(path[:depth]) for depth in range(1, len(path))]


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
