"""Values with units and values that must not be shown, as they stand in pipelines.toml."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, final

__all__ = ["ByteSize", "Duration", "Secret", "decode_unit"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)")
_BYTES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}


@final
class Duration(float):
    """Seconds. Written as "30s", "500ms", "5m", "6h", "1d", or a plain number of seconds."""

    @classmethod
    def parse(cls, value: object) -> Duration:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if 0 <= value < math.inf:
                return cls(value)
            raise ValueError(f"{value!r} is no duration; it can't be negative or endless")
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f'{value!r} is no duration; write "30s", "500ms", "5m", "6h" or "1d"')
        return cls(float(match[1]) * _SECONDS[match[2]])


@final
class ByteSize(int):
    """Bytes. Written as "8MiB", "512KiB", "1GB", or a plain number of bytes."""

    @classmethod
    def parse(cls, value: object) -> ByteSize:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f'{value!r} is no size; write "8MiB", "512KiB" or a number of bytes')
        return cls(float(match[1]) * _BYTES[match[2]])


@final
class Secret:
    """A text that is used and never shown: its repr and str are `***`.

    `read_again` gives its text anew where a file holds it (`${file:/run/secrets/x}`).
    """

    __slots__ = ("_read_again", "_value")

    def __init__(self, value: str, read_again: Callable[[], str] | None = None) -> None:
        self._value = value
        self._read_again = read_again

    def reveal(self) -> str:
        return self._value

    def renewed(self) -> Secret:
        """The secret as its file has it now; this one where there is none. Raises OSError."""
        if self._read_again is None:
            return self
        text = self._read_again()
        if not text:
            raise OSError("the file is empty: it is being written")
        return Secret(text, self._read_again)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


def decode_unit(kind: type[Any], value: object) -> object:
    """msgspec's `dec_hook` for the types above; a ValueError's text reaches the user."""
    if kind is Duration or kind is ByteSize:
        return kind.parse(value)
    if kind is Secret:
        if not isinstance(value, str):
            raise ValueError("expected a string")
        return Secret(value, getattr(value, "read_again", None))
    raise NotImplementedError(kind)
