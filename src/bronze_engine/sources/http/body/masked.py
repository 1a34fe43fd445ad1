"""Bodies with tokens that only some readers of JSON take: lone surrogates, NaN, infinities.

The decoder judges such records one by one, so one of them must not cost the whole page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
import pyarrow as pa

__all__ = ["masked", "own_bytes"]

_ODD: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: one character
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|\\.|NaN|Infinity",  # any other escape, so that its backslash begins no other
    re.DOTALL,
)


def masked(body: bytes | bytearray) -> bytes | None:
    """The body with harmless tokens of the same length for those that only some readers take.

    None where there are none. A token within a text may be masked too: the result serves
    only to find where records begin and end.
    """
    text = _ODD.sub(_harmless, body)
    return None if text == body else text


def own_bytes(harmless: bytes, body: bytes | bytearray) -> Callable[[msgspec.Raw], msgspec.Raw]:
    """What gives for a value within the masked body the same one within the body itself."""
    begin = pa.py_buffer(harmless).address

    def own(raw: msgspec.Raw) -> msgspec.Raw:
        view = pa.py_buffer(raw)
        start = view.address - begin
        return msgspec.Raw(bytes(body[start : start + view.size]))

    return own


def _harmless(token: re.Match[bytes]) -> bytes:
    match token[0]:
        case b"NaN":
            return b"0.0"
        case b"Infinity":
            return b"0.000000"
        case escape if token[1] is not None:
            return b"\\u0020" + escape[6:]
        case escape:
            return escape
