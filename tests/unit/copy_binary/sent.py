"""Rows as COPY BINARY sends them, written field by field: what the decoder's tests compare with."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext

__all__ = ["TRAILER", "Row", "numeric", "row", "rows"]

TRAILER = b"\xff\xff"

Row = Sequence[bytes | None]

_BASE = 10_000
_SPECIAL = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}


def row(values: Row) -> bytes:
    """One row of values as the types' send functions write them; None is NULL."""
    sent = [struct.pack("!h", len(values))]
    for value in values:
        sent.append(struct.pack("!i", -1 if value is None else len(value)))
        sent.append(value or b"")
    return b"".join(sent)


def rows(table: Iterable[Row]) -> bytes:
    return b"".join(map(row, table))


def numeric(value: Decimal, places: int | None = None, *, zeros: tuple[int, int] = (0, 0)) -> bytes:
    """As numeric_send writes it, with so many decimal places to display.

    `zeros` adds digits of zero in front and behind, which PostgreSQL leaves out.
    """
    if not value.is_finite():
        return struct.pack("!hhHH", 0, 0, _SPECIAL[str(value)], 0)
    shown = max(0, -value.as_tuple().exponent) if places is None else places  # type: ignore[operator]  # finite
    fraction = -(-shown // 4)
    with localcontext() as context:
        context.prec = 1000
        rest = int(abs(value).scaleb(4 * fraction))
    digits: list[int] = []
    while rest:
        rest, digit = divmod(rest, _BASE)
        digits.insert(0, digit)
    weight = len(digits) - fraction - 1
    while digits and not digits[-1]:
        digits.pop()
    if not digits:
        weight = 0
    sign = 0x4000 if value < 0 and digits else 0
    digits = [0] * zeros[0] + digits + [0] * zeros[1]
    head = (len(digits), weight + zeros[0], sign, shown)
    return struct.pack(f"!hhHH{len(digits)}H", *head, *digits)
