"""Decimals past 38 digits, for which DuckDB has no type: text that sorts as the numbers do.

    1234.50 as decimal(40, 2)    1 and 123450 with zeros in front, 76 digits in all
    -1234.50                     0 and the nines' complement of those digits

Texts are equal where the numbers are, and the lesser text is the lesser number, whatever the
precision: two scales are made one by `shifted_decimal`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.model.arrow import Array, DataType, scalar
from bronze_engine.silver.database.sql import literal

__all__ = ["as_decimal", "as_text", "ordered_decimal", "plain_decimal", "shifted_decimal"]

_DIGITS: Final = 76
"""Of Arrow's decimal256: each text has as many, after the one for the sign."""
_VALUE_BYTES: Final = 32
"""Of a decimal256: little-endian, two's complement."""
_COMPLEMENT: Final = np.uint8(ord("0") + ord("9"))
_NOTHING: Final = scalar(None, pa.string())
_ZERO: Final = scalar("0", pa.string())
_CARRIED_ZERO: Final = scalar("1" + "0" * _DIGITS, pa.string())
_NUMERALS: Final = literal("0123456789"), literal("9876543210")


def as_text(array: Array) -> Array:
    """A decimal256 array as strings."""
    unscaled: Array = pa.Array.from_buffers(
        pa.decimal256(_DIGITS, 0), len(array), array.buffers(), array.null_count, array.offset
    )
    texts: Array = pc.fill_null(unscaled.cast(pa.string()), _ZERO)  # scale 0: never an exponent
    is_negative = _is_negative(array)
    signed = np.empty((len(array), 1 + _DIGITS), np.uint8)
    signed[:, 0] = np.where(is_negative, ord("0"), ord("1"))
    signed[:, 1:] = _bytes_of(pc.utf8_lpad(pc.utf8_ltrim(texts, "-"), _DIGITS, "0"), _DIGITS)
    signed[is_negative, 1:] = _COMPLEMENT - signed[is_negative, 1:]
    return pc.if_else(array.is_valid(), _texts_of(signed), _NOTHING)


def as_decimal(array: Array, kind: DataType) -> Array:
    """The inverse of `as_text`."""
    signed = _bytes_of(pc.fill_null(array, _CARRIED_ZERO), 1 + _DIGITS).copy()
    is_negative = signed[:, 0] == ord("0")
    signed[is_negative, 1:] = _COMPLEMENT - signed[is_negative, 1:]
    signed[:, 0] = np.where(is_negative, ord("-"), ord("0"))
    texts: Array = pc.if_else(array.is_valid(), _texts_of(signed), _NOTHING)
    unscaled = texts.cast(pa.decimal256(_DIGITS, 0))
    return pa.Array.from_buffers(
        kind, len(array), unscaled.buffers(), unscaled.null_count, unscaled.offset
    )


def _is_negative(array: Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """By the sign bit; `to_numpy` would import pandas wherever it is installed."""
    last = np.frombuffer(array.buffers()[1] or b"", np.int8)[_VALUE_BYTES - 1 :: _VALUE_BYTES]
    return last[array.offset : array.offset + len(array)] < 0


def _bytes_of(texts: Array, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """ASCII texts of one width, one a row."""
    fixed = texts.cast(pa.binary()).cast(pa.binary(width))
    flat = np.frombuffer(fixed.buffers()[1] or b"", np.uint8)
    start = fixed.offset * width
    return flat[start : start + len(texts) * width].reshape(len(texts), width)


def _texts_of(rows: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Array:
    count, width = rows.shape
    fixed = pa.Array.from_buffers(pa.binary(width), count, [None, pa.py_buffer(rows.tobytes())])
    return fixed.cast(pa.binary()).cast(pa.string())


def ordered_decimal(text: str, scale: int, kind: DataType) -> str:
    """SQL of a number's plain text (`-12.50`: `scale` digits after the point, no exponent) as a
    decimal of `kind` is carried."""
    nothing, zero = literal(""), literal("0")
    digits = f"replace(ltrim({text}, {literal('-')}), {literal('.')}, {nothing})"
    if kind.scale > scale:
        digits = f"{digits} || {literal('0' * (kind.scale - scale))}"
    digits = f"ltrim({digits}, {zero})"  # lpad cuts off what is longer: of "0.1" the zero counts
    padded = f"lpad({digits}, {_DIGITS}, {zero})"
    turned = f"translate({padded}, {', '.join(_NUMERALS)})"
    is_negative = f"starts_with({text}, {literal('-')}) AND {digits} <> {nothing}"
    return (
        f"CASE WHEN {is_negative} THEN {zero} || {turned}"
        f" WHEN {text} IS NOT NULL THEN {literal('1')} || {padded} END"
    )


def plain_decimal(expression: str, kind: DataType) -> str:
    """SQL of a carried decimal of `kind` as its plain text, as DuckDB prints a DECIMAL."""
    zero, nothing = literal("0"), literal("")
    digits = f"substr({expression}, 2)"
    turned = f"translate({digits}, {', '.join(_NUMERALS)})"
    is_negative = f"starts_with({expression}, {zero})"
    plain = f"CASE WHEN {is_negative} THEN {turned} ELSE {digits} END"
    whole = f"ltrim(substr({plain}, 1, {_DIGITS - kind.scale}), {zero})"
    whole = f"CASE WHEN {whole} = {nothing} THEN {zero} ELSE {whole} END"
    fraction = f" || {literal('.')} || substr({plain}, {_DIGITS - kind.scale + 1})"
    sign = f"CASE WHEN {is_negative} THEN {literal('-')} ELSE {nothing} END"
    return f"({sign} || {whole}{fraction if kind.scale else ''})"


def shifted_decimal(expression: str, places: int) -> str:
    """A carried decimal with more digits after its point, which those in front have room for."""
    if not places:
        return expression
    fill = (
        f"CASE WHEN starts_with({expression}, {literal('0')})"
        f" THEN {literal('9' * places)} ELSE {literal('0' * places)} END"
    )
    return f"(substr({expression}, 1, 1) || substr({expression}, {2 + places}) || {fill})"
