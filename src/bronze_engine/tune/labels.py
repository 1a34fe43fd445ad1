"""Values as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["CURVES", "codec_label", "mib", "neat"]

CURVES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "concurrency": "requests in flight",
        "page_size": "records a page",
        "rps": "requests a second",
        "slices": "slices side by side",
        "compression": "codec",
        "row_group_bytes": "row group",
        "part_bytes": "part of an upload",
    }
)
"""What the values of a curve are, by its name."""


def mib(count: int) -> str:
    return f"{count / 1024**2:g} MiB"


def codec_label(codec: str, level: int | None) -> str:
    return codec if level is None else f"{codec} {level}"


def neat(rps: float) -> float:
    """Of a rate: no more digits than it was measured to."""
    return round(rps, 1) if rps < 10 else float(round(rps))
