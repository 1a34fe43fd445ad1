"""Values of a server in messages."""

from __future__ import annotations

from typing import Final

__all__ = ["shown"]

_LENGTH: Final = 80


def shown(value: object) -> str:
    """The value as Python writes it, or only its length where that is long.

    It is never cut: servers repeat what they were sent, and half a secret is a text that
    no redactor knows.
    """
    text = repr(value)
    return text if len(text) <= _LENGTH else f"a value of {len(text):,} characters"
