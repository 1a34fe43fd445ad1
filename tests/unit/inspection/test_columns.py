"""Columns: keys, cursors, and types that every value has."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.inspection.columns import columns_of, cursors_of, primary_key_of, shorten
from bronze_engine.inspection.summary import sampled

pytestmark = pytest.mark.unit


def key_of(**columns: list[Any]) -> str | None:
    table = pa.table(columns)
    return primary_key_of(columns_of(table), table.num_rows)


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"name": ["a", "b"], "id": [1, 2]}, "id"),
        ({"id": [1, 1], "uuid": ["a", "b"]}, "uuid"),
        ({"id": [1, None], "name": ["a", "b"]}, None),
        ({"Id": ["001", "002"], "Name": ["a", "b"]}, "Id"),
        ({"order_id": [1, 2], "name": ["a", "b"]}, "order_id"),
        ({"orderId": [1, 2], "name": ["a", "b"]}, "orderId"),
        ({"customer_id": [7, 7], "number": [1, 2]}, "number"),
        ({"paid": [1, 2], "valid": ["a", "b"]}, None),
        ({"id": [1.5, 2.5]}, None),
        ({"id": [1]}, None),
    ],
)
def test_primary_key(columns: dict[str, list[Any]], key: str | None) -> None:
    assert key_of(**columns) == key


@pytest.mark.parametrize(
    ("name", "values", "suggested"),
    [
        (
            "at",
            ["2025-01-15T10:00:00Z", None, "2025-01-15T10:00:00.123456+01:00"],
            "timestamp(us, UTC)",
        ),
        ("at", ["2025-01-15T10:00:00"], None),
        ("at", ["2025-01-15T10:00:00.1234567Z"], None),
        ("at", ["2025-01-15T10:00:00Z", "never"], None),
        ("day", ["2025-01-15"], "date"),
        ("amount", ["12.50", "-3.1"], "decimal(18,4)"),
        ("version", ["1.2.3"], None),
        ("created", [1_736_000_000], "epoch_s"),
        ("updated_at", [1_736_000_000_123], "epoch_ms"),
        ("views", [1_736_000_000], None),
        ("nothing", [None], None),
    ],
)
def test_types_that_every_value_has(name: str, values: list[Any], suggested: str | None) -> None:
    [column] = columns_of(pa.table({name: values}))
    assert column.suggested == suggested


def test_cursors_are_told_by_what_they_mean() -> None:
    table = pa.table(
        {
            "id": [1, 2, 3],
            "created": ["2025-01-03", "2025-01-02", "2025-01-01"],
            "closed_at": ["2025-01-01T00:00:00Z", None, None],
            "seen_at": ["2025-01-02T00:00:00Z", "2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z"],
            "lastModifiedDate": ["2025-01-01T00:00:00Z"] * 3,
            "name": ["a", "b", "c"],
        }
    )
    found = cursors_of(table, columns_of(table), "id")
    assert [(each.column, each.cursor_type, each.order) for each in found] == [
        ("lastModifiedDate", "timestamp", "ascending"),
        ("created", "date", "descending"),
        ("seen_at", "timestamp", "mixed"),
        ("id", "integer", "ascending"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("a\n\x1b[31m b", "a [31m b"),
        ("x" * 50, f"{'x' * 39}…"),
        ({"a": [1]}, '{"a":[1]}'),
        (True, "true"),
        (Decimal("1.50"), "1.50"),
        (date(2025, 1, 15), "2025-01-15"),
        ([Decimal("1.50")], '["1.50"]'),
    ],
)
def test_values_are_shown_on_one_line(value: object, text: str) -> None:
    assert shorten(value) == text


def test_nested_columns_are_told_and_not_counted() -> None:
    [column] = columns_of(pa.table({"lines": [[{"a": 1}], []]}))
    assert (column.distinct, column.suggested, column.nulls) == (None, None, 0)


def test_times_that_python_has_no_value_of_are_shown() -> None:
    """`infinity` of DuckDB is the last microsecond; PostgreSQL has dates past the year 9999."""
    far = pa.array([2**63 - 1, 0], pa.timestamp("us", "UTC"))
    table = pa.table({"at": far, "day": pa.array([2_932_897, 0], pa.date32())})
    columns = columns_of(table)
    assert [each.example for each in columns] == ["294247-01-10 04:00:54.775807Z", "10000-01-01"]
    assert sampled(table)[0] == ("294247-01-10 04:00:54.775807Z", "10000-01-01")
    assert [each.column for each in cursors_of(table, columns, None)] == ["at"]
