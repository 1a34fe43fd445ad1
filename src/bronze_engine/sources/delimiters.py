"""Delimiters of CSV: which there are, for what is not divided by the one that is configured."""

from __future__ import annotations

from typing import Final

__all__ = ["DELIMITERS", "delimiter_in"]

_COMMON: Final = (",", ";", "\t", "|")
DELIMITERS: Final = (*_COMMON, "^", "~", "\x1f")
"""The likeliest first."""


def delimiter_in(name: str) -> str | None:
    """What seems to divide what was taken for one name; a comma last, which texts have as well."""
    return next((each for each in (*_COMMON[1:], _COMMON[0]) if each in name), None)
