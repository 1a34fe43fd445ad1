"""Texts as values of one type: each exactly, or not at all.

What configured columns take is what `decode.typed` says, value by value; here it is said in C++.
A column whose type was inferred is stricter: it takes only what can be printed again from its
values, so that 007 and 1.50 are no numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.decode.guard import changed_doubles
from bronze_engine.decode.typed import (
    cast_temporal,
    decimal_text,
    epoch_count,
    instants_of,
    is_epoch,
)
from bronze_engine.model.arrow import Array, DataType, Scalar, scalar
from bronze_engine.model.layout import Column
from bronze_engine.model.types.convert import are_plain_decimals

__all__ = ["cast_column", "json_strings"]

_INTEGER: Final = r"^(0|-?[1-9][0-9]*)$"
_NUMBER: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
_DECIMAL: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,6})?$"
_BOOLEAN: Final = r"^(true|false|True|False|TRUE|FALSE)$"
_PLAIN_BOOLEAN: Final = r"^(true|false)$"
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIMESTAMP: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"^[0-9]{2}:[0-9]{2}"
_CLOCK_BYTES: Final = {"s": 19, "ms": 23, "us": 26, "ns": 29}
"""Of a timestamp's text without a zone, by how many digits its fraction has: that of its unit."""
_STRING: Final = pa.string()
_DOUBLE_DIGITS: Final = 15
_MINUS, _POINT, _ZERO, _NINE, _SMALL_A = b"-.09a"
_Numbers = np.ndarray[Any, Any]
_NO_BYTES: Final[_Numbers] = np.empty(0, np.uint8)


def _words(*words: str) -> Array:
    return pa.concat_arrays([pa.repeat(scalar(word, _STRING), 1) for word in words])


_TRUE: Final = _words("true", "True", "TRUE")
_FALSE: Final = _words("false", "False", "FALSE")

Cast = Callable[[Array], Array]
"""Casts a column of texts. Raises pa.ArrowInvalid where a single one does not fit."""


def cast_column(texts: Array, column: Column, *, printable: bool) -> tuple[Array, Array | None]:
    """The texts as values of a column, and which texts are no such values.

    Those are NULL among the values; None says that all fit. With `printable` a value fits only
    where its text can be printed from it.
    """
    kind, role = column.type, column.role
    if role == "json":
        return _as_json(texts), None
    if pa.types.is_string(kind):
        if role != "number":
            return texts, None
        return _judged(texts, lambda some: _require(some, _NUMBER), _NUMBER)
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), kind), None
    if is_epoch(role):
        return _epochs(texts, column)
    way = _way(kind, printable=printable)
    if way is None:
        return pa.nulls(len(texts), kind), texts.is_valid()
    cast, form = way
    return _judged(texts, cast, form)


def _way(kind: DataType, *, printable: bool) -> tuple[Cast, str] | None:
    """How texts become values of a type, and what they all look like."""
    if pa.types.is_integer(kind):
        return partial(_integers, kind=kind), _INTEGER
    if pa.types.is_boolean(kind):
        form = _PLAIN_BOOLEAN if printable else _BOOLEAN
        return partial(_booleans, printable=printable), form
    if pa.types.is_floating(kind):
        return partial(_doubles, kind=kind, printable=printable), _NUMBER
    if pa.types.is_decimal(kind):
        return partial(_decimals, kind=kind, printable=printable), _DECIMAL
    if pa.types.is_date(kind):
        return partial(cast_temporal, kind=kind), _DATE
    if pa.types.is_timestamp(kind):
        return partial(_timestamps, kind=kind, printable=printable), _TIMESTAMP
    if pa.types.is_time(kind):
        return partial(cast_temporal, kind=kind), _TIME
    return None


def _judged(texts: Array, cast: Cast, form: str) -> tuple[Array, Array | None]:
    try:
        return cast(texts), None
    except pa.ArrowInvalid:
        pass
    distinct = texts.drop_null().unique()
    formed = distinct.filter(pc.match_substring_regex(distinct, pattern=form))
    fits = pc.is_in(texts, value_set=_fitting(formed, cast))
    kept = pc.if_else(fits, texts, scalar(None, _STRING))
    return cast(kept), pc.and_(texts.is_valid(), pc.invert(fits))


