"""Where pieces begin: bounds between the rows of slices, and the conditions that they make.

Every row is in exactly one piece: the first range has no lower end and takes the NULLs, the
last has no upper end, and each begins where the one before it ends. Pure: what the server says
is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, final
from uuid import UUID

import msgspec

from bronze_engine.errors import ConfigError
from bronze_engine.sources.postgres.catalogue import CatalogueColumn

__all__ = ["ALL_ROWS", "Piece", "block_bounds", "by_bounds", "even_bounds", "has_steps"]

ALL_ROWS: Final = "all rows"


@final
class Piece(msgspec.Struct, frozen=True):
    """The rows of one slice."""

    label: str
    condition: str | None = None
    """None for all rows."""


def block_bounds(sizes: Sequence[int], count: int) -> list[int]:
    """The blocks where pieces begin, but for the first, so that the tables together give
    about as many blocks to each."""
    total = sum(sizes)
    bounds: list[int] = []
    for number in range(1, count):
        wanted, low, high = total * number // count, 0, max(sizes, default=0)
        while low < high:
            middle = (low + high) // 2
            if sum(min(size, middle) for size in sizes) < wanted:
                low = middle + 1
            else:
                high = middle
        if low > (bounds[-1] if bounds else 0):
            bounds.append(low)
    return bounds


def by_bounds(
    name: str, bounds: Sequence[str], what: str, *, nulls: bool = False
) -> tuple[Piece, ...]:
    """One piece below the first bound, one from each to the next, one from the last on."""
    if not bounds:
        return (Piece(ALL_ROWS),)
    total = len(bounds) + 1
    pieces: list[Piece] = []
    for number in range(total):
        low = f"{name} >= {bounds[number - 1]}" if number else None
        high = f"{name} < {bounds[number]}" if number < len(bounds) else None
        condition = " AND ".join(each for each in (low, high) if each is not None)
        if nulls and not number:
            condition = f"({condition} OR {name} IS NULL)"
        pieces.append(Piece(f"{number + 1} of {total} by {what}", condition))
    return tuple(pieces)


def has_steps(column: CatalogueColumn) -> bool:
    """Whether `even_bounds` can cut between values of the column's type."""
    return column.type_name in _WITH_STEPS


def even_bounds(column: CatalogueColumn, low: str, high: str, count: int) -> list[str]:
    """Equal steps between two values, both excluded, as the server prints them."""
    read, write = _steps_of(column)
    try:
        first, last = read(low), read(high)
        bounds = [first + (last - first) * number // count for number in range(1, count)]
    except (ValueError, OverflowError, ArithmeticError):
        return []  # infinity, years before the first: one slice holds them all
    return [write(bound) for bound in dict.fromkeys(bounds) if bound > first]


_WITH_STEPS: Final = frozenset(
    {
        *("int2", "int4", "int8", "oid", "xid8", "numeric"),
        *("date", "timestamp", "timestamptz", "uuid"),
    }
)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # steps of naive ones, too
_MICROSECOND: Final = timedelta(microseconds=1)


def _steps_of(column: CatalogueColumn) -> tuple[Any, Any]:
    """How values of a type become whole numbers, and these values again."""
    match column.type_name:
        case "int2" | "int4" | "int8" | "oid" | "xid8":
            return int, str
        case "numeric":
            return (lambda text: int(Decimal(text).to_integral_value())), str
        case "date":
            return (lambda text: date.fromisoformat(text).toordinal()), (
                lambda number: date.fromordinal(number).isoformat()
            )
        case "timestamp" | "timestamptz":
            return _microseconds, _instant
        case "uuid":
            return (lambda text: UUID(text).int), (lambda number: str(UUID(int=number)))
        case _:
            raise ConfigError(
                f"source.partition_column {column.name!r} is of the type {column.source_type}, and"
                " there are no statistics to cut it by; run ANALYZE on the table, or take a column"
                " of integers, numbers, dates, timestamps or UUIDs"
            )


def _microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=None) - _EPOCH) // _MICROSECOND  # the session's zone is UTC


def _instant(number: int) -> str:
    return f"{_EPOCH + number * _MICROSECOND}"
