"""The number guard: finds numbers that a double column would change without a word.

pyarrow's reader rounds what has too many digits, makes 0.0 of 1e-400, and takes NaN and
Infinity, which are no JSON. A decimal of up to 15 digits survives a double, so only three
kinds of text can lose anything, and ordinary data is cleared of them by scans that run at
the speed of memchr and by the doubles themselves:

- eight digits or more behind the point;
- fewer, and then nine or more before it (sixteen without a point): no double in the group
  is as large as 10**8 (10**15);
- a negative exponent: `e-`, digits, and then a comma or a bracket.

A group that is not cleared is cut into its numbers, in C++, and those are compared with the
doubles that they make. A text counts only if a double column holds just that double, so long
digits in strings and in int64 columns (card numbers, snowflake ids) raise no alarm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.decode.record import is_exact_double
from bronze_engine.model.arrow import Array, binary_array, scalar

__all__ = ["changed_doubles", "contains", "keeps_numbers"]

_LONG_FRACTION: Final = r"\.[0-9]{8}"
_LONG_INTEGER: Final = r"[0-9]{16}"
# Two patterns, not [eE]: a literal prefix is found with memchr, a class byte by byte.
_NEGATIVE: Final = tuple(
    (pattern, re.compile(pattern.encode()))
    for pattern in (r"e-([0-9]+)[ \t\r]*[,}\]]", r"E-([0-9]+)[ \t\r]*[,}\]]")
)
_NEGATIVE_END: Final = r"-[0-9]+[ \t\r]*[,}\]]"
"""Ends every negative exponent, and few other things: dates and UUIDs end in a quote. A minus is
rarer than an e, so this is found absent in half the time."""
_PAIRS: Final = (int.from_bytes(b"e-", "little"), int.from_bytes(b"E-", "little"))
_MANTISSA: Final = re.compile(rb"[0-9.]{16}")
_MANTISSA_BYTES: Final = 16
_TINY_DIGITS: Final = 3
_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_WHOLE: Final = b"000000000.0"
"""Of a text whose digits are all zeros: a translation and a search take a third of the time of
the regular expression."""

_SEPARATORS: Final = bytes.maketrans(b":[]{}\n", b",,,,,,")
_NO_PART_OF_NUMBERS: Final = bytes(set(range(256)) - set(b'0123456789+-.eE:,[]{}\n"'))
_NUMBER: Final = r"^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
_TINY_NUMBER: Final = r"[eE]-[0-9]{3}"
_COMMA: Final = ord(",")
_SHORT_BYTES: Final = 15
"""A number of so few bytes has at most 15 digits."""


def keeps_numbers(data: bytes, arrays: Iterable[Array]) -> bool:
    """Whether every number of `data` that became a double is what the double says.

    `arrays` are the columns that hold doubles, at any depth, as read from `data`. False
    means: read the group exactly.
    """
    doubles = [leaf for array in arrays for leaf in _leaves(array)]
    largest = 0.0
    for leaf in doubles:
        if not pc.all(pc.is_finite(leaf), min_count=0).as_py():
            return False
        size = pc.max(pc.abs(leaf)).as_py()
        largest = max(largest, size or 0.0)
    text = binary_array(data)
    has_long, has_tiny = _negative_exponents(data, text)
    if not (has_long or has_tiny or _has_long(data, text, largest)):
        return True
    changed = changed_doubles(_numbers(data, has_tiny=has_tiny).cast(pa.string()))
    return not changed or not any(_holds(leaf, changed) for leaf in doubles)


def _negative_exponents(data: bytes, text: Array) -> tuple[bool, bool]:
    """Whether a number with one may have 16 digits, and whether one may be tiny."""
    has_long = has_tiny = False
    if not (_matches(text, _NEGATIVE_END) and _has_pair(data)):
        return has_long, has_tiny
    for pattern, compiled in _NEGATIVE:
        if not _matches(text, pattern):
            continue
        for match in compiled.finditer(data):
            place = match.start()
            if match.end(1) - match.start(1) >= _TINY_DIGITS:
                has_tiny = True
            if place >= _MANTISSA_BYTES and _MANTISSA.match(data, place - _MANTISSA_BYTES, place):
                has_long = True
            if has_tiny and has_long:
                break
    return has_long, has_tiny


def _has_pair(data: bytes) -> bool:
    """Whether e- or E- is anywhere: two bytes at a time, at even places and at odd ones."""
    for start in (0, 1):
        pairs = np.frombuffer(data, "<u2", count=(len(data) - start) // 2, offset=start)
        if any((pairs == pair).any() for pair in _PAIRS):
            return True
    return False


def _has_long(data: bytes, text: Array, largest: float) -> bool:
    """Whether any other number may have 16 digits; `largest` is the size of the largest double."""
    if _matches(text, _LONG_FRACTION):
        return True
    if largest >= 1e15 and _matches(text, _LONG_INTEGER):
        return True
    return largest >= 1e8 and _LONG_WHOLE in data.translate(_ZEROS)


def contains(data: bytes, pattern: str) -> bool:
    """Whether RE2 finds `pattern`; quick where the pattern begins with a literal."""
    return _matches(binary_array(data), pattern)


def _matches(text: Array, pattern: str) -> bool:
    found: Array = pc.match_substring_regex(text, pattern=pattern)
    return bool(found[0].as_py())


def _numbers(data: bytes, *, has_tiny: bool) -> Array:
    """The texts of all numbers that may lose something, and of some that stand in strings.

    A number stands between separators, so what is deleted around it can't join it to another;
    quotes are left, so that digits picked out of a string make no number.
    """
    pieces = _pieces(data.translate(_SEPARATORS, _NO_PART_OF_NUMBERS), has_tiny=has_tiny)
    in_quotes = pc.or_(pc.starts_with(pieces, '"'), pc.ends_with(pieces, '"'))
    return pieces.filter(pc.invert(in_quotes))


def _pieces(text: bytes, *, has_tiny: bool) -> Array:
    """What stands between the commas, where it is long enough to matter or a tiny number."""
    if has_tiny:
        pieces: Array = pc.split_pattern(binary_array(text), ",").flatten()
        is_long = pc.greater(pc.binary_length(pieces), scalar(_SHORT_BYTES, pa.int64()))
        is_tiny = pc.match_substring_regex(pieces, pattern=_TINY_NUMBER)
        return pieces.filter(pc.or_(is_long, is_tiny)).cast(pa.binary())
    commas = np.flatnonzero(np.frombuffer(text, np.uint8) == _COMMA)
    starts = np.concatenate([[0], commas + 1])
    ends = np.concatenate([commas, [len(text)]])
    wanted = ends - starts > _SHORT_BYTES
    # Piece, what is between, piece, ...: every other one is taken, in one copy.
    offsets = np.stack([starts[wanted], ends[wanted]], axis=1).astype(np.int64)
    count = max(offsets.size - 1, 0)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text)]
    both: Array = pa.Array.from_buffers(pa.large_binary(), count, buffers)
    return both.take(pa.array(np.arange(0, count, 2), pa.int64())).cast(pa.binary())


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
    # abs: Arrow's is_in tells -0.0 from 0.0, and the sign of a text may be outside the window.
    sought = pa.array([abs(value) for value in values], pa.float64())
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