def _fitting(texts: Array, cast: Cast) -> Array:
    """Those of the texts that can be cast: by halves, because few of this form can't."""
    if not len(texts):
        return texts
    try:
        cast(texts)
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return texts[:0]
        half = len(texts) // 2
        return pa.concat_arrays([_fitting(texts[:half], cast), _fitting(texts[half:], cast)])
    return texts


def _integers(texts: Array, kind: DataType) -> Array:
    """Arrow reads 0x1F, 007 and -0 as well, and each of them would be printed otherwise."""
    values = texts.cast(kind)
    if _have_no_idle_zeros(texts):
        return values
    is_zero = pc.starts_with(texts, pattern="0")
    is_long = pc.greater(pc.binary_length(texts), scalar(1, pa.int32()))
    odd = pc.or_(pc.and_(is_zero, is_long), pc.starts_with(texts, pattern="-0"))
    if pc.any(odd, min_count=0).as_py():
        raise pa.ArrowInvalid("a text that says no integer exactly")
    return values


def _have_no_idle_zeros(texts: Array) -> bool:
    """Whether no number begins with a zero that it would lose: read off a byte or two of each.

    Of what NULL hides bytes may be left, for which False is said too often.
    """
    data, starts, sizes = _bytes_of(texts)
    if not len(starts):
        return True
    begins = data.take(starts)
    if ((begins == _ZERO) & (sizes > 1)).any():
        return False
    signed = starts[begins == _MINUS]
    return not (data.take(np.minimum(signed + 1, len(data) - 1)) == _ZERO).any()


def _bytes_of(texts: Array) -> tuple[_Numbers, _Numbers, _Numbers]:
    """The bytes of texts up to the last of them; of each that has any, where it starts, and its
    size."""
    _, offsets, buffer = texts.buffers()
    ends = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset)
    sizes = np.diff(ends)
    starts = ends[:-1]
    if not sizes.all():
        is_text = sizes > 0
        starts, sizes = starts[is_text], sizes[is_text]
    if not len(starts):
        return _NO_BYTES, starts, sizes
    return np.frombuffer(buffer, np.uint8, int(ends[-1])), starts, sizes


def _booleans(texts: Array, *, printable: bool) -> Array:
    """By the words themselves: the regular expression takes four times as long.

    Of small letters Arrow's cast takes true and false alone, a quarter of the time once more.
    """
    data, starts, _ = _bytes_of(texts)
    if len(starts) and data[starts[0] :].min() >= _SMALL_A:
        return texts.cast(pa.bool_())
    count = 1 if printable else len(_TRUE)
    is_true: Array = pc.is_in(texts, value_set=_TRUE[:count])
    is_false: Array = pc.is_in(texts, value_set=_FALSE[:count])
    if is_true.true_count + is_false.true_count + texts.null_count < len(texts):
        raise pa.ArrowInvalid("a text that says no boolean exactly")
    return pc.if_else(texts.is_valid(), is_true, scalar(None, pa.bool_()))


def _doubles(texts: Array, kind: DataType, *, printable: bool) -> Array:
    values = texts.cast(kind)
    if not pc.all(pc.is_finite(values), min_count=0).as_py():
        raise pa.ArrowInvalid("a number that no double holds")
    if not printable and _are_short_numbers(texts):
        return values
    printed = values.cast(_STRING)
    if printable and not pc.all(pc.match_substring(texts, pattern="."), min_count=0).as_py():
        raise pa.ArrowInvalid("an integer among doubles, which print 2 as 2.0")
    if printed.equals(texts):
        return values
    differs = pc.not_equal(printed, texts)
    others = texts.filter(differs)  # 2.0, 1.50, 1e3
    if printable:
        whole = pc.binary_join_element_wise(printed.filter(differs), "0", ".")
        if not whole.equals(others):
            raise pa.ArrowInvalid("a text that its double does not print")
        return values
    _require(others, _NUMBER)
    if changed_doubles(others):
        raise pa.ArrowInvalid("a number that its double changes")
    return values


