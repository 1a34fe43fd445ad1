"""The keys that a slice has had: small, exact, and asked batch by batch.

Integers, and pairs of them, are held as they are, eight bytes each; other keys, and several
columns together, as 128 bits of a keyed hash, at which two of 10**12 keys are alike once in 10**14
runs.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import Any, Final, final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.arrow import Array
from bronze_engine.model.types.row_text import printed_values
from bronze_engine.model.types.time_text import is_day_or_instant, time_texts
from bronze_engine.quality.hashes import Numbers, halves
from bronze_engine.quality.packing import Packing, packing_of

__all__ = ["KeySet"]

Mask = np.ndarray[Any, np.dtype[np.bool_]]

_COUNT: Final = struct.Struct("<Q")


@final
class _Run:
    """Keys in ascending order; of equal first halves the second ones as they came."""

    __slots__ = ("first", "second")

    def __init__(self, first: Numbers, second: Numbers | None) -> None:
        self.first = first
        self.second = second

    def __len__(self) -> int:
        return len(self.first)

    @property
    def size_bytes(self) -> int:
        return self.first.nbytes + (0 if self.second is None else self.second.nbytes)

    def has(self, first: Numbers, second: Numbers | None) -> Mask:
        """Which of these keys, in ascending order, are in the run."""
        if not len(first) or first[0] > self.first[-1] or first[-1] < self.first[0]:
            return np.zeros(len(first), np.bool_)
        places = np.searchsorted(self.first, first)
        inside = np.minimum(places, len(self.first) - 1)
        found: Mask = self.first[inside] == first
        if second is None or self.second is None:
            return found
        same: Mask = found & (self.second[inside] == second)
        for at in np.flatnonzero(found & ~same):  # half of a hash alike: once in 2**32 keys
            end = np.searchsorted(self.first, first[at], side="right")
            same[at] = second[at] in self.second[places[at] : end]
        return same

    def joined(self, other: _Run) -> _Run:
        first = np.concatenate([self.first, other.first])
        second = None
        if self.second is not None and other.second is not None:
            second = np.concatenate([self.second, other.second])
        if self.first[-1] <= other.first[0]:
            return _Run(first, second)
        if second is None:
            first.sort(kind="stable")  # two ascending runs: one merge
            return _Run(first, None)
        order = np.argsort(first, kind="stable")
        return _Run(first[order], second[order])


class _State(msgspec.Struct, frozen=True, array_like=True):
    packing: Packing | None
    is_hashed: bool
    runs: list[tuple[bytes, bytes]]


@final
class KeySet:
    """A set of keys that grows; runs of ascending keys, each twice as long as the next.

    `key` is what hashes are made with: sets that are to be joined need the same.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = os.urandom(16) if key is None else key
        self._runs: list[_Run] = []
        self._packing: Packing | None = None
        """How the keys are held as integers; None before the first, and once they are hashed."""
        self._is_hashed = False

    @property
    def size_bytes(self) -> int:
        """What it holds at the most: runs are copied when they are joined."""
        return 2 * sum(run.size_bytes for run in self._runs)

    def add(self, columns: Sequence[Array]) -> Mask:
        """Add one key a row, and say which rows have a key that was there before.

        Within these rows the first of equal keys is the one that is new. The columns have
        no nulls.
        """
        if not len(columns[0]):
            return np.zeros(0, np.bool_)
        if not self._is_hashed:
            if self._packing is None:
                self._packing = packing_of(columns)
            packed = None if self._packing is None else self._packing.pack(columns)
            if packed is not None:
                return self._add(packed, None)
            self._mix()
        return self._add(*halves(_texts_of(columns), self._key))

    def state(self) -> bytes:
        """All keys, for `join`."""
        runs = [
            # Of keys that ascend the steps are small; what wraps around does so back again.
            (_packed(np.diff(run.first, prepend=np.int64(0))), _packed(run.second))
            for run in self._runs
        ]
        return msgspec.msgpack.encode(_State(self._packing, self._is_hashed, runs))

    def join(self, state: bytes) -> Mask:
        """Add the keys of another set, and say which of them were there before, in no order."""
        other = msgspec.msgpack.decode(state, type=_State)
        if not other.runs:
            return np.zeros(0, np.bool_)
        if self._packing is None and not self._is_hashed:
            self._packing, self._is_hashed = other.packing, other.is_hashed
        if other.packing != self._packing and not self._is_hashed:
            self._mix()
        found = []
        for packed, packed_second in other.runs:
            first = np.cumsum(_unpacked(packed), dtype=np.int64)
            second = _unpacked(packed_second) if packed_second else None
            if second is None and self._is_hashed and other.packing is not None:
                first, second = halves(_texts_of(other.packing.unpack(first)), self._key)
            found.append(self._add(first, second))
        return np.concatenate(found)

    def _add(self, first: Numbers, second: Numbers | None) -> Mask:
        count = len(first)
        if not count:
            return np.zeros(0, np.bool_)
        if second is None and bool((first[1:] > first[:-1]).all()):
            order, twice = None, np.zeros(count, np.bool_)
        else:
            order = _order(first, second)
            first = first[order]
            twice = np.zeros(count, np.bool_)
            twice[1:] = first[1:] == first[:-1]
            if second is not None:
                second = second[order]
                twice[1:] &= second[1:] == second[:-1]
        known = twice
        for run in self._runs:
            known |= run.has(first, second)
        fresh = ~known
        if fresh.any():
            self._runs.append(
                _Run(
                    np.ascontiguousarray(first[fresh]),
                    None if second is None else np.ascontiguousarray(second[fresh]),
                )
            )
            self._settle()
        if order is None:
            return known
        mask = np.empty(count, np.bool_)
        mask[order] = known
        return mask

    def _settle(self) -> None:
        runs = self._runs
        while len(runs) > 1 and len(runs[-2]) < 2 * len(runs[-1]):
            last = runs.pop()
            runs[-1] = runs[-1].joined(last)

    def _mix(self) -> None:
        """Hold the integers as other keys are held."""
        packing, held = self._packing, [run.first for run in self._runs]
        self._packing, self._is_hashed = None, True
        self._runs.clear()
        if packing is not None:
            for keys in held:
                self._add(*halves(_texts_of(packing.unpack(keys)), self._key))


