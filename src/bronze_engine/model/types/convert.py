"""Values of one Arrow type as another, each as it was or not at all.

Arrow's own casts refuse what does not fit, with exceptions that are refused here: a double that
becomes the nearest decimal, a decimal that becomes the nearest double, an integer that becomes
true, or an instant, a local time that becomes one of UTC, and a number that as a decimal has more
digits than the bits hold: Arrow (26) keeps the last ones, and makes 1 of the text of 2**128 + 1.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.arrow import Array, DataType
from bronze_engine.model.layout import Role
from bronze_engine.model.types.time_text import is_day_or_instant, time_texts

__all__ = ["are_plain_decimals", "can_convert", "convert"]

_TICKS: Final[dict[Role, tuple[int, DataType]]] = {
    "epoch_s": (1_000_000, pa.timestamp("us")),
    "epoch_ms": (1000, pa.timestamp("us")),
    "epoch_us": (1, pa.timestamp("us")),
    "epoch_ns": (1, pa.timestamp("ns")),
}
"""By how much numbers since 1970 are multiplied, and what they count then."""


def can_convert(given: DataType, wanted: DataType, role: Role = "value") -> bool:
    """Whether there is a way from one type to the other that changes no value that it takes."""
    if isinstance(given, pa.BaseExtensionType):
        given = given.storage_type
    if role in _TICKS:
        return bool(pa.types.is_integer(given))
    if role == "json" and not _is_text(given):
        return False
    try:
        convert(pa.nulls(0, given), wanted)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def convert(array: Array, wanted: DataType, role: Role = "value") -> Array:
    """The array as another type, exactly. Raises pa.ArrowException naming what does not fit."""
    if array.null_count == len(array) > 0:
        return pa.nulls(len(array), wanted)
    if role in _TICKS:
        factor, unit = _TICKS[role]
        ticks = pc.multiply_checked(array.cast(pa.int64()), pa.scalar(factor, pa.int64()))
        return ticks.cast(unit).cast(wanted)
    given = array.type
    if pa.types.is_run_end_encoded(given):
        return convert(pc.call_function("run_end_decode", [array]), wanted)
    if isinstance(given, pa.BaseExtensionType):
        return convert(array.storage, wanted)
    if given == wanted:
        return array
    if _changes_meaning(given, wanted):
        raise pa.ArrowInvalid(f"{given} says something else than {wanted}")
    if pa.types.is_decimal(wanted) and _is_text(given) and not are_plain_decimals(array, wanted):
        raise pa.ArrowInvalid(
            f"texts with an exponent, or of more digits than {wanted} is read from exactly"
        )
    if _is_text(wanted) and is_day_or_instant(given):
        array = time_texts(array)
    found = array.cast(wanted)
    if _may_round(given, wanted) or _may_wrap(given, wanted):
        _check_same(array, found)
    return found


def _changes_meaning(given: DataType, wanted: DataType) -> bool:
    """Whether a number would become a time, a time lose or get a zone, or one kind of time
    become another."""
    if _is_text(given) or _is_text(wanted):
        return False
    one, other = _time(given), _time(wanted)
    if one == other == "timestamp":
        return (given.tz is None) != (wanted.tz is None)
    return one != other


def _time(kind: DataType) -> str | None:
    """Which kind of time a type is; None for none."""
    for name in ("timestamp", "date", "time", "duration"):
        if getattr(pa.types, f"is_{name}")(kind):
            return name
    return None


def _may_round(given: DataType, wanted: DataType) -> bool:
    if pa.types.is_boolean(wanted):
        return not _is_text(given)
    if pa.types.is_floating(given) and pa.types.is_floating(wanted):
        return bool(wanted.bit_width < given.bit_width)
    kinds = pa.types.is_floating, pa.types.is_decimal
    return any(is_one(given) and is_other(wanted) for is_one, is_other in (kinds, kinds[::-1]))


def _may_wrap(given: DataType, wanted: DataType) -> bool:
    """Whether digits are multiplied on the way, which may be too many of them then."""
    if not pa.types.is_decimal(wanted):
        return False
    if pa.types.is_decimal(given):
        return bool(wanted.scale > given.scale)
    return bool(pa.types.is_integer(given) and wanted.scale > 0)


def are_plain_decimals(texts: Array, kind: DataType) -> bool:
    """Whether Arrow (26) may cast these texts to a decimal type: then it takes just those that are
    decimals (tried with all texts of five characters), and loses no digit.

    With an exponent it takes 0e0x1 for a number, and 1e-9999999 ends the process.
    """
    lengths: Array = pc.binary_length(texts)
    longest = pc.max(lengths).as_py() or 0
    if longest > kind.bit_width * 3 // 10 - kind.scale:
        if kind.scale < 0:
            return False
        form = rf"^[+-]?[0-9]{{0,{kind.precision - kind.scale}}}(\.[0-9]{{0,{kind.scale}}})?$"
        return bool(pc.all(pc.match_substring_regex(texts, pattern=form), min_count=0).as_py())
    if pa.types.is_string(texts.type) and _are_below_letters(texts):
        return True
    return not any(
        pc.any(pc.match_substring(texts, pattern=letter), min_count=0).as_py() for letter in "eE"
    )


def _are_below_letters(texts: Array) -> bool:
    """Whether no byte is a letter's: a look at all of them at once takes a tenth of a search."""
    _, offsets, values = texts.buffers()
    if not len(texts) or values is None:
        return True
    ends = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset)
    data = np.frombuffer(values, np.uint8, int(ends[-1]))[int(ends[0]) :]
    return not len(data) or int(data.max()) < ord("A")


def _check_same(before: Array, after: Array) -> None:
    """Raise pa.ArrowInvalid where the way back leads elsewhere."""
    changed = pc.not_equal(after.cast(before.type, safe=False), before)
    if pa.types.is_floating(before.type):  # NaN differs from itself
        changed = pc.and_(changed, pc.invert(pc.is_nan(before)))
    place = pc.index(changed, pa.scalar(True)).as_py()
    if place >= 0:
        raise pa.ArrowInvalid(f"{before[place].as_py()!r} is no {after.type}")


def _is_text(kind: DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