def _are_short_numbers(texts: Array) -> bool:
    """Whether each text, which is a number, is written as JSON writes one, without an exponent and
    with at most 15 digits, which any double keeps (IEEE 754, DBL_DIG): read off a few bytes."""
    data, starts, sizes = _bytes_of(texts)
    if not len(starts) or sizes.max() > _DOUBLE_DIGITS:
        return False
    if data[starts[0] :].max() > _NINE:
        return False
    is_signed = data.take(starts) == _MINUS
    last = starts + sizes - 1
    first = np.minimum(starts + is_signed, last)  # behind a NULL may stand a minus alone
    begins = data.take(first)
    has_zeros = (
        (begins == _ZERO) & (first < last) & (data.take(np.minimum(first + 1, last)) != _POINT)
    )
    return not (has_zeros | (begins < _ZERO) | (data.take(last) == _POINT)).any()


def _decimals(texts: Array, kind: DataType, *, printable: bool) -> Array:
    if are_plain_decimals(texts, kind):
        values = texts.cast(kind)
    elif printable:
        raise pa.ArrowInvalid("a text that no decimal prints")
    else:
        plain = [text if text is None else decimal_text(text, kind) for text in map(_plain, texts)]
        if plain.count(None) > texts.null_count:
            raise pa.ArrowInvalid("a text that says no decimal of this type")
        values = pa.array(plain, pa.binary()).cast(_STRING).cast(kind)
    if printable and not values.cast(_STRING).equals(texts):
        raise pa.ArrowInvalid("a text that its decimal does not print")
    return values


def _timestamps(texts: Array, kind: DataType, *, printable: bool) -> Array:
    values = cast_temporal(texts, kind)
    if printable and texts.null_count < len(texts):
        # Arrow takes no other text of this length, but for offsets beside Z.
        size = _CLOCK_BYTES[kind.unit] + (kind.tz is not None)
        lengths: Array = pc.binary_length(texts)
        ends: Scalar = pc.min_max(lengths)
        if not (
            ends["min"].as_py() == size == ends["max"].as_py()
            and (kind.tz is None or pc.all(pc.ends_with(texts, pattern="Z"), min_count=0).as_py())
        ):
            raise pa.ArrowInvalid("a text that its timestamp does not print")
    return values


def _epochs(texts: Array, column: Column) -> tuple[Array, Array | None]:
    kind, role = column.type, column.role
    try:
        return instants_of(_integers(texts, pa.int64()), role, kind), None
    except pa.ArrowInvalid:
        counts = [None if text is None else epoch_count(text, role) for text in map(_plain, texts)]
    values = pa.array([None if each is None else int(each) for each in counts], pa.int64())
    return values.cast(kind), pc.and_(texts.is_valid(), values.is_null())


def _require(texts: Array, pattern: str) -> Array:
    if not pc.all(pc.match_substring_regex(texts, pattern=pattern), min_count=0).as_py():
        raise pa.ArrowInvalid("a text that says no value of this type exactly")
    return texts


def _as_json(texts: Array) -> Array:
    """Texts that are JSON as they are, all others as JSON strings."""
    return pa.array([_json_text(text) for text in map(_plain, texts)], _STRING)


def _json_text(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        msgspec.json.decode(text.encode(), type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(text).decode()
    return text


def json_strings(texts: Array, wanted: Array) -> Array:
    """Texts as JSON strings where they are wanted, NULL elsewhere."""
    quoted = [msgspec.json.encode(text).decode() for text in map(_plain, texts.filter(wanted))]
    return pc.replace_with_mask(pa.nulls(len(texts), _STRING), wanted, pa.array(quoted, _STRING))


def _plain(value: Any) -> str | None:
    text: str | None = value.as_py()
    return text
