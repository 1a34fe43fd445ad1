"""The footers of Parquet files: row groups that were written apart become those of one file.

A footer is one struct, `FileMetaData` of parquet.thrift, in Thrift's compact protocol. What has to
change in it is where pages are and how many rows there are. The rest is copied as it was written,
so the file is what one writer would have made of all its row groups, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias, final

__all__ = ["Footer"]

# Types of the compact protocol.
_TRUE: Final = 1
_FALSE: Final = 2
_BYTE: Final = 3
_INTEGERS: Final = frozenset({4, 5, 6})
_DOUBLE: Final = 7
_BINARY: Final = 8
_LIST: Final = 9
_STRUCT: Final = 12

# Fields of FileMetaData.
_NUM_ROWS: Final = 3
_ROW_GROUPS: Final = 4

_Places: TypeAlias = "Mapping[int, _Places | None]"
"""Fields that say where something is in the file (None), and what has such fields within it."""

_PLACES: Final[_Places] = {
    1: {  # RowGroup.columns
        2: None,  # ColumnChunk.file_offset
        3: {9: None, 10: None, 11: None},  # its meta_data: data, index and dictionary pages
    },
    5: None,  # RowGroup.file_offset
}


@final
class Footer:
    """The footer of a file, with its row groups as they are where their pages lie further back."""

    def __init__(self, data: bytes, *, moved_bytes: int = 0) -> None:
        """Raises ValueError for what is no footer."""
        self.row_groups: list[bytes] = []
        self._data = data
        self._rows = self._groups = slice(0)
        try:
            self._take_apart(moved_bytes)
        except IndexError:
            raise ValueError("this footer of a Parquet file breaks off") from None
        if not 0 < self._rows.stop < self._groups.stop:
            raise ValueError("the footer of a Parquet file counts its rows and lists its groups")

    def _take_apart(self, moved_bytes: int) -> None:
        walk = _Walk(self._data)
        for number, kind in walk.fields():
            start = walk.at
            if number == _ROW_GROUPS:
                count, _ = walk.list_head()
                self.row_groups = [walk.moved(_PLACES, moved_bytes) for _ in range(count)]
                self._groups = slice(start, walk.at)
            else:
                walk.skip(kind)
            if number == _NUM_ROWS:
                self._rows = slice(start, walk.at)

    def of(self, row_groups: Sequence[bytes], row_count: int) -> bytes:
        """The footer of a file that is as this one, but for its row groups."""
        data = self._data
        head, between = data[: self._rows.start], data[self._rows.stop : self._groups.start]
        pieces = [head, _integer(row_count), between, _list_head(len(row_groups)), *row_groups]
        return b"".join([*pieces, data[self._groups.stop :]])


@final
class _Walk:
    """From value to value through a struct."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    def fields(self) -> Iterator[tuple[int, int]]:
        """The number and type of each field. Its value is to be skipped before the next."""
        number = 0
        while head := self._byte():  # a struct ends with a field of type 0
            number = number + (head >> 4) if head >> 4 else self._integer()
            yield number, head & 15

    def list_head(self) -> tuple[int, int]:
        """How many elements follow, and their type."""
        head = self._byte()
        return (self._varint() if head >> 4 == 15 else head >> 4), head & 15

    def skip(self, kind: int) -> None:
        """Pass over the value of a field."""
        if kind in _INTEGERS:
            self._varint()
        elif kind == _BINARY:
            size = self._varint()
            self.at += size
        elif kind == _STRUCT:
            for _, each in self.fields():
                self.skip(each)
        elif kind == _LIST:
            count, each = self.list_head()
            for _ in range(count):
                self.skip(_BYTE if each in (_TRUE, _FALSE) else each)
        elif kind in (_BYTE, _DOUBLE):
            self.at += 1 if kind == _BYTE else 8
        elif kind not in (_TRUE, _FALSE):  # their value is their type
            raise ValueError(f"a footer of Parquet has no field of Thrift's type {kind}")

    def moved(self, places: _Places, by: int) -> bytes:
        """Pass over a struct; the same with `by` added to the places that are set."""
        out = bytearray()
        copied = self.at
        for number, kind in self.fields():
            if number not in places:
                self.skip(kind)
                continue
            out += self._data[copied : self.at]
            within = places[number]
            if within is None:
                place = self._integer()
                out += _integer(place + by if place else 0)
            elif kind == _STRUCT:
                out += self.moved(within, by)
            else:
                start = self.at
                count, _ = self.list_head()
                out += self._data[start : self.at]
                for _ in range(count):
                    out += self.moved(within, by)
            copied = self.at
        return bytes(out + self._data[copied : self.at])

    def _byte(self) -> int:
        value = self._data[self.at]
        self.at += 1
        return value

    def _varint(self) -> int:
        value = self._data[self.at]
        self.at += 1
        if value < 128:
            return value
        value &= 127
        shift = 7
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _integer(value: int) -> bytes:
    """Of 64 bits, not below zero."""
    return _varint(value << 1)


def _list_head(count: int) -> bytes:
    return (
        bytes([count << 4 | _STRUCT]) if count < 15 else bytes([15 << 4 | _STRUCT]) + _varint(count)
    )
