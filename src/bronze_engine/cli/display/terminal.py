"""Whether there is a terminal that a table can be drawn on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TextIO

__all__ = ["takes_tables"]

_DUMB: Final = ("", "dumb", "unknown")


def takes_tables(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """A terminal that can move its cursor, and that a person looks at: CI systems set CI, and
    keep every frame."""
    if not stream.isatty() or environ.get("TERM", "").lower() in _DUMB:
        return False
    return environ.get("CI", "").lower() in ("", "0", "false")
