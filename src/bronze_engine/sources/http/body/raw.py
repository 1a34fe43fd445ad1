"""Values of a JSON document that are not decoded: what they are, and what they hold."""

from __future__ import annotations

import re
from typing import Final

import msgspec

__all__ = ["Body", "control", "find", "kind_of", "members_of", "named", "one_line"]

Body = bytes | bytearray | msgspec.Raw

_INTEGER: Final = re.compile(rb"-?\d+")
_PLACE: Final = re.compile(r"\d{1,9}", re.ASCII)
_FIRST: Final = re.compile(rb"[ \t\r\n]*(.?)", re.DOTALL)
_LONGEST_KEY: Final = 60
"""Never cut: half a secret is a text that no redactor knows."""
_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
_SHOWN_KEYS: Final = 12


def kind_of(value: Body) -> str:
    """What a value is, as messages call it: "an object", "a list", "null", ..."""
    match _FIRST.match(value)[1]:  # type: ignore[index]  # matches any text
        case b"{":
            return "an object"
        case b"[":
            return "a list"
        case b'"':
            return "a text"
        case b"n":
            return "null"
        case b"t" | b"f":
            return "a boolean"
        case _:
            return "a number"


def members_of(value: Body) -> dict[str, msgspec.Raw] | None:
    """The members of an object; None for any other value. Raises msgspec.DecodeError."""
    if kind_of(value) != "an object":
        return None
    try:
        members: dict[str, msgspec.Raw] = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except UnicodeDecodeError:  # which is what msgspec makes of keys, and of them alone
        raise msgspec.DecodeError("a key is not UTF-8") from None
    return members


def find(body: Body, path: tuple[str, ...]) -> msgspec.Raw | None:
    """The value at the end of these names; None where one of them is not there.

    Of a list a number is the element at that place.
    """
    value: Body = body
    for name in path:
        members = members_of(value)
        below = _element(value, name) if members is None else members.get(name)
        if below is None:
            return None
        value = below
    return value if isinstance(value, msgspec.Raw) else None


def _element(value: Body, name: str) -> msgspec.Raw | None:
    if kind_of(value) != "a list" or _PLACE.fullmatch(name) is None:
        return None
    elements = msgspec.json.decode(value, type=list[msgspec.Raw])
    return elements[int(name)] if int(name) < len(elements) else None


def named(members: dict[str, msgspec.Raw]) -> str:
    """The keys of an object, for a message."""
    if not members:
        return "no keys at all"
    names = ", ".join(
        f'"{name}"' if len(name) <= _LONGEST_KEY else f"one of {len(name):,} characters"
        for name in list(members)[:_SHOWN_KEYS]
    )
    rest = len(members) - _SHOWN_KEYS
    return f"the keys {names}" + (f" and {rest} more" if rest > 0 else "")


def control(raw: msgspec.Raw) -> object:
    """A control field decoded; integers are exact, what can't be used is None."""
    text = bytes(raw)
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 1000 else None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # invalid UTF-8: a field that can't be used is one that is not there


def one_line(raw: Body) -> bytes:
    """The same value without line breaks; every digit stays."""
    try:
        return msgspec.json.format(raw, indent=-1)
    except msgspec.DecodeError:  # for the decoder to judge; a line break is between tokens
        return bytes(raw).translate(_BREAKS)
