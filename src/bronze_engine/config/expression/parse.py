"""A condition's text to its tree.

    condition  := and-terms joined by OR;  and-term := NOT-terms joined by AND
    NOT-term   := NOT NOT-term | sum [comparison]
    comparison := (= <> != < <= > >=) sum | IS [NOT] NULL | [NOT] IN (sum, ...)
                | [NOT] BETWEEN sum AND sum | [NOT] LIKE 'text' | [NOT] ILIKE 'text'
    sum        := products joined by + and -;  product := signed joined by * and /
    signed     := - signed | value | (condition)
    value      := 12.50 | 'text' | TRUE | FALSE | NULL | column | "column" | function(sum, ...)

Words of SQL are read in either case; columns are the names that they land as.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, Literal, cast, final, get_args

from bronze_engine.config.expression.tokens import ExpressionFault, Token, tokens
from bronze_engine.config.expression.tree import (
    Arithmetic,
    Call,
    Compare,
    Comparison,
    Constant,
    Function,
    InList,
    IsNull,
    Like,
    Logic,
    Name,
    Negative,
    Node,
    Not,
)
from bronze_engine.model.nearest import nearest

__all__ = ["ExpressionFault", "parse_condition"]

_FUNCTIONS: Final = get_args(Function)
_RESERVED: Final = frozenset(
    ("and", "or", "not", "is", "null", "in", "between", "like", "ilike", "true", "false")
)
_CONSTANTS: Final = {"null": None, "true": True, "false": False}
_COMPARISONS: Final[dict[str, Comparison]] = {
    "=": "=",
    "==": "=",
    "<>": "<>",
    "!=": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
}
_DEEPEST: Final = 60
"""Brackets and signs within one another: the parser and what evaluates the tree go as deep."""
_LONGEST: Final = 500
"""Words in all: a chain of ANDs is a tree as deep as it is long."""


def parse_condition(text: str) -> Node:
    """Read a condition. Raises ExpressionFault, which says what is wrong and where."""
    words = tokens(text)
    if len(words) > _LONGEST:
        raise words[_LONGEST].fault(f"more than {_LONGEST} words; make two rules of it")
    parser = _Parser(words)
    node = parser.condition()
    rest = parser.here
    if rest.kind != "end":
        raise rest.fault("expected AND, OR, or the end")
    if not _is_condition(node):
        raise ExpressionFault("is a value, no condition; compare it with something")
    return node


def _is_condition(node: Node) -> bool:
    """Whether it can be true or false: columns and NULL may be, whatever they turn out to be."""
    match node:
        case Constant(value):
            return value is None or isinstance(value, bool)
        case Negative() | Arithmetic():
            return False
        case Call(function):
            return function == "coalesce"
        case _:
            return True


def _is_value(node: Node) -> bool:
    """Whether it can be calculated or compared with."""
    return not isinstance(node, Compare | Logic | Not | IsNull | InList | Like)


@final
class _Parser:
    def __init__(self, words: list[Token]) -> None:
        self._words = words
        self._at = 0
        self._depth = 0

    @property
    def here(self) -> Token:
        return self._words[self._at]

    def _take(self) -> Token:
        token = self.here
        self._at += 1
        return token

    def _has(self, *words: str) -> bool:
        """Take the next word if it is one of these."""
        token = self.here
        wanted = token.kind in ("word", "sign") and token.text.lower() in words
        self._at += wanted
        return wanted

    def _need(self, word: str) -> None:
        token = self.here
        if not self._has(word):
            raise token.fault(f"expected {word.upper()}")

    def condition(self) -> Node:
        node = self._all_of()
        while self._joins(node, "or"):
            node = Logic("or", node, self._checked(self._all_of))
        return node

    def _all_of(self) -> Node:
        node = self._one()
        while self._joins(node, "and"):
            node = Logic("and", node, self._checked(self._one))
        return node

    def _joins(self, left: Node, word: str) -> bool:
        token = self.here
        if not self._has(word):
            return False
        if not _is_condition(left):
            raise token.fault(f"what stands before {word.upper()} is a value, no condition")
        return True

    def _checked(self, read: Callable[[], Node]) -> Node:
        token = self.here
        node = read()
        if not _is_condition(node):
            raise token.fault("expected a condition, and this is a value")
        return node

    def _one(self) -> Node:
        if self.here.kind == "word" and self.here.text.lower() == "not":
            self._take()
            self._deeper()
            denied = Not(self._checked(self._one))
            self._depth -= 1
            return denied
        token = self.here
        node = self._sum()
        return self._compared(node, token)

    def _compared(self, left: Node, start: Token) -> Node:
        token = self.here
        if token.kind == "sign" and token.text in _COMPARISONS:
            self._value_only(left, start)
            self._take()
            return Compare(_COMPARISONS[token.text], left, self._value())
        if self._has("is"):
            is_not = self._has("not")
            self._need("null")
            node: Node = IsNull(left)
            return Not(node) if is_not else node
        is_not = self._has("not")
        if self._has("in"):
            self._value_only(left, start)
            node = InList(left, self._list())
        elif self._has("between"):
            self._value_only(left, start)
            low = self._value()
            self._need("and")
            node = Logic("and", Compare(">=", left, low), Compare("<=", left, self._value()))
        elif self._has("like", "ilike"):
            self._value_only(left, start)
            ignores_case = self._words[self._at - 1].text.lower() == "ilike"
            pattern = self._take()
            if pattern.kind != "text":
                raise pattern.fault("expected a text in quotes: LIKE 'A%'")
            node = Like(left, pattern.text, ignores_case)
        elif is_not:
            raise self.here.fault("expected IN, BETWEEN, LIKE or ILIKE")
        else:
            return left
        return Not(node) if is_not else node

    def _value_only(self, node: Node, start: Token) -> None:
        if not _is_value(node):
            raise start.fault("a condition can't be compared; join it with AND or OR")

    def _value(self) -> Node:
        token = self.here
        node = self._sum()
        self._value_only(node, token)
        return node

    def _list(self) -> tuple[Node, ...]:
        self._need("(")
        items = [self._value()]
        while self._has(","):
            items.append(self._value())
        self._need(")")
        return tuple(items)

    def _sum(self) -> Node:
        return self._joined(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._joined(("*", "/"), self._signed)

    def _joined(self, signs: tuple[str, ...], read: Callable[[], Node]) -> Node:
        start = self.here
        node = read()
        while self.here.kind == "sign" and self.here.text in signs:
            self._value_only(node, start)
            operator = cast('Literal["+", "-", "*", "/"]', self._take().text)
            token = self.here
            right = read()
            self._value_only(right, token)
            node = Arithmetic(operator, node, right)
        return node

    def _signed(self) -> Node:
        token = self.here
        self._deeper()
        if self._has("-"):
            operand = self._signed()
            self._value_only(operand, token)
            node = _negative(operand)
        elif self._has("("):
            node = self.condition()
            self._need(")")
        else:
            node = self._primary()
        self._depth -= 1
        return node

    def _primary(self) -> Node:
        token = self._take()
        match token.kind:
            case "number":
                return Constant(_number(token.text))
            case "text":
                return Constant(token.text)
            case "name":
                return Name(token.text)
            case "word":
                return self._word(token)
            case _:
                self._at -= token.kind == "end"
                raise token.fault("expected a column, a number, or a 'text'")

    def _word(self, token: Token) -> Node:
        word = token.text.lower()
        if word in _CONSTANTS:
            return Constant(_CONSTANTS[word])
        if word in _RESERVED:
            raise token.fault("expected a column, a number, or a 'text'")
        if word in ("date", "timestamp") and self.here.kind == "text":
            return Constant(self._take().text)
        if self.here.kind != "sign" or self.here.text != "(":
            return Name(token.text)
        if word not in _FUNCTIONS:
            hint = nearest(word, _FUNCTIONS, write=str)
            raise token.fault(f"there is no such function; {hint}")
        arguments = self._list()
        if word != "coalesce" and len(arguments) != 1:
            raise token.fault(f"{word} takes one value")
        return Call(cast("Function", word), arguments)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.here.fault(f"more than {_DEEPEST} brackets and signs within one another")


def _negative(operand: Node) -> Node:
    match operand:
        case Constant(Decimal() as number):
            return Constant(number.copy_negate())  # a minus would round it to 28 digits
        case Constant(int() as number) if not isinstance(number, bool):
            return Constant(-number)
        case _:
            return Negative(operand)


def _number(text: str) -> int | Decimal:
    return int(text) if text.isdigit() else Decimal(text)
