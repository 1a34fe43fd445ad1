"""Values as people read them."""

from __future__ import annotations

__all__ = ["codec_label", "mib", "neat"]


def mib(count: int) -> str:
    return f"{count / 1024**2:g} MiB"


def codec_label(codec: str, level: int | None) -> str:
    return codec if level is None else f"{codec} {level}"


def neat(rps: float) -> float:
    """Of a rate: no more digits than it was measured to."""
    return round(rps, 1) if rps < 10 else float(round(rps))
