"""Records that are no objects: wrapped into one, or named element by element."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add
from typing import Final, Literal, final

import msgspec

from bronze_engine.sources.http.body.masked import masked, own_bytes
from bronze_engine.sources.http.body.raw import kind_of
from bronze_engine.sources.http.body.split import BadRecord

__all__ = ["Kind", "wrapped"]

_BEGIN: Final = b'{"value":'
_VALUE: Final = msgspec.json.Decoder(msgspec.Raw)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


def wrapped(data: bytes) -> bytes:
    """Lines that are JSON values for certain, as objects whose member "value" each is."""
    return _BEGIN + data[:-1].replace(b"\n", b"}\n" + _BEGIN) + b"}\n"


@final
class Kind:
    """`record_kind` and `record_keys`: makes an object of every record."""

    def __init__(self, kind: Literal["value", "array"], keys: Sequence[str]) -> None:
        self.is_value = kind == "value"
        self._keys = [msgspec.json.encode(key) + b":" for key in keys]

    def dressed(self, line: bytes) -> bytes | BadRecord:
        """One record, on one line, as an object with the same values byte for byte.

        A value becomes the member "value". Of an array each element gets its name: a shorter
        one has fewer members, a longer one is bad, as is what is no array.
        """
        record = line.strip()
        try:
            if self.is_value:
                _prove(record)
                return _BEGIN + record + b"}"
            elements = _elements(record)
        except (msgspec.DecodeError, RecursionError) as exc:
            return BadRecord(f"not JSON: {exc}", line)
        if elements is None:
            return BadRecord(
                f'{kind_of(record)} instead of an array, and record_kind is "array"', line
            )
        if len(elements) > len(self._keys):
            return BadRecord(
                f"{len(elements)} elements, and record_keys names {len(self._keys)}", line
            )
        return b"{" + b",".join(map(add, self._keys, elements)) + b"}"


def _prove(record: bytes) -> None:
    """Raise msgspec.DecodeError unless this is one value: wrapping makes JSON of `1,"b":2`."""
    try:
        _VALUE.decode(record)
    except msgspec.DecodeError:  # tokens that only some readers take are the decoder's to judge
        _VALUE.decode(masked(record) or b"")


def _elements(record: bytes) -> list[bytes] | None:
    """The elements of an array; None of another value."""
    try:
        return list(map(bytes, _LIST.decode(record)))
    except msgspec.ValidationError:
        return None
    except msgspec.DecodeError:
        harmless = masked(record) or b""
        own = own_bytes(harmless, record)
    try:
        return [bytes(own(element)) for element in _LIST.decode(harmless)]
    except msgspec.ValidationError:
        return None
