"""Decimal digits to the words of Arrow's decimals, whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from bronze_engine.sources.copy_binary.cells import Mask, Words

__all__ = ["Step", "write_words"]

_WORD_DIGITS: Final = 18
"""Decimal digits that a signed word of 64 bits has room for."""

_LIMB_DIGITS: Final = 8
"""10**8 times a limb of 32 bits, and a carry, fit into a word."""

_LIMB_BITS: Final = np.uint64(32)
_LIMB: Final = np.uint64(2**32 - 1)


class Step(NamedTuple):
    """The next digits of each row's value, below those before."""

    digits: Words | None
    """int64, less than 10**size; None where all are zero."""
    size: int
    """Decimal digits that they take."""


def write_words(values: Words, steps: Sequence[Step], is_negative: Mask | None) -> None:
    """Write the value that each row's digits make, and its sign, into `values`.

    `values` has a row for each of 2 or 4 words of 64 bits, the least first, two's complement.
    """
    rows = len(values)
    first, rest = _word(steps, rows, _WORD_DIGITS)
    if not rest:
        if is_negative is not None:
            np.negative(first, out=first, where=is_negative)
        values[:, 0] = first
        values[:, 1:] = 0 if is_negative is None else (first >> 63)[:, np.newaxis]
        return
    limbs = [first.view(np.uint64) & _LIMB, first.view(np.uint64) >> _LIMB_BITS]
    while rest:
        size = _digits_of(rest, _LIMB_DIGITS)
        carried, rest = _word(rest, rows, _LIMB_DIGITS)
        carry = carried.view(np.uint64)
        for at, limb in enumerate(limbs):
            product = limb * np.uint64(10**size)
            product += carry
            carry = product >> _LIMB_BITS
            limbs[at] = product & _LIMB
        if len(limbs) < 2 * values.shape[1]:
            limbs.append(carry)
    words = values.view(np.uint64)
    limbs.extend(np.zeros(rows, np.uint64) for _ in range(2 * words.shape[1] - len(limbs)))
    for at in range(words.shape[1]):
        words[:, at] = limbs[2 * at] | (limbs[2 * at + 1] << _LIMB_BITS)
    if is_negative is not None:
        _negate(words, is_negative)


def _digits_of(steps: Sequence[Step], most: int) -> int:
    size = 0
    for step in steps:
        if size + step.size > most:
            break
        size += step.size
    return size


def _word(steps: Sequence[Step], rows: int, most: int) -> tuple[Words, Sequence[Step]]:
    """The number that as many of the first digits make as fit, and the other steps."""
    word: Words | None = None
    size = 0
    for at, step in enumerate(steps):
        if size + step.size > most:
            return np.zeros(rows, np.int64) if word is None else word, steps[at:]
        size += step.size
        if word is None:
            word = step.digits
            continue
        word *= 10**step.size
        if step.digits is not None:
            word += step.digits
    return np.zeros(rows, np.int64) if word is None else word, ()


def _negate(words: Words, is_negative: Mask) -> None:
    """Negate the rows where it says so: all bits turned round, and one added."""
    carry = is_negative
    for at in range(words.shape[1]):
        word = np.where(is_negative, ~words[:, at], words[:, at])
        word += carry
        carry = carry & (word == 0)
        words[:, at] = word
