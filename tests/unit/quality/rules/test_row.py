"""What a rule says of a column is what plain Python says of its values, one by one."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.quality_rule import (
    InSetRule,
    LengthRule,
    NotNullRule,
    QualityRule,
    RangeRule,
    RegexRule,
    TextType,
    TypeRule,
)
from bronze_engine.errors import QualityError
from bronze_engine.model.layout import Column
from bronze_engine.quality.rules.row import RowByRow

pytestmark = pytest.mark.unit


def broken(rule: QualityRule, **columns: Any) -> list[bool]:
    """Which rows the rule says are wrong."""
    batch = pa.RecordBatch.from_pydict(columns)
    judge = RowByRow(rule)  # type: ignore[arg-type]  # rules about rows alone are given
    mask = judge.observe(batch)
    found = (
        [False] * batch.num_rows if mask is None else [each is True for each in mask.to_pylist()]
    )
    result = judge.finish()
    assert (result.checked, result.failed) == (batch.num_rows, sum(found))
    return found


def expected(values: Sequence[Any], is_right: Callable[[Any], bool]) -> list[bool]:
    return [value is not None and not is_right(value) for value in values]


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, max_size=20)


_FIRST = datetime(1900, 1, 1)  # noqa: DTZ001  # Hypothesis wants it naive
_LAST = datetime(2200, 1, 1)  # noqa: DTZ001
INT64 = st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1)
DECIMAL = st.decimals(-9999, 9999, places=2)
BOUND = st.integers(-6, 6) | st.integers(-(2**65), 2**65) | st.sampled_from([0.5, -1.25, 0.005])


def exact(bound: Any) -> Decimal:
    return Decimal(repr(bound)) if isinstance(bound, float) else Decimal(bound)


@settings(max_examples=150, deadline=None)
@given(optional(INT64), BOUND, BOUND)
def test_ranges_of_integers_are_exact(values: list[int | None], low: Any, high: Any) -> None:
    rule = RangeRule(column="n", min=low, max=high)
    found = broken(rule, n=pa.array(values, pa.int64()))
    assert found == expected(values, lambda value: exact(low) <= value <= exact(high))


@settings(max_examples=150, deadline=None)
@given(optional(DECIMAL), BOUND, st.sampled_from(["min", "max"]))
def test_ranges_of_decimals_are_exact(values: list[Any], bound: Any, side: str) -> None:
    rule = RangeRule(column="n", **{side: bound})
    found = broken(rule, n=pa.array(values, pa.decimal128(6, 2)))
    limit = exact(bound)
    assert found == expected(values, lambda v: v >= limit if side == "min" else v <= limit)


@settings(max_examples=100, deadline=None)
@given(optional(st.floats(width=64)))
def test_nan_is_in_no_range(values: list[float | None]) -> None:
    found = broken(RangeRule(column="n", min=-1.5, max=2), n=pa.array(values, pa.float64()))
    assert found == expected(values, lambda v: not math.isnan(v) and -1.5 <= v <= 2)


@settings(max_examples=100, deadline=None)
@given(optional(st.datetimes(_FIRST, _LAST)))
def test_ranges_of_instants_know_their_offsets(values: list[datetime | None]) -> None:
    moments = [None if v is None else v.replace(tzinfo=UTC) for v in values]
    rule = RangeRule(column="at", min="2025-01-01T02:00:00+02:00", max="2030-06-01")
    found = broken(rule, at=pa.array(moments, pa.timestamp("us", "UTC")))
    first, last = datetime(2025, 1, 1, tzinfo=UTC), datetime(2030, 6, 1, tzinfo=UTC)
    assert found == expected(moments, lambda value: first <= value <= last)


@settings(max_examples=60, deadline=None)
@given(optional(st.dates(date(1900, 1, 1), date(2200, 1, 1))))
def test_ranges_of_dates(values: list[date | None]) -> None:
    found = broken(RangeRule(column="d", max="2025-02-28"), d=pa.array(values, pa.date32()))
    assert found == expected(values, lambda value: value <= date(2025, 2, 28))


@settings(max_examples=100, deadline=None)
@given(optional(st.text("aé\n🎈", max_size=4)), st.integers(0, 3), st.integers(0, 3))
def test_a_length_is_that_of_characters(values: list[str | None], low: int, high: int) -> None:
    found = broken(LengthRule(column="t", min=low, max=high), t=pa.array(values, pa.string()))
    assert found == expected(values, lambda value: low <= len(value) <= high)


def test_a_length_of_bytes_and_of_lists() -> None:
    rule = LengthRule(column="t", min=2)
    assert broken(rule, t=pa.array([b"\xff", b"\xff\xfe", None])) == [True, False, False]
    assert broken(rule, t=pa.array([[1], [1, None], None])) == [True, False, False]


@settings(max_examples=100, deadline=None)
@given(optional(INT64), st.lists(BOUND, min_size=1, max_size=4))
def test_a_set_of_numbers(values: list[int | None], members: list[Any]) -> None:
    found = broken(InSetRule(column="n", values=tuple(members)), n=pa.array(values, pa.int64()))
    wanted = {exact(member) for member in members}
    assert found == expected(values, lambda value: Decimal(value) in wanted)


@settings(max_examples=100, deadline=None)
@given(optional(st.text("ab é", max_size=2)), st.lists(st.text("ab é", max_size=2), min_size=1))
def test_a_set_of_texts(values: list[str | None], members: list[str]) -> None:
    found = broken(InSetRule(column="t", values=tuple(members)), t=pa.array(values, pa.string()))
    assert found == expected(values, lambda value: value in members)


@settings(max_examples=100, deadline=None)
@given(optional(st.text("ab1\n", max_size=4)))
def test_a_pattern_is_found_anywhere(values: list[str | None]) -> None:
    found = broken(RegexRule(column="t", pattern="a[0-9]"), t=pa.array(values, pa.string()))
    assert found == expected(values, lambda value: re.search("a[0-9]", value) is not None)


@settings(max_examples=100, deadline=None)
@given(optional(INT64), optional(st.text(max_size=2)))
def test_not_null_is_of_any_column(left: list[Any], right: list[Any]) -> None:
    count = min(len(left), len(right))
    left, right = left[:count], right[:count]
    rule = NotNullRule(columns=("a", "b"))
    found = broken(rule, a=pa.array(left, pa.int64()), b=pa.array(right, pa.string()))
    assert found == [a is None or b is None for a, b in zip(left, right, strict=True)]


def _parses(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def is_right(text: str) -> bool:
        try:
            read(text)
        except (ValueError, TypeError, ArithmeticError):
            return False
        return True

    return is_right


ORACLES: dict[TextType, Callable[[str], bool]] = {
    "integer": lambda t: re.fullmatch(r"[+-]?[0-9]+", t) is not None and _parses(int)(t),
    "decimal": lambda t: "e" not in t.lower() and t.isascii() and "_" not in t and t == t.strip()
    and _parses(Decimal)(t) and Decimal(t).is_finite(),
    "date": lambda t: re.fullmatch(r"\d{4}-\d\d-\d\d", t, re.ASCII) is not None
    and _parses(date.fromisoformat)(t),
    "uuid": lambda t: re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", t)
    is not None and _parses(uuid.UUID)(t),
    "json": _parses(msgspec.json.decode),
}  # fmt: skip
NEAR = {
    "integer": st.from_regex(r"[+-]?[0-9]{0,30}\.?", fullmatch=True),
    "decimal": st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}(e1)?", fullmatch=True),
    "date": st.from_regex(r"(0000|19[0-9]{2}|2[0-4]00|2024)-[0-2][0-9]-[0-3][0-9]", fullmatch=True),
    "uuid": st.uuids().map(str) | st.from_regex(r"[0-9a-g]{8}-([0-9a-f]{4}-){3}[0-9a-f]{11,12}"),
    "json": st.sampled_from(['{"a":1}', "[1,", "1", "NaN", '"x"', "{'a':1}", ""]),
}


@pytest.mark.parametrize("kind", ORACLES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_texts_that_are_written_as_a_type(kind: TextType, data: st.DataObject) -> None:
    values = data.draw(optional(NEAR[kind] | st.text(max_size=5)))
    found = broken(TypeRule(column="t", type=kind), t=pa.array(values, pa.string()))
    assert found == expected(values, ORACLES[kind])


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("boolean", ["true", "FALSE"], ["1", "yes", " true"]),
        ("time", ["23:59", "23:59:59.123456789"], ["24:00", "23:60:00", "1:00"]),
        (
            "timestamp",
            ["2024-02-29T23:59:59.5Z", "2025-01-01 00:00:00", "2025-01-01T00:00:00+05:30"],
            ["2025-02-29T00:00:00Z", "2025-01-01", "2025-01-01T25:00:00Z", "2025-01-01T00:00:00+1"],
        ),
        (
            "email",
            ["a@b.example", "ü.x+y@mail.example.org"],
            ["a@b", "a b@c.de", "@c.de", "a@-c.de"],
        ),
        ("url", ["https://a.example/x?y#z", "HTTP://localhost:1"], ["ftp://a", "https://", "a.de"]),
    ],
)
def test_types_by_example(kind: TextType, right: list[str], wrong: list[str]) -> None:
    found = broken(TypeRule(column="t", type=kind), t=pa.array([*right, *wrong]))
    assert found == [False] * len(right) + [True] * len(wrong)


def test_a_column_that_lands_as_the_type_is_right_by_itself() -> None:
    assert broken(TypeRule(column="n", type="integer"), n=pa.array([1, None])) == [False, False]
    with pytest.raises(QualityError, match="type is a rule for texts"):
        broken(TypeRule(column="n", type="uuid"), n=pa.array([1]))


@settings(max_examples=60, deadline=None)
@given(optional(INT64), optional(st.booleans()))
def test_only_rows_for_which_where_is_true_are_looked_at(
    values: list[Any], flags: list[Any]
) -> None:
    count = min(len(values), len(flags))
    judge = RowByRow(RangeRule(column="n", min=0, where="f"))
    batch = pa.RecordBatch.from_pydict(
        {"n": pa.array(values[:count], pa.int64()), "f": pa.array(flags[:count], pa.bool_())}
    )
    mask = judge.observe(batch)
    pairs = list(zip(values[:count], flags[:count], strict=True))
    wanted = [flag is True and value is not None and value < 0 for value, flag in pairs]
    assert ([False] * count if mask is None else mask.to_pylist()) == wanted
    assert judge.finish().checked == [flag for _, flag in pairs].count(True)


@settings(max_examples=60, deadline=None)
@given(optional(st.integers(-3, 3)), st.lists(st.integers(0, 20), max_size=4))
def test_any_split_over_slices_gives_the_same_result(values: list[Any], cuts: list[int]) -> None:
    rule = RangeRule(column="n", min=0)
    whole = pa.RecordBatch.from_pydict({"n": pa.array(values, pa.int64())})
    one = RowByRow(rule)
    one.observe(whole)
    merged = RowByRow(rule)
    ends = sorted({min(cut, len(values)) for cut in cuts} | {0, len(values)})
    for start, end in pairwise(ends):
        part = RowByRow(rule)
        part.observe(whole.slice(start, end - start))
        merged.merge(part.state())
    assert merged.finish() == one.finish()


def test_a_dictionary_is_a_column_like_any_other() -> None:
    column = pa.array(["a", "b", None]).dictionary_encode()
    assert broken(InSetRule(column="t", values=("a",)), t=column) == [False, True, False]


def test_a_column_that_is_not_there_is_null() -> None:
    assert broken(RangeRule(column="x", min=0), n=pa.array([1])) == [False]
    assert broken(NotNullRule(column="x"), n=pa.array([1])) == [True]


@pytest.mark.parametrize(
    "rule",
    [
        RangeRule(column="v", max=100),
        InSetRule(column="v", values=(5,)),
        TypeRule(column="v", type="integer"),
    ],
)
def test_what_did_not_fit_its_column_breaks_a_rule_about_its_values(rule: Any) -> None:
    """It is NULL there, and nobody can say that 1000000.5 of an integer is at most 100."""
    beside = Column(name="v__variant", type=pa.string(), key=None, role="variant", of="v")
    schema = pa.schema([pa.field("v", pa.int64()), beside.field()])
    values, texts = [5, None, None], [None, "1000000.5", None]
    batch = pa.RecordBatch.from_arrays([pa.array(values), pa.array(texts)], schema=schema)
    judge = RowByRow(rule)
    mask = judge.observe(batch)
    assert mask is not None
    assert mask.to_pylist() == [False, True, False]
    assert judge.finish().examples == ("1000000.5",)
    assert judge.observe(batch.slice(2)) is None


def test_zeros_are_in_a_set_whatever_their_sign() -> None:
    values = pa.array([-0.0, 0.0, 1.5, None])
    assert broken(InSetRule(column="v", values=(0,)), v=values) == [False, False, True, False]
    assert broken(InSetRule(column="v", values=(-0.0,)), v=values) == [False, False, True, False]


def test_a_bound_of_floats_is_the_float_next_to_it() -> None:
    """As the double 0.1 it is less than the float 0.1, which a real of PostgreSQL has."""
    values = pa.array([0.1, 0.2, float("nan"), None], pa.float32())
    assert broken(RangeRule(column="v", max=0.1), v=values) == [False, True, True, False]
    assert broken(RangeRule(column="v", min=0.1, max=1e300), v=values)[:2] == [False, False]
