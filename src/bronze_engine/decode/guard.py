"""The number guard: finds numbers that a double column would change without a word.

pyarrow's reader rounds what has too many digits, makes 0.0 of 1e-400, and takes NaN and
Infinity, which are no JSON. A decimal of up to 15 digits survives a double, so only three
kinds of text can lose anything, and ordinary data is cleared of them by scans that run at
the speed of memchr and by the doubles themselves:

- eight digits or more behind the point;
- fewer, and then nine or more before it (sixteen without a point): no double in the group
  is as large as 10**8 (10**15);
- a negative exponent: `e-`, digits, and then a comma or a bracket.

What is left is compared number by number with the double that it makes. A text counts only
if a double column holds just that double, so long digits in strings and in int64 columns
(card numbers, snowflake ids) cost the comparison and raise no alarm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.decode.record import is_exact_double
from bronze_engine.model.arrow import Array

__all__ = ["keeps_numbers"]

_LONG_FRACTION: Final = r"\.[0-9]{8}"
_LONG_INTEGER: Final = r"[0-9]{16}"
# Two patterns, not [eE]: RE2 finds a literal prefix with memchr, a class byte by byte.
_NEGATIVE_EXPONENTS: Final = (
    (r"e-[0-9]+[ \t\r]*[,}\]]", re.compile(rb"e-[0-9]+(?=[ \t\r]*[,}\]])")),
    (r"E-[0-9]+[ \t\r]*[,}\]]", re.compile(rb"E-[0-9]+(?=[ \t\r]*[,}\]])")),
)
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_WHOLE: Final = b"000000000.0"
"""Of a text whose digits have all become zeros: a translation beats a regular expression here."""

_FRACTIONS: Final = re.compile(rb"\.[0-9]{8,}(?:[eE][-+]?[0-9]+)?")
_WHOLES: Final = re.compile(rb"-?[0-9]{9,}\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_INTEGERS: Final = re.compile(rb"-?[0-9]{16,}(?:[eE][-+]?[0-9]+)?")
_WHOLE_END: Final = re.compile(rb"-?[0-9]+\Z")
_NUMBER_END: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?\Z")

_WHOLE_BYTES: Final = 9
"""Room for the sign and the whole part of a number below 10**8."""
_MANTISSA_BYTES: Final = 64
"""Room for a mantissa; where one is longer its group is read exactly."""


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
    text = _as_array(data)
    texts: list[bytes] = []
    if _matches(text, _LONG_FRACTION):
        texts += _before(data, _FRACTIONS, _WHOLE_END, _WHOLE_BYTES)
    if largest >= 1e8 and _LONG_WHOLE in data.translate(_DIGITS):
        texts += _WHOLES.findall(data)
    if largest >= 1e15 and _matches(text, _LONG_INTEGER):
        texts += _INTEGERS.findall(data)
    for pattern, exponent in _NEGATIVE_EXPONENTS:
        if _matches(text, pattern):
            mantissas = _before(data, exponent, _NUMBER_END, _MANTISSA_BYTES)
            if any(len(mantissa) > _MANTISSA_BYTES for mantissa in mantissas):
                return False
            texts += mantissas
    changed = _changed(texts)
    return not changed or not any(_holds(leaf, changed) for leaf in doubles)


def _as_array(data: bytes) -> Array:
    """The bytes as one binary value, without a copy."""
    offsets = pa.array([0, len(data)], pa.int64()).buffers()[1]
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(data)])


def _matches(text: Array, pattern: str) -> bool:
    found: Array = pc.match_substring_regex(text, pattern=pattern)
    return bool(found[0].as_py())


def _before(
    data: bytes, tail: re.Pattern[bytes], head: re.Pattern[bytes], room: int
) -> list[bytes]:
    """Each number that ends in `tail`, with the `head` that fits in the `room` before it."""
    found: list[bytes] = []
    for match in tail.finditer(data):
        place = match.start()
        first = head.search(data, max(0, place - room), place)
        if first is not None:
            found.append(data[first.start() : match.end()])
    return found


def _changed(texts: list[bytes]) -> list[float]:
    """The doubles of those texts that say another number than their double."""
    if not texts:
        return []
    strings = pa.array(texts, pa.binary()).cast(pa.string())
    try:
        printed = strings.cast(pa.float64()).cast(pa.string())
    except pa.ArrowInvalid:  # 1e999 in some string: Arrow has no double for it
        unsure = strings
    else:
        unsure = strings.filter(pc.not_equal(printed, strings))
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
