"""Inference: the type that the values of one column ask for, learnt value by value."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final, final

import pyarrow as pa

from bronze_engine.decode.record import Number
from bronze_engine.model.arrow import DataType, Field

__all__ = ["BIG", "MAX_LEVELS", "PLAIN", "Kind", "Shape", "is_inferred"]

BIG: Final = 2**53
"""Integers past this, in either direction, may have no double of their own."""

MAX_LEVELS: Final = 90
"""Levels that a column may have in Parquet, where a list has two and an object one. Arrow and
what is built on it refuse to open a file with more than 100: the whole file, not the column."""


class Kind(Enum):
    NULL = auto()
    BOOL = auto()
    INT = auto()
    DOUBLE = auto()
    STRING = auto()
    STRUCT = auto()
    LIST = auto()
    EMPTY = auto()
    """The object without keys, as text: what a struct without fields became when settled."""


_ARROW: Final = {
    Kind.NULL: pa.null(),
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.EMPTY: pa.string(),
}
PLAIN: Final = {Kind.BOOL: bool, Kind.INT: int, Kind.DOUBLE: float, Kind.STRING: str}
"""The Python type whose every value a kind holds."""
_KINDS: Final = {bool: Kind.BOOL, int: Kind.INT, float: Kind.DOUBLE, str: Kind.STRING}
_JSON_ROLE: Final[dict[bytes | str, bytes | str]] = {b"bronze.role": b"json"}


def is_inferred(kind: DataType) -> bool:
    """Whether inference may give this type: to others configurations and files give it."""
    if pa.types.is_struct(kind):
        return all(is_inferred(kind.field(place).type) for place in range(kind.num_fields))
    if pa.types.is_list(kind):
        return is_inferred(kind.value_type)
    return kind in _ARROW.values()


@final
class Shape:
    """A type that can still grow: the first value that is not null decides its kind.

    A null may become anything, a struct takes new fields, an int64 becomes double when
    fractions come and all its integers are small enough (never where `is_fixed`).
    """

    __slots__ = (
        "fields",
        "has_big",
        "has_fraction",
        "has_huge",
        "has_inexact",
        "is_fixed",
        "is_too_deep",
        "item",
        "kind",
        "level",
    )

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self.kind = Kind.NULL
        self.fields: dict[str, Shape] = {}
        self.item: Shape | None = None
        self.is_fixed = False
        self.has_big = False
        self.has_fraction = False
        self.has_huge = False
        self.has_inexact = False
        self.is_too_deep = False
        """Has met an object or a list that no level is left for."""

    @classmethod
    def of(cls, kind: DataType, *, is_fixed: bool, has_big: bool = False, level: int = 0) -> Shape:
        """The shape of a column as it stands; `has_big` holds for every int64 within."""
        shape = cls(level)
        shape.is_fixed = is_fixed
        shape.has_big = has_big
        if pa.types.is_struct(kind):
            shape.kind = Kind.STRUCT
            for i in range(kind.num_fields):
                field = kind.field(i)
                shape.fields[field.name] = cls._child(field, is_fixed, has_big, level + 1)
        elif pa.types.is_list(kind):
            shape.kind = Kind.LIST
            shape.item = cls._child(kind.value_field, is_fixed, has_big, level + 2)
        else:
            shape.kind = next(known for known, arrow in _ARROW.items() if arrow == kind)
        return shape

    @classmethod
    def _child(cls, field: Field, is_fixed: bool, has_big: bool, level: int) -> Shape:
        shape = cls.of(field.type, is_fixed=is_fixed, has_big=has_big, level=level)
        if field.metadata and b"bronze.role" in field.metadata:
            shape.kind = Kind.EMPTY
        return shape

    def observe(self, value: Any) -> None:
        """Learn from one value; what does not fit the kind is left aside."""
        if value is None:
            return
        kind = type(value)
        if self.kind is Kind.NULL:
            self._begin(value)
        if kind is int:
            if not -BIG <= value <= BIG:
                self.has_big = True
        elif kind is float:
            self.has_fraction = True
        elif kind is Number:
            if value.double is None:
                self.has_inexact = True
            else:
                self.has_huge = True
        elif kind is dict and self.kind is Kind.STRUCT:
            for key, inner in value.items():
                child = self.fields.get(key)
                if child is None:
                    child = self.fields[key] = Shape(self.level + 1)
                child.observe(inner)
        elif kind is list and self.item is not None:
            for inner in value:
                self.item.observe(inner)

    def _begin(self, value: Any) -> None:
        if type(value) in (dict, list) and self.level + 2 > MAX_LEVELS:
            self.is_too_deep = True
        elif type(value) is dict:
            self.kind = Kind.STRUCT
        elif type(value) is list:
            self.kind = Kind.LIST
            self.item = Shape(self.level + 2)
        else:
            self.kind = _KINDS.get(type(value), Kind.DOUBLE)

    def finish(self) -> None:
        """Decide, after the last value of the group: int64 or double."""
        if self.kind is Kind.INT and self.has_fraction and not (self.has_big or self.is_fixed):
            self.kind = Kind.DOUBLE
        for child in self.fields.values():
            child.finish()
        if self.item is not None:
            self.item.finish()

    def is_beyond_numbers(self) -> bool:
        """Whether no one number type holds all the numbers seen: neither int64 nor double."""
        return self.kind in (Kind.INT, Kind.DOUBLE) and (
            self.has_inexact
            or (self.has_huge and not self.has_fraction)
            or (self.has_big and (self.has_fraction or self.has_huge))
        )

    def fits(self, value: Any) -> bool:
        """Whether a column of this type holds the value exactly."""
        if value is None:
            return True
        kind = type(value)
        match self.kind:
            case Kind.STRING:
                return kind is str
            case Kind.INT:
                return kind is int
            case Kind.DOUBLE:
                return kind is float or _fits_double(value)
            case Kind.BOOL:
                return kind is bool
            case Kind.STRUCT:
                return kind is dict and all(
                    key in self.fields and self.fields[key].fits(inner)
                    for key, inner in value.items()
                )
            case Kind.LIST:
                return kind is list and self.item is not None and all(map(self.item.fits, value))
            case Kind.EMPTY:
                return kind is dict and not value
            case Kind.NULL:
                return False

    def is_any_too_deep(self) -> bool:
        """Whether `is_too_deep` holds at any depth."""
        inner = [*self.fields.values(), *([] if self.item is None else [self.item])]
        return self.is_too_deep or any(shape.is_any_too_deep() for shape in inner)

    def is_any_big(self) -> bool:
        """Whether an integer past 2^53 was seen, at any depth."""
        inner = [*self.fields.values(), *([] if self.item is None else [self.item])]
        return (self.kind is Kind.INT and self.has_big) or any(s.is_any_big() for s in inner)

    def arrow(self) -> DataType:
        if self.kind is Kind.STRUCT:
            return pa.struct([child.field(name) for name, child in self.fields.items()])
        if self.kind is Kind.LIST and self.item is not None:
            return pa.list_(self.item.field("element"))  # Parquet's own name: reads back the same
        return _ARROW[self.kind]

    def field(self, name: str) -> Field:
        metadata = _JSON_ROLE if self.kind is Kind.EMPTY else None
        return pa.field(name, self.arrow(), metadata=metadata)


def _fits_double(value: Any) -> bool:
    if type(value) is int:
        return -BIG <= value <= BIG or Decimal(repr(float(value))) == value
    return type(value) is Number and value.double is not None
