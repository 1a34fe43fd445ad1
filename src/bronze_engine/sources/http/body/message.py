"""What a server says in an answer that holds no records: its message, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from bronze_engine.sources.http.body.raw import Body, control

__all__ = ["fault_in", "fault_of", "message_in"]

_KEYS: Final = (
    *("message", "error_description", "errormessage", "error_message", "detail", "details"),
    *("error", "title", "errors", "errormessages", "fault", "faultstring", "reason"),
)
"""By lower-case name, in the order in which they are looked for: QuickBooks has Fault.Error[0]."""
_FAULTS: Final = ("error", "errors", "fault", "message", "detail")
_WELL: Final = frozenset({"0", "false", "none", "null", "ok", "success"})
"""What some APIs have in the place of an error where there is none."""
_DEEPEST: Final = 5
_LENGTH: Final = 200


def message_in(value: object, depth: int = 0) -> str:
    """The message in a decoded answer, "" where none is found.

    Where a list of errors stands beside it, the first of those is told too: HubSpot's message
    says that there was a problem, and its error which.
    """
    match value:
        case str():
            return value
        case dict() if depth < _DEEPEST:
            named = {str(key).lower(): item for key, item in value.items()}
            found = (message_in(named[key], depth + 1) for key in _KEYS if key in named)
            text = next(filter(None, found), "")
            errors = named.get("errors")
            more = message_in(errors, depth + 1) if text and isinstance(errors, list) else ""
            return text if not more or more in text or text in more else f"{text}: {more}"
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
    text = message_in({key: item for key, item in value.items() if key.lower() in _FAULTS})
    return " ".join(text.split()) if len(text) <= _LENGTH else ""


def fault_of(members: Mapping[str, msgspec.Raw], names: Iterable[str]) -> str:
    """What the first of these members that holds a message says, with its name; "" for none.

    A message that is too long is left out, as above.
    """
    for name in names:
        text = message_in(control(members[name])) if name in members else ""
        if text and text.lower() not in _WELL:
            return f'"{name}": {" ".join(text.split())}' if len(text) <= _LENGTH else f'"{name}"'
    return ""
