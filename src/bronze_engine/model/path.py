"""Keys of values within objects: the keys around them, as one text."""

from __future__ import annotations

import json
from typing import Final

__all__ = ["flat_key", "is_nested", "key_path", "outer_keys"]

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
    """The inverse of `flat_key`; a key that it did not write stands for itself."""
    if not key.startswith(_MARK):
        return (key,)
    try:
        path = json.loads(key[1:])
    except json.JSONDecodeError:
        return (key,)
    return tuple(path) if all(isinstance(each, str) for each in path) else (key,)


def is_nested(key: str) -> bool:
    """Whether the key is that of a value within an object."""
    return key.startswith(_MARK) and len(key_path(key)) > 1


def outer_keys(key: str) -> list[str]:
    """The keys of the objects around a value, from the outermost."""
    path = key_path(key)
    return [flat_key(path[:depth]) for depth in range(1, len(path))]
