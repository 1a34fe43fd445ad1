"""Numbers in few characters, and never cut: each function says how many it takes at most."""

from __future__ import annotations

from typing import Final

__all__ = ["SIZE_WIDTH", "count", "duration", "memory", "speed", "tokens"]

SIZE_WIDTH: Final = len("1023.9 KiB")

_MIB: Final = 1024**2


def count(number: int) -> str:
    """9 characters: exact below ten million."""
    if number < 10_000_000:
        return f"{number:,}"
    if number < 10_000_000_000:
        return f"{number / 1e6:,.1f}M"
    return f"{number / 1e9:,.1f}G"


def speed(per_second: float) -> str:
    """7 characters."""
    if per_second < 999_999.5:
        return f"{per_second:,.0f}"
    return f"{per_second / 1e6:.2f}M" if per_second < 999_990_000 else f"{per_second / 1e9:.2f}G"


def duration(seconds: float) -> str:
    """7 characters: 0:42, 12:05, 1:02:03, 12h05m, 4d05h."""
    whole = round(seconds)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    if not hours:
        return f"{minute}:{second:02}"
    if hours < 10:
        return f"{hours}:{minute:02}:{second:02}"
    if hours < 100:
        return f"{hours}h{minute:02}m"
    days, hour = divmod(hours, 24)
    return f"{days}d{hour:02}h" if days < 1000 else ">999d"


def tokens(number: float) -> str:
    """6 characters below a million."""
    return f"{number:.1f}" if number < 1000 else f"{number:.0f}"


def memory(used_bytes: int, limit_bytes: int) -> str:
    """12 of 512 MiB."""
    return f"{used_bytes / _MIB:,.0f} of {limit_bytes / _MIB:,.0f} MiB"