def _order(first: Numbers, second: Numbers | None) -> np.ndarray[Any, np.dtype[np.intp]]:
    """What puts keys in order; of equal ones the one that came first leads."""
    order = np.argsort(first, kind="stable")
    if second is not None:
        ordered, behind = first[order], second[order]
        alike = ordered[1:] == ordered[:-1]
        if (alike & (behind[1:] != behind[:-1])).any():  # half of a hash: once in 2**32 keys
            return np.lexsort((second, first))
    return order


def _packed(numbers: Numbers | None) -> bytes:
    if numbers is None:
        return b""
    return _COUNT.pack(len(numbers)) + pa.compress(numbers.tobytes(), codec="zstd", asbytes=True)


def _unpacked(packed: bytes) -> Numbers:
    (count,) = _COUNT.unpack_from(packed)
    body = pa.decompress(
        packed[_COUNT.size :], decompressed_size=8 * count, codec="zstd", asbytes=True
    )
    return np.frombuffer(body, np.int64)


def _texts_of(columns: Sequence[Array]) -> Array:
    """A text for each row; no two rows with other keys have the same."""
    texts: list[Array] = []
    for column in columns:
        text = _text_of(column)
        if len(columns) > 1:
            texts.append(pc.binary_length(text).cast(pa.string()))
        texts.append(text)
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, ":")


def _text_of(column: Array) -> Array:
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_binary(kind):
        return column.view(pa.string())  # its bytes are hashed, whether they are UTF-8 or not
    if pa.types.is_nested(kind):
        return pa.array([repr(value) for value in printed_values(column)], pa.string())
    if is_day_or_instant(kind):
        return time_texts(column)
    if pa.types.is_floating(kind):
        # 1 and 1.0 are one key: the column may have become a double on the way. So are the zeros.
        texts = column.cast(pa.string())
        texts = pc.replace_substring_regex(texts, pattern=r"\.0$", replacement="")
        return pc.replace_substring_regex(texts, pattern=r"^-0$", replacement="0")
    return column.cast(pa.string())
