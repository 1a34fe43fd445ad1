"""What a well-typed [pipelines.….quality] may still get wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.expression.parse import ExpressionFault, parse_condition
from bronze_engine.config.expression.tree import names_in
from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.quality import Quality
from bronze_engine.config.quality_rule import (
    ExpressionRule,
    FreshnessRule,
    InSetRule,
    LengthRule,
    NotNullRule,
    QualityRule,
    RangeRule,
    RegexRule,
    RowCountChangeRule,
    RowCountRule,
    UniqueRule,
    columns_of,
    name_of,
)
from bronze_engine.model.arrow import scalar
from bronze_engine.model.layout import STAMP_COLUMNS

__all__ = ["quality_faults"]


def quality_faults(quality: Quality, primary_key: Sequence[str], path: KeyPath) -> Iterator[Fault]:
    if quality.duplicates != "keep" and not primary_key:
        yield Fault(
            (*path, "duplicates"),
            f'is "{quality.duplicates}", and rows are told apart by primary_key; set that',
        )
    names: set[str] = set()
    for place, rule in enumerate(quality.rules):
        here = (*path, "rules", str(place))
        yield from _rule(rule, here)
        name = name_of(rule)
        if name in names:
            yield Fault(
                (*here, "name"), f"another rule is called {json.dumps(name)}; give each its own"
            )
        names.add(name)


def _rule(rule: QualityRule, path: KeyPath) -> Iterator[Fault]:
    yield from _columns(rule, columns_of(rule), path)
    if rule.where is not None:
        yield from _condition(rule.where, (*path, "where"))
    match rule:
        case InSetRule() if not rule.values:
            yield Fault((*path, "values"), "is empty; write what the column may hold")
        case RangeRule() | LengthRule() | RowCountRule():
            yield from _bounds(rule.min, rule.max, ("min", "max"), path)
        case RowCountChangeRule():
            yield from _bounds(rule.min_ratio, rule.max_ratio, ("min_ratio", "max_ratio"), path)
            if rule.where is not None:
                yield Fault(
                    (*path, "where"), "of earlier dates only the rows of all kinds are known"
                )
        case RegexRule():
            try:
                pc.match_substring_regex(scalar("", pa.string()), pattern=rule.pattern)
            except pa.ArrowInvalid as exc:
                why = str(exc).partition(": ")[2] or str(exc)
                yield Fault((*path, "pattern"), f"is no regular expression of RE2: {why}")
        case FreshnessRule() if rule.max_age <= 0:
            yield Fault((*path, "max_age"), "must be above zero")
        case ExpressionRule():
            yield from _condition(rule.expression, (*path, "expression"))
        case _:
            pass


def _columns(rule: QualityRule, columns: Sequence[str], path: KeyPath) -> Iterator[Fault]:
    if isinstance(rule, NotNullRule | UniqueRule):
        if (rule.column is None) == (not rule.columns):
            yield Fault((*path, "columns"), "write column, or columns with one or more names")
        if len(set(columns)) < len(columns):
            yield Fault((*path, "columns"), "names a column twice")
    for column in columns:
        yield from _column(column, (*path, "column" if column == columns[0] else "columns"))


def _column(column: str, path: KeyPath) -> Iterator[Fault]:
    if not column:
        yield Fault(path, "is empty; name a column as it lands")
    elif column in STAMP_COLUMNS:
        yield Fault(path, f"{column} is added when the row is written; rules see what was read")


def _condition(text: str, path: KeyPath) -> Iterator[Fault]:
    try:
        node = parse_condition(text)
    except ExpressionFault as exc:
        yield Fault(path, str(exc))
        return
    except ValueError:  # an integer of more digits than Python reads
        yield Fault(path, "has a number of more digits than any column")
        return
    for name in dict.fromkeys(names_in(node)):
        yield from _column(name, path)


def _bounds(low: object, high: object, keys: tuple[str, str], path: KeyPath) -> Iterator[Fault]:
    if low is None and high is None:
        yield Fault((*path, keys[0]), f"write {keys[0]}, {keys[1]}, or both")
    elif isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield Fault((*path, keys[0]), f"is {low}, above {keys[1]} = {high}")
    elif low is not None and high is not None and isinstance(low, str) != isinstance(high, str):
        yield Fault((*path, keys[0]), f"and {keys[1]} are a number and a text; write both alike")
