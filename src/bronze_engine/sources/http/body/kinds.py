"""Records that are no objects: wrapped into one, or named element by element."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add
from typing import Literal, final

import msgspec

from bronze_engine.sources.http.body.masked import masked, own_bytes
from bronze_engine.sources.http.body.raw import kind_of
from bronze_engine.sources.http.body.split import BadRecord

__all__ = ["Kind"]

_NAME = b'{"value":'


@final
class Kind:
    """`record_kind` and `record_keys`: makes an object of every record."""

    def __init__(self, kind: Literal["object", "value", "array"], keys: Sequence[str]) -> None:
        self._keys = [msgspec.json.encode(key) + b":" for key in keys] if kind == "array" else None

    def dressed(self, line: bytes) -> bytes | BadRecord:
        """One record, on one line, as an object with the same values byte for byte.

        A value becomes the member "value". Of an array each element gets its name: a shorter
        one has fewer members, a longer one is bad, as is what is no array.
        """
        try:
            raw = _whole(line)
        except (msgspec.DecodeError, RecursionError) as exc:
            return BadRecord(f"not JSON: {exc}", line)
        if self._keys is None:
            return _NAME + raw + b"}"
        kind = kind_of(raw)
        if kind != "a list":
            return BadRecord(f'{kind} instead of an array, and record_kind is "array"', line)
        elements = _elements(raw)
        if len(elements) > len(self._keys):
            return BadRecord(
                f"{len(elements)} elements, and record_keys names {len(self._keys)}", line
            )
        return b"{" + b",".join(map(add, self._keys, elements)) + b"}"


def _whole(line: bytes) -> bytes:
    """The line, proved to be one JSON value, or one with tokens that the decoder refuses."""
    record = line.strip()
    msgspec.json.decode(masked(record) or record, type=msgspec.Raw)
    return record


def _elements(raw: bytes) -> list[bytes]:
    try:
        return [bytes(element) for element in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    except msgspec.DecodeError:
        harmless = masked(raw) or raw
        own = own_bytes(harmless, raw)
        found: list[msgspec.Raw] = msgspec.json.decode(harmless, type=list[msgspec.Raw])
        return [bytes(own(element)) for element in found]
