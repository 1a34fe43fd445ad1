"""Secrets that files hold, read again."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from bronze_engine.config.loading.expand import Expanded
from bronze_engine.config.units import Secret

__all__ = ["reread"]

T = TypeVar("T")


def reread(value: T) -> T:
    """A table or mapping with its secrets as their files have them now (`${file:…}`).

    An equal one where none has changed, `value` itself where a file can't be read. Blocks.
    """
    try:
        read: T = _read(value)
    except OSError:
        return value
    return read


def _read(value: Any) -> Any:
    match value:
        case Secret():
            return value.renewed()
        case msgspec.Struct():
            names = value.__struct_fields__
            return msgspec.structs.replace(
                value, **{name: _read(getattr(value, name)) for name in names}
            )
        case dict():
            return {key: _read(item) for key, item in value.items()}
        case list():
            return [_read(item) for item in value]
        case Expanded() if value.read_again is not None:
            text = Secret(value, value.read_again).renewed().reveal()
            return Expanded(text, value.read_again)
        case _:
            return value
