"""Rules that look at each row by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.expression.parse import parse_condition
from bronze_engine.config.expression.tree import Node, names_in
from bronze_engine.config.quality_rule import (
    ExpressionRule,
    InSetRule,
    LengthRule,
    NotNullRule,
    RangeRule,
    RegexRule,
    TypeRule,
    columns_of,
)
from bronze_engine.model.arrow import Array
from bronze_engine.model.quality import RuleResult
from bronze_engine.quality.conditions.constants import Unfit, Value, compare
from bronze_engine.quality.conditions.evaluate import (
    column_of,
    is_one_of,
    length_of,
    truth_of,
)
from bronze_engine.quality.conditions.misfits import misfits_of
from bronze_engine.quality.rules.scope import Scope
from bronze_engine.quality.rules.tally import Tally
from bronze_engine.quality.rules.texts import is_written_as

__all__ = ["PlainRule", "RowByRow"]

PlainRule: TypeAlias = (
    NotNullRule | InSetRule | RangeRule | RegexRule | LengthRule | TypeRule | ExpressionRule
)
"""What says of a row by itself whether it is as it should be."""

Condition = Callable[[pa.RecordBatch], Array]


@final
class RowByRow:
    """`contracts.Rule` of a condition; its state is what was counted."""

    def __init__(self, config: PlainRule) -> None:
        self._scope: Final = Scope(config)
        self._is_right: Final = _condition(config)
        self.columns: Final = _shown(config)
        self.tally: Final = Tally(config)
        self._judges: Final = (
            None if isinstance(config, NotNullRule | ExpressionRule) else config.column
        )
        """The column whose values it judges; the others look at NULL themselves."""

    def observe(self, batch: pa.RecordBatch, /) -> pa.BooleanArray | None:
        rows = self._scope.rows(batch)
        with self._scope.explained():
            right: Any = self._is_right(batch)
        misfit = self._misfit(batch)
        self.tally.checked += batch.num_rows if rows is None else rows.true_count
        if not right.false_count and misfit is None:
            return None
        broken: pa.BooleanArray = pc.fill_null(pc.invert(right), False)
        if misfit is not None:
            broken = pc.or_(broken, misfit)
        if rows is not None:
            broken = pc.and_(broken, rows)
            if not broken.true_count:
                return None
        self.tally.add(broken, batch, self.columns)
        return broken

    def _misfit(self, batch: pa.RecordBatch) -> Any | None:
        """Rows whose value did not fit its column, so that nobody can say it is right."""
        beside = None if self._judges is None else misfits_of(batch, self._judges)
        return None if beside is None else beside.is_valid()

    def see(self, batch: pa.RecordBatch, /) -> None:
        """Count rows that have landed, whatever today's rule says of them."""
        rows = self._scope.rows(batch)
        self.tally.checked += batch.num_rows if rows is None else rows.true_count

    def state(self) -> bytes:
        return self.tally.state()

    def merge(self, state: bytes, /) -> None:
        self.tally.merge(state)

    def finish(self) -> RuleResult:
        return self.tally.result()


def _shown(config: PlainRule) -> tuple[str, ...]:
    """The columns whose values are the example of a row that breaks it."""
    if isinstance(config, ExpressionRule):
        return tuple(dict.fromkeys(names_in(parse_condition(config.expression))))
    return columns_of(config)


def _condition(config: PlainRule) -> Condition:
    """What says of each row that it is right, wrong, or NULL."""
    match config:
        case NotNullRule():
            return _has_values(columns_of(config))
        case ExpressionRule(expression=text):
            return _of_tree(parse_condition(text))
        case InSetRule(column=column, values=values):
            return _of_column(column, lambda array: is_one_of(array, list(values)))
        case RangeRule(column=column, min=low, max=high):
            return _of_column(column, lambda array: _between(array, low, high))
        case LengthRule(column=column, min=low, max=high):
            return _of_column(column, lambda array: _between(length_of(array), low, high))
        case RegexRule(column=column, pattern=pattern):
            return _of_column(column, lambda array: _matches(array, pattern))
        case TypeRule(column=column, type=kind):
            return _of_column(column, lambda array: is_written_as(kind, array))


def _of_tree(node: Node) -> Condition:
    return lambda batch: truth_of(node, batch)


def _of_column(column: str, judge: Callable[[Array], Array]) -> Condition:
    def is_right(batch: pa.RecordBatch) -> Array:
        try:
            return judge(column_of(batch, column))
        except Unfit as exc:
            raise Unfit(f"column {column!r} {exc}") from exc

    return is_right


def _has_values(columns: tuple[str, ...]) -> Condition:
    def is_right(batch: pa.RecordBatch) -> Array:
        found: Any = None
        for name in columns:
            valid = column_of(batch, name).is_valid()
            found = valid if found is None else pc.and_(found, valid)
        return found

    return is_right


def _between(array: Array, low: Value | None, high: Value | None) -> Array:
    above = None if low is None else compare(">=", array, low)
    below = None if high is None else compare("<=", array, high)
    if above is None or below is None:
        return below if above is None else above
    return pc.and_kleene(above, below)


def _matches(array: Array, pattern: str) -> Array:
    kind = array.type
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.bool_())
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise Unfit(f"lands as {kind}, and a pattern is a rule for texts")
    return pc.match_substring_regex(array, pattern=pattern)
