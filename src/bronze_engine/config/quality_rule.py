"""[[pipelines.….quality.rules]]: one rule about the rows, or about the partition.

    QualityRule
    ├── about each row: NotNullRule, UniqueRule, InSetRule, RangeRule, RegexRule, LengthRule,
    │                   TypeRule, ExpressionRule
    └── about the partition: FreshnessRule, RowCountRule, RowCountChangeRule

Columns are called by the names that they land as. But for `not_null`, a row whose column is
NULL breaks no rule, as in SQL.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from bronze_engine.config.tag import tag_of
from bronze_engine.config.units import Duration
from bronze_engine.model.quality import Level

__all__ = [
    "ExpressionRule",
    "FreshnessRule",
    "InSetRule",
    "LengthRule",
    "NotNullRule",
    "PartitionRule",
    "QualityRule",
    "RangeRule",
    "RegexRule",
    "RowCountChangeRule",
    "RowCountRule",
    "RowRule",
    "TextType",
    "TypeRule",
    "UniqueRule",
    "columns_of",
    "kind_of",
    "name_of",
    "refuses_rows",
]

Bound = str | int | float
"""A number or text of TOML; a day or an instant may be written without quotes."""

TextType = Literal[
    "integer", "decimal", "boolean", "date", "time", "timestamp", "uuid", "email", "url", "json"
]


class _Rule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="rule"
):
    name: str = ""
    """What reports and the quarantine call it. Default: the rule with its columns,
    `range(amount)`."""
    level: Level = "error"
    """A row that breaks it at "error" goes to the quarantine, at "warn" it lands and is counted;
    a partition that does fails the run, or warns."""
    where: str | None = None
    """A condition, as `expression` has it: only rows for which it is true are looked at."""


class NotNullRule(_Rule, frozen=True, kw_only=True, tag="not_null"):
    """No NULL in any of these columns."""

    column: str | None = None
    """One column, in place of `columns`."""
    columns: tuple[str, ...] = ()
    """The columns, by the names that they land as."""


class UniqueRule(_Rule, frozen=True, kw_only=True, tag="unique"):
    """No two rows of the partition with the same values in these columns; a row with a NULL in one
    of them is not compared. Within a slice the later rows break it; rows of different slices are
    counted, and fail the run or warn."""

    column: str | None = None
    """One column, in place of `columns`."""
    columns: tuple[str, ...] = ()
    """The columns whose values are compared together, by the names that they land as."""


class InSetRule(_Rule, frozen=True, kw_only=True, tag="in_set"):
    """One of these values."""

    column: str
    """The column that is judged, by the name that it lands as."""
    values: tuple[Bound | bool, ...]
    """Compared as values of the column's type: numbers to the last digit, texts as they are."""


class RangeRule(_Rule, frozen=True, kw_only=True, tag="range"):
    """At least `min`, at most `max`; NaN is in no range."""

    column: str
    """The column that is judged, by the name that it lands as."""
    min: Bound | None = None
    """The lowest value that passes: 0, 9.99, 2024-01-01; where unset there is none."""
    max: Bound | None = None
    """The highest value that passes; where unset there is none."""


class RegexRule(_Rule, frozen=True, kw_only=True, tag="regex"):
    """The pattern is found in the text: write `^` and `$` for the whole of it."""

    column: str
    """The column that is judged, by the name that it lands as."""
    pattern: str
    """RE2's syntax, which has no look-around and no back-references."""


class LengthRule(_Rule, frozen=True, kw_only=True, tag="length"):
    """Characters of a text, bytes of a binary value, elements of a list."""

    column: str
    """The column that is judged, by the name that it lands as."""
    min: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The least length that passes; where unset 0."""
    max: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The greatest length that passes; where unset there is none."""


class TypeRule(_Rule, frozen=True, kw_only=True, tag="type"):
    """A text that is written as a value of this type; for columns that land as text."""

    column: str
    """The column that is judged, by the name that it lands as."""
    type: TextType
    """integer: -12. decimal: -12.50, without an exponent. boolean: true, false. date: 2025-02-28.
    time: 23:59:59.5. timestamp: RFC 3339, 2025-02-28T23:59:59.5Z, the offset may lack. uuid, email,
    url (http, https), json."""


class ExpressionRule(_Rule, frozen=True, kw_only=True, tag="expression"):
    """A condition of SQL over columns that is true or NULL."""

    expression: str
    """`amount >= 0 and (status <> 'void' or note is not null)`: AND, OR, NOT, comparisons, IS NULL,
    IN, BETWEEN, LIKE, ILIKE, arithmetic; abs, coalesce, length, lower, trim, upper."""


class FreshnessRule(_Rule, frozen=True, kw_only=True, tag="freshness"):
    """The newest value of a column of times, at most this long before the run began."""

    column: str
    """The column that is judged, by the name that it lands as."""
    max_age: Duration
    """Texts are read as RFC 3339; what has no offset is UTC."""


class RowCountRule(_Rule, frozen=True, kw_only=True, tag="row_count"):
    """How many rows the partition has: at least `min`, at most `max`."""

    min: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The least number of rows that passes; where unset 0."""
    max: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The greatest number of rows that passes; where unset there is none."""


class RowCountChangeRule(_Rule, frozen=True, kw_only=True, tag="row_count_change"):
    """The rows of the partition over those of the last dates that were committed before it."""

    min_ratio: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """The least ratio that passes: 0.5 is half as many rows; where unset 0."""
    max_ratio: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """The greatest ratio that passes: 2 is twice as many rows; where unset there is none."""
    against: Literal["median", "mean"] = "median"
    """What is taken of the last dates."""
    runs: Annotated[int, msgspec.Meta(ge=1, le=100)] = 7
    """How many of them; where there are fewer, those that there are, and none is no fault."""


RowRule: TypeAlias = (
    NotNullRule
    | UniqueRule
    | InSetRule
    | RangeRule
    | RegexRule
    | LengthRule
    | TypeRule
    | ExpressionRule
)
PartitionRule: TypeAlias = FreshnessRule | RowCountRule | RowCountChangeRule
QualityRule: TypeAlias = RowRule | PartitionRule

_LONGEST_NAME: Final = 60


def kind_of(rule: QualityRule) -> str:
    """Its kind as the file writes it: "not_null"."""
    return tag_of(rule)


def columns_of(rule: QualityRule) -> tuple[str, ...]:
    """The columns that it names, those of its conditions not among them."""
    several: Any = getattr(rule, "columns", ())
    one = getattr(rule, "column", None)
    return tuple(several) if one is None else (one, *several)


def refuses_rows(rule: QualityRule) -> bool:
    """Whether rows that break it do not land."""
    return rule.level == "error" and not isinstance(rule, PartitionRule)


def name_of(rule: QualityRule) -> str:
    """What it is called."""
    if rule.name:
        return rule.name
    what = rule.expression if isinstance(rule, ExpressionRule) else ", ".join(columns_of(rule))
    if len(what) > _LONGEST_NAME:
        what = what[:_LONGEST_NAME] + "..."
    return f"{kind_of(rule)}({what})" if what else kind_of(rule)
