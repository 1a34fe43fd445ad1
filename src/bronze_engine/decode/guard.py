"""The number guard: finds numbers that a double column would change without a word.

pyarrow's reader rounds what has too many digits, makes 0.0 of 1e-400, and takes NaN and
Infinity, which are no JSON. A decimal of up to 15 digits survives a double whose exponent is in
reach, so only two kinds of text can lose anything, and ordinary data is cleared of both by
numpy and by the doubles themselves (0.4 ms a MiB):

- 16 digits and points in a row, or more. One without a point and an exponent is 10**15 or more:
  where no double is as large, it stands in a string or in an int64 column, as card numbers and
  snowflake ids do;
- an exponent below -99, which makes a double below 1e-80, or zero.

The texts that are left are compared with the doubles that they make. One counts only if a double
column holds just that double, so that digits in strings raise no alarm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.decode.record import is_exact_double
from bronze_engine.model.arrow import Array, binary_array, number_array, text_array

__all__ = ["changed_doubles", "contains", "keeps_decimals", "keeps_numbers"]

Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Places: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

_LONG: Final = 16
_LONG_WHOLE: Final = 10.0 ** (_LONG - 1)
_TINY: Final = 1e-80
"""Fewer than 16 digits before an exponent of -100 say less."""
_TINY_DIGITS: Final = 3
_EXPONENT_DIGITS: Final = 11
"""One more than Arrow takes: what has more is no number to it, or the end of a UUID."""
_ENDS: Final = np.frombuffer(b' \t\r\n",}]', np.uint8)
"""What may follow a number, or a text that says one."""
_QUOTE, _MINUS, _POINT, _ZERO, _E = b'"-.0e'
_LOWER: Final = 0x20
_MANTISSA: Final = re.compile(rb"[0-9][0-9.]*\Z")
_LAST_EXPONENT: Final = re.compile(rb"([eE]-[0-9]+)[ \t\r]*[,}\]]")
_EXPONENT: Final = re.compile(rb"[eE][-+]?[0-9]+")
_NUMBER: Final = r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"

_BYTES: Final = [f"{byte:08b}" for byte in range(256)]
_FULL: Final = 0xFF
_NO_BITS: Final = np.zeros(1, np.uint8)
_NO_PLACES: Final = np.zeros(0, np.int64)
_SLICE_BYTES: Final = 128 * 1024
"""Looked through at once, up to the end of a line: what is made of them stays in the processor's
cache, and in memory that is mapped already, which is two thirds of the time (measured)."""
_ONES_FIRST: Final = np.array([8 - len(bits.lstrip("1")) for bits in _BYTES], np.uint8)
_ONES_LAST: Final = np.array([8 - len(bits.rstrip("1")) for bits in _BYTES], np.uint8)


def keeps_numbers(data: bytes, arrays: Iterable[Array]) -> bool:
    """Whether every number of `data` that became a double is what the double says.

    `arrays` are the columns that hold doubles, at any depth, as read from `data`. False
    means: read the group exactly.
    """
    doubles = [leaf for array in arrays for leaf in _leaves(array)]
    smallest, largest = float("inf"), 0.0
    for leaf in doubles:
        if not pc.all(pc.is_finite(leaf), min_count=0).as_py():
            return False
        ends = pc.min_max(pc.abs(leaf))
        low, high = ends["min"].as_py(), ends["max"].as_py()
        if low is not None:
            smallest, largest = min(smallest, low), max(largest, high)
    text: Bytes = np.frombuffer(data, np.uint8)
    changed = changed_doubles(_long_numbers(data, text, largest))
    if smallest < _TINY:
        changed += changed_doubles(text_array(_tiny_numbers(data, text)))
    return not changed or not any(_holds(leaf, changed) for leaf in doubles)


def keeps_decimals(data: bytes) -> bool:
    """Whether pyarrow can read every decimal of `data`, which it has not yet. False means: read it
    exactly.

    Of a number 39 digits behind the last that its column has, as 1E-41 of a decimal(9,2), it looks
    past the end of its table of powers of ten: it makes 0 of some, and 1E-123456789 ends the
    process (26.0.1).
    """
    text: Bytes = np.frombuffer(data, np.uint8)
    minus = np.flatnonzero(text == _MINUS)
    minus = minus[(text[minus - 1] | _LOWER) == _E]
    ends = minus + 1
    for _ in range(_EXPONENT_DIGITS):
        ends[text[ends] - _ZERO < 10] += 1
        ends = np.minimum(ends, len(text) - 1)
    digits = ends - minus - 1
    is_far = (digits > 1) & (digits < _EXPONENT_DIGITS) & np.isin(text[ends], _ENDS)
    return not is_far.any()


def _long_numbers(data: bytes, text: Bytes, largest: float) -> Array:
    """The texts, without a sign, of all numbers of 16 digits or more that may lose something, and
    of some that stand in strings."""
    starts, ends = _long_runs(data, text)
    if not len(starts):
        return pa.nulls(0, pa.string())
    after = text[ends]
    has_exponent = (after | _LOWER) == _E
    wanted = (text[starts - 1] != _QUOTE) & (after != _QUOTE)  # no number is next to a quote
    if largest < _LONG_WHOLE:
        points = np.flatnonzero(text == _POINT)
        has_point = np.searchsorted(points, starts) != np.searchsorted(points, ends)
        wanted &= has_point | has_exponent
    for place in np.flatnonzero(wanted & has_exponent).tolist():
        found = _EXPONENT.match(data, ends[place])
        ends[place] = ends[place] if found is None else found.end()
    return _texts(data, starts[wanted], ends[wanted])


def _long_runs(data: bytes, text: Bytes) -> tuple[Places, Places]:
    """Where 16 digits and points in a row, or more, begin and end. A slash counts as one of them,
    as it saves a comparison of every byte: it stands in strings alone, and so does such a run."""
    starts, ends = [_NO_PLACES], [_NO_PLACES]
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", begin + _SLICE_BYTES) + 1 or len(data)
        for found, edges in zip((starts, ends), _runs_within(text[begin:end]), strict=True):
            if len(edges):
                found.append(edges + begin)
        begin = end
    return np.concatenate(starts), np.concatenate(ends)


def _runs_within(text: Bytes) -> tuple[Places, Places]:
    """The same of some lines: a run of 15 or more fills one of the bytes that its bits make."""
    is_part: Mask = (text - _POINT) < len("./0123456789")  # what is below wraps to a large number
    bits = np.concatenate([_NO_BITS, np.packbits(is_part), _NO_BITS])
    first = np.flatnonzero(bits == _FULL)
    first = first[bits[first - 1] != _FULL]
    last = first + 1
    growing = np.flatnonzero(bits[last] == _FULL)
    while len(growing):
        last[growing] += 1
        growing = growing[bits[last[growing]] == _FULL]
    starts = 8 * (first - 1) - _ONES_LAST[bits[first - 1]]
    ends = 8 * (last - 1) + _ONES_FIRST[bits[last]]
    is_long = ends - starts >= _LONG
    return starts[is_long], ends[is_long]


def _tiny_numbers(data: bytes, text: Bytes) -> Iterator[str]:
    """The texts of numbers below 16 digits with an exponent below -99, and of some in strings."""
    minus = np.flatnonzero(text == _MINUS)
    minus = minus[(text[minus - 1] | _LOWER) == _E]
    for step in range(1, _TINY_DIGITS + 1):
        minus = minus[text[minus + step] - _ZERO < 10]
    for place in (minus - 1).tolist():
        mantissa = _MANTISSA.search(data, max(0, place - _LONG), place)
        exponent = _LAST_EXPONENT.match(data, place)
        if mantissa is not None and exponent is not None:
            yield data[mantissa.start() : exponent.end(1)].decode()


def contains(data: bytes, pattern: str) -> bool:
    """Whether RE2 finds `pattern`; quick where the pattern begins with a literal."""
    found: Array = pc.match_substring_regex(binary_array(data), pattern=pattern)
    return bool(found[0].as_py())


def _texts(data: bytes, starts: Places, ends: Places) -> Array:
    """What stands between these places, which is ASCII."""
    # Text, what is between, text, ...: every other one is taken, in one copy.
    offsets = np.stack([starts, ends], axis=1).astype(np.int64)
    count = max(offsets.size - 1, 0)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data)]
    both: Array = pa.Array.from_buffers(pa.large_binary(), count, buffers)
    texts = both.take(number_array(np.arange(0, count, 2)))
    return texts.cast(pa.binary()).cast(pa.string())


def changed_doubles(texts: Array) -> list[float]:
    """The doubles of those texts that say another number than their double."""
    try:
        printed = texts.cast(pa.float64()).cast(pa.string())
    except pa.ArrowInvalid:  # no number, or 1e999: Arrow has no double for it
        unsure = texts.filter(pc.match_substring_regex(texts, pattern=_NUMBER))
    else:
        unsure = texts.filter(pc.not_equal(printed, texts))
    found: list[float] = []
    for text in map(str, unsure.to_pylist()):
        value = float(text)
        if not is_exact_double(text, value):
            found.append(value)
    return found


def _holds(leaf: Array, values: list[float]) -> bool:
    # abs: Arrow's is_in tells -0.0 from 0.0, and the texts have no sign.
    sought = number_array(np.abs(np.array(values, np.float64)))
    return bool(pc.any(pc.is_in(pc.abs(leaf), value_set=sought), min_count=0).as_py())


def _leaves(array: Array) -> list[Array]:
    kind = array.type
    if pa.types.is_floating(kind):
        return [array]
    if pa.types.is_list(kind):
        return _leaves(array.flatten())
    if pa.types.is_struct(kind):
        return [leaf for child in array.flatten() for leaf in _leaves(child)]
    return []
