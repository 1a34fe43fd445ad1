"""What a server says in an answer that holds no records: its message, wherever it stands."""

from __future__ import annotations

from typing import Final

import msgspec

from bronze_engine.sources.http.body.raw import Body

__all__ = ["fault_in", "message_in"]

_KEYS: Final = ("message", "error_description", "detail", "error", "title", "errors")
_FAULTS: Final = ("error", "errors", "message", "detail")
_DEEPEST: Final = 4
_LENGTH: Final = 200


def message_in(value: object, depth: int = 0) -> str:
    """The message in a decoded answer, "" where none is found."""
    match value:
        case str():
            return value
        case dict() if depth < _DEEPEST:
            for key in _KEYS:
                if key in value and (text := message_in(value[key], depth + 1)):
                    return text
        case list() if value and depth < _DEEPEST:
            return message_in(value[0], depth + 1)
    return ""


def fault_in(body: Body) -> str:
    """The message of a body that speaks of a fault, although its status said that all is well.

    "" for any other body, and for a long message: it is never cut, for half of a secret that a
    server repeats is a text that no redactor knows.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    text = message_in({key: value[key] for key in _FAULTS if key in value})
    return " ".join(text.split()) if len(text) <= _LENGTH else ""
