"""What reads a kind: cells to an Arrow array, and the values that Arrow has no room for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bronze_engine.model.arrow import Array
from bronze_engine.sources.copy_binary.cells import Cells, Mask
from bronze_engine.sources.copy_binary.field import Field

__all__ = ["Column", "Reader"]


class Column(NamedTuple):
    """A column, read."""

    array: Array
    special: Mask | None = None
    """True where a row has a value that the array's type can't hold (NaN in a decimal, an
    infinite date): it is null in the array. None where no row has one."""


class Reader(NamedTuple):
    """How a kind is read. Both functions are pure."""

    read: Callable[[Cells, Field], Column]
    show: Callable[[bytes, Field], str] | None = None
    """The bytes of one special value, as the server prints it; None where each value fits."""
    width: int | None = None
    """Bytes of each value that is not NULL; None where they differ."""
    head_bytes: int = 0
    """What is looked at of every value, where they differ in length: fetched with the length."""
