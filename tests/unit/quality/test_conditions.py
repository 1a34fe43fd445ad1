"""Conditions of SQL: what stands in the text is what is judged, in three-valued logic."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.expression.parse import ExpressionFault, parse_condition
from bronze_engine.quality.conditions.constants import Unfit
from bronze_engine.quality.conditions.evaluate import truth_of

pytestmark = pytest.mark.unit

BATCH = pa.RecordBatch.from_pydict(
    {
        "n": pa.array([1, -2, None, 2**62], pa.int64()),
        "d": pa.array([Decimal("1.10"), Decimal("-2.00"), None, Decimal("0.05")]),
        "f": pa.array([1.5, float("nan"), None, -0.0]),
        "t": pa.array(["paid", "VOID", None, "a%b"]),
        "b": pa.array([True, False, None, True]),
        "at": pa.array(
            [0, 1_735_689_600_000_000, None, 1], pa.timestamp("us", "UTC")
        ),
        "select all": pa.array([1, 2, 3, None]),
    }
)  # fmt: skip


def truth(text: str, batch: pa.RecordBatch = BATCH) -> list[bool | None]:
    found: list[bool | None] = truth_of(parse_condition(text), batch).to_pylist()
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("n >= 0", [True, False, None, True]),
        ("n >= 0 and t <> 'VOID'", [True, False, None, True]),
        ("n > 0 or t is null", [True, False, True, True]),
        ("NOT (n = 1)", [False, True, None, True]),
        ("n is not null", [True, True, False, True]),
        ("n + 1 = 2", [True, False, None, False]),
        ("n < 1e30", [True, True, None, True]),
        ("d = 1.1", [True, False, None, False]),
        ("d >= 0.045", [True, False, None, True]),
        ("-d = 2", [False, True, None, False]),
        ("d * 2 = 2.2", [True, False, None, False]),
        ("n / 2 = 0.5", [True, False, None, False]),
        ("f = f", [True, False, None, True]),
        ("f = 0", [False, False, None, True]),
        ("t in ('paid', 'x')", [True, False, None, False]),
        ("t not in ('paid', null)", [False, None, None, None]),
        ("t like 'pa%'", [True, False, None, False]),
        ("t like '%\\%%'", [False, False, None, True]),
        ("t ilike 'vo_d'", [False, True, None, False]),
        ("lower(t) = 'void'", [False, True, None, False]),
        ("length(t) between 4 and 5", [True, True, None, False]),
        ("abs(n) = 2", [False, True, None, False]),
        ("coalesce(n, 0) = 0", [False, False, True, False]),
        ("trim(t) = t", [True, True, None, True]),
        ("b", [True, False, None, True]),
        ("not b", [False, True, None, False]),
        ("b = false", [False, True, None, False]),
        ("at < '2025-01-01'", [True, False, None, True]),
        ("at = timestamp '2025-01-01T01:00:00+01:00'", [False, True, None, False]),
        ('"select all" = 2', [False, True, False, None]),
        ("1 < n", [False, False, None, True]),
        ("n = null", [None, None, None, None]),
        ("absent = 1", [None, None, None, None]),
        ("absent is null", [True, True, True, True]),
        ("1 = 1", [True, True, True, True]),
        ("n = d", [False, True, None, False]),
        ("null", [None, None, None, None]),
    ],
)
def test_what_it_says(text: str, wanted: list[bool | None]) -> None:
    assert truth(text) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected a column, a number, or a 'text' (at character 1: the end)"),
        ("n >", "expected a column, a number, or a 'text' (at character 4: the end)"),
        ("n > > 1", "(at character 5: >)"),
        ("(n = 1", "expected ) (at character 7: the end)"),
        ("n = 1 n", "expected AND, OR, or the end (at character 7: n)"),
        ("n = 'x", "a quote without its end (at character 5: 'x)"),
        ("n ; 1", "no such sign (at character 3: ; 1)"),
        ("n + 1", "is a value, no condition"),
        ("n = 1 and 2", "expected a condition, and this is a value (at character 11: 2)"),
        ("1 and b", "what stands before AND is a value"),
        ("(n = 1) = b", "a condition can't be compared"),
        ("lenght(t) = 1", "did you mean length? (at character 1: lenght)"),
        ("lower(t, t) = 'x'", "lower takes one value"),
        ("t like n", "expected a text in quotes"),
        ("n not 5", "expected IN, BETWEEN, LIKE or ILIKE (at character 7: 5)"),
        ("(" * 70 + "b", "more than 60 brackets"),
        (" or ".join(["b"] * 300), "more than 500 words"),
    ],
)
def test_what_is_no_condition(text: str, reason: str) -> None:
    with pytest.raises(ExpressionFault) as caught:
        parse_condition(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["t = 1", "n = 'x'", "b = 1", "at = 'soon'", "t + 1 = 2", "n"])
def test_what_no_column_of_that_type_can_be_asked(text: str) -> None:
    with pytest.raises(Unfit):
        truth(text)


def test_a_date_without_quotes_is_told_to_have_some() -> None:
    with pytest.raises(Unfit, match="texts and dates are written in quotes"):
        truth("at = 2025-01-15")


def test_sums_past_64_bits_are_told_and_not_wrapped() -> None:
    with pytest.raises(Unfit, match="overflow"):
        truth("n + n > 0")


# A condition over two columns, as its text and as what Python says of a row.
Row = dict[str, Any]
NUMBERS = st.integers(-3, 3)
COMPARISONS: dict[str, Any] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
}


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _judge(node: tuple[Any, ...], row: Row) -> bool | None:
    match node:
        case ("cmp", name, operator, number):
            value = row[name]
            return None if value is None else COMPARISONS[operator](value, number)
        case ("null", name):
            return row[name] is None
        case ("in", name, members):
            return None if row[name] is None else row[name] in members
        case ("not", inner):
            return _not(_judge(inner, row))
        case ("and", left, right):
            return _and(_judge(left, row), _judge(right, row))
        case ("or", left, right):
            return _not(_and(_not(_judge(left, row)), _not(_judge(right, row))))
    raise AssertionError(node)


def _text(node: tuple[Any, ...]) -> str:
    match node:
        case ("cmp", name, operator, number):
            return f"{name} {operator} {number}"
        case ("null", name):
            return f"{name} IS NULL"
        case ("in", name, members):
            return f"{name} in ({', '.join(map(str, members))})"
        case ("not", inner):
            return f"not ({_text(inner)})"
        case (word, left, right):
            return f"({_text(left)}) {word} ({_text(right)})"
    raise AssertionError(node)


NAMES = st.sampled_from(["a", "b"])
LEAVES = (
    st.tuples(st.just("cmp"), NAMES, st.sampled_from(sorted(COMPARISONS)), NUMBERS)
    | st.tuples(st.just("null"), NAMES)
    | st.tuples(st.just("in"), NAMES, st.lists(NUMBERS, min_size=1, max_size=3))
)
NODES = st.recursive(
    LEAVES,
    lambda inner: (
        st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner)
    ),
    max_leaves=8,
)
ROWS = st.lists(st.tuples(st.none() | NUMBERS, st.none() | NUMBERS), max_size=10)


@settings(max_examples=200, deadline=None)
@given(NODES, ROWS)
def test_any_condition_is_what_python_says_of_each_row(
    node: tuple[Any, ...], rows: list[tuple[int | None, int | None]]
) -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "a": pa.array([a for a, _ in rows], pa.int64()),
            "b": pa.array(
                [None if b is None else Decimal(b) for _, b in rows], pa.decimal128(5, 2)
            ),
        }
    )
    assert truth(_text(node), batch) == [_judge(node, {"a": a, "b": b}) for a, b in rows]
