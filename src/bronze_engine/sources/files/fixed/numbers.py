"""Numbers as COBOL writes them, written plainly: "0012345" with two decimals is 123.45."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.files.fixed import Sign
from bronze_engine.model.arrow import Array, scalar
from bronze_engine.sources.copy_binary.buffers import wrapped

__all__ = ["plain_numbers"]

_STRING: Final = pa.string()
_POSITIVE: Final = "{ABCDEFGHI"
_NEGATIVE: Final = "}JKLMNOPQR"
_NEGATIVE_ASCII: Final = "pqrstuvwxy"
"""As compilers on ASCII machines write negative zoned digits: 0x70 to 0x79."""


def _characters(text: str) -> Array:
    """ASCII characters as a column, without `pa.array`, which would import pandas."""
    offsets = np.arange(len(text) + 1, dtype=np.int32)
    buffers = [None, wrapped(offsets), pa.py_buffer(text.encode())]
    return pa.Array.from_buffers(_STRING, len(text), buffers)


_ZONED: Final = _characters(_POSITIVE + _NEGATIVE + _NEGATIVE_ASCII)
_DIGITS: Final = _characters(3 * "0123456789")


def plain_numbers(texts: Array, scale: int, sign: Sign | None) -> Array:
    """Digits and their sign as a number with a point; what is no such number stays as it is."""
    digits, is_negative = _signed(texts, sign)
    is_number: Array = pc.ascii_is_decimal(digits)
    is_number = pc.fill_null(is_number, False)
    digits = pc.if_else(is_number, digits, scalar("0", _STRING))
    bare = pc.ascii_ltrim(digits, characters="0")
    is_zero = pc.equal(bare, scalar("", _STRING))
    whole = pc.ascii_lpad(bare, width=scale + 1, padding="0")
    if scale:
        whole = pc.binary_join_element_wise(
            pc.utf8_slice_codeunits(whole, 0, -scale),
            pc.utf8_slice_codeunits(whole, -scale, None),
            ".",
        )
    minus = pc.and_(is_negative, pc.invert(is_zero))
    plain = pc.if_else(minus, pc.binary_join_element_wise("-", whole, ""), whole)
    return pc.if_else(is_number, plain, texts)


def _signed(texts: Array, sign: Sign | None) -> tuple[Array, Array]:
    """The digits alone, and which are negative."""
    if sign == "trailing":
        return _trailing(texts)
    if sign == "overpunch":
        return _overpunched(texts)
    is_negative = pc.starts_with(texts, "-")
    has_sign = pc.or_(is_negative, pc.starts_with(texts, "+"))
    return pc.if_else(has_sign, pc.utf8_slice_codeunits(texts, 1), texts), is_negative


def _trailing(texts: Array) -> tuple[Array, Array]:
    is_negative = pc.ends_with(texts, "-")
    has_sign = pc.or_(is_negative, pc.ends_with(texts, "+"))
    bare = pc.utf8_slice_codeunits(texts, 0, -1)
    return pc.ascii_rtrim(pc.if_else(has_sign, bare, texts), characters=" "), is_negative


def _overpunched(texts: Array) -> tuple[Array, Array]:
    last = pc.utf8_slice_codeunits(texts, -1, None)
    place = pc.index_in(last, value_set=_ZONED)
    digit = _DIGITS.take(place)
    is_zoned = pc.is_valid(place)
    bare = pc.binary_join_element_wise(pc.utf8_slice_codeunits(texts, 0, -1), digit, "")
    is_negative = pc.fill_null(pc.greater_equal(place, scalar(10, pa.int32())), False)
    return pc.if_else(is_zoned, bare, texts), is_negative
