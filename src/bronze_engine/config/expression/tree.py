"""A condition, read: what its text says, before there is a column to look at."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import msgspec

__all__ = [
    "Arithmetic",
    "Call",
    "Compare",
    "Comparison",
    "Constant",
    "Function",
    "InList",
    "IsNull",
    "Like",
    "Logic",
    "Name",
    "Negative",
    "Node",
    "Not",
    "children_of",
    "names_in",
]

Comparison = Literal["=", "<>", "<", "<=", ">", ">="]
Function = Literal["abs", "coalesce", "length", "lower", "trim", "upper"]


class Constant(msgspec.Struct, frozen=True):
    """A number to its last digit, a text, true, false, or NULL."""

    value: int | Decimal | str | bool | None


class Name(msgspec.Struct, frozen=True):
    """A column, by the name that it lands as."""

    name: str


class Negative(msgspec.Struct, frozen=True):
    operand: Node


class Arithmetic(msgspec.Struct, frozen=True):
    operator: Literal["+", "-", "*", "/"]
    left: Node
    right: Node


class Compare(msgspec.Struct, frozen=True):
    operator: Comparison
    left: Node
    right: Node


class Logic(msgspec.Struct, frozen=True):
    operator: Literal["and", "or"]
    left: Node
    right: Node


class Not(msgspec.Struct, frozen=True):
    operand: Node


class IsNull(msgspec.Struct, frozen=True):
    operand: Node


class InList(msgspec.Struct, frozen=True):
    operand: Node
    items: tuple[Node, ...]


class Like(msgspec.Struct, frozen=True):
    """`%` is any text, `_` any character, and a backslash makes the next one mean itself."""

    operand: Node
    pattern: str
    ignores_case: bool


class Call(msgspec.Struct, frozen=True):
    function: Function
    arguments: tuple[Node, ...]


Node = (
    Constant | Name | Negative | Arithmetic | Compare | Logic | Not | IsNull | InList | Like | Call
)


def children_of(node: Node) -> tuple[Node, ...]:
    """The nodes right below one."""
    match node:
        case Constant() | Name():
            return ()
        case Negative(operand) | Not(operand) | IsNull(operand) | Like(operand):
            return (operand,)
        case InList(operand, items):
            return (operand, *items)
        case Call(_, arguments):
            return arguments
        case Arithmetic(_, left, right) | Compare(_, left, right) | Logic(_, left, right):
            return (left, right)


def names_in(node: Node) -> Iterator[str]:
    """The columns that a condition speaks of, in the order of its text; some more than once."""
    if isinstance(node, Name):
        yield node.name
    for child in children_of(node):
        yield from names_in(child)
