"""Values cut out of JSON lines as the text that was sent, and numbers left in their places.

The lines keep their length, so all that is checked elsewhere (keys that stand twice, numbers,
UTF-8) is checked of what is left.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Final, final

import msgspec
import pyarrow as pa

from bronze_engine.decode.flatten import Flatten
from bronze_engine.model.arrow import Array
from bronze_engine.model.path import flat_key

__all__ = ["Cutter", "Leaf", "leaves_of", "masked_line", "string_array", "tidy"]

_RAW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL: Final = b"null"
_ODD: Final = re.compile(r'[\x00-\x1f"\\]')


@final
class Cutter:
    """Cuts the values at some paths out of whole groups; made once, and then free of state."""

    def __init__(self, paths: Mapping[str, tuple[str, ...]]) -> None:
        """`paths` are by name: the name under which `cut` gives the texts."""
        tree: dict[str, Any] = {}
        for name, path in paths.items():
            node = tree
            for key in path[:-1]:
                node = node.setdefault(key, {})
            node[path[-1]] = name
        self._places: dict[str, tuple[str, ...]] = {}
        self._decoder = msgspec.json.Decoder(self._struct(tree, ()))

    @staticmethod
    def takes(path: tuple[str, ...]) -> bool:
        """Whether msgspec takes the keys as names of fields; few sources have others."""
        return not any(_ODD.search(key) for key in path)

    def _struct(self, tree: dict[str, Any], at: tuple[str, ...]) -> type[msgspec.Struct]:
        members: list[tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        for number, (key, below) in enumerate(tree.items()):
            field = f"f{number}"
            rename[field] = key
            kind: Any = msgspec.Raw
            if isinstance(below, dict):
                kind = self._struct(below, (*at, field)) | None
            else:
                self._places[below] = (*at, field)
            members.append((field, kind | msgspec.UnsetType, msgspec.UNSET))
        return msgspec.defstruct("Record", members, rename=rename)

    def cut(self, data: bytes) -> tuple[bytes, dict[str, list[bytes]]]:
        """The lines with 0 and blanks in place of the values, and the values' texts by name.

        A value that is absent or null stays, and its text is empty. Raises msgspec.DecodeError
        where a line is no object, or has none where a path leads through one.
        """
        rows: list[Any] = self._decoder.decode_lines(data)
        begin = pa.py_buffer(data).address
        masked = bytearray(data)
        found: dict[str, list[bytes]] = {}
        for name, place in self._places.items():
            texts = found[name] = []
            for row in rows:
                raw = row
                for field in place:
                    raw = getattr(raw, field, msgspec.UNSET)
                text = b"" if raw is msgspec.UNSET else bytes(raw)
                if text == _NULL or not text:
                    texts.append(b"")
                    continue
                size = len(text)
                at = pa.py_buffer(raw).address - begin
                masked[at : at + size] = b"0".ljust(size)
                texts.append(text)
        return bytes(masked), found


def tidy(text: bytes) -> bytes:
    """JSON text as it lands: as it was sent, but {} for an object without keys."""
    return b"{}" if text[:1] == b"{" and not text[1:-1].strip() else text


def string_array(texts: list[bytes], valid: Array) -> Array:
    """UTF-8 texts as a string column; NULL where `valid` is false. Their sum is below 2 GiB."""
    offsets = array("i", accumulate(map(len, texts), initial=0))
    buffers = [valid.buffers()[1], pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    if valid.offset:  # a bitmap of its own
        buffers[0] = pa.concat_arrays([valid]).buffers()[1]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One value of a record by its place in the line."""

    text: bytes
    start: int


def leaves_of(line: bytes, flatten: Flatten | None) -> dict[str, Leaf]:
    """The values of a record by key, flattened ones by `flat_key`, with their exact text.

    Raises msgspec.DecodeError or RecursionError for what is no JSON object.
    """
    return dict(_leaves(line, pa.py_buffer(line).address, flatten, ()))


def _leaves(
    line: bytes | msgspec.Raw, begin: int, flatten: Flatten | None, above: tuple[str, ...]
) -> Iterator[tuple[str, Leaf]]:
    for key, raw in _RAW.decode(line).items():
        text = bytes(raw)
        if flatten is None:
            yield key, Leaf(text, pa.py_buffer(raw).address - begin)
            continue
        path = (*above, key)
        if text[:1] == b"{" and flatten.opens(path) and tidy(text) != b"{}":
            yield from _leaves(raw, begin, flatten, path)
        else:
            yield flat_key(path), Leaf(text, pa.py_buffer(raw).address - begin)


def masked_line(line: bytes, leaves: Mapping[str, Leaf], keys: list[str]) -> bytes:
    """The line with 0 in place of the values of these keys."""
    masked = bytearray(line)
    for key in keys:
        leaf = leaves[key]
        size = len(leaf.text)
        masked[leaf.start : leaf.start + size] = b"0".ljust(size)
    return bytes(masked)
