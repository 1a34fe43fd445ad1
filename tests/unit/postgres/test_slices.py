"""Where pieces begin: whatever the bounds are, every row is in exactly one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.sources.postgres.bounds import block_bounds, by_bounds, even_bounds
from bronze_engine.sources.postgres.catalogue import CatalogueColumn
from bronze_engine.sources.postgres.slices import auto_count, find_column, foreseen

pytestmark = pytest.mark.unit

GIB = 1024**3


def column(type_name: str, name: str = "c") -> CatalogueColumn:
    return CatalogueColumn(
        name=name, source_type=type_name, type_schema="pg_catalog", type_name=type_name,
        type_kind="base", modifier=-1, is_array=False, dimensions=0, is_required=False,
        is_readable=True, is_generated=False,
    )  # fmt: skip


def holds(condition: str | None, value: int | None) -> bool:
    """What SQL makes of a condition of integers: a comparison with NULL is not true."""
    if condition is None:
        return True
    text = condition.replace("IS NULL", "== None").replace("AND", "and").replace("OR", "or")
    if value is None:
        return "== None" in text
    return bool(eval(text, {"c": value}))  # noqa: S307  # its own text


@given(
    bounds=st.lists(st.integers(-50, 50), unique=True, max_size=8).map(sorted),
    values=st.lists(st.none() | st.integers(-60, 60)),
)
def test_each_row_is_in_one_piece(bounds: list[int], values: list[int | None]) -> None:
    pieces = by_bounds("c", [str(bound) for bound in bounds], "c", nulls=True)
    assert len(pieces) == len(bounds) + 1
    for value in values:
        assert sum(holds(piece.condition, value) for piece in pieces) == 1


def test_one_piece_has_no_condition() -> None:
    (piece,) = by_bounds("c", [], "c")
    assert (piece.label, piece.condition) == ("all rows", None)


@given(sizes=st.lists(st.integers(0, 10_000), min_size=1, max_size=5), count=st.integers(1, 20))
def test_blocks_are_cut_evenly_over_all_tables(sizes: list[int], count: int) -> None:
    bounds = block_bounds(sizes, count)
    assert bounds == sorted(set(bounds))
    assert len(bounds) < count
    ends = [0, *bounds, max(sizes)]
    shares = [
        sum(min(size, high) - min(size, low) for size in sizes) for low, high in pairwise(ends)
    ]
    assert sum(shares) == sum(sizes)
    assert all(share <= sum(sizes) / count + 2 * len(sizes) for share in shares)


def test_a_slice_for_each_gibibyte_and_64_at_most() -> None:
    sizes = (0, 1, GIB, GIB + 1, 10 * GIB, 1000 * GIB)
    assert [auto_count(size) for size in sizes] == [1, 1, 1, 2, 10, 64]


@pytest.mark.parametrize(
    ("kind", "low", "high", "bounds"),
    [
        ("int8", "-10", "10", ["-5", "0", "5"]),
        ("int8", "7", "7", []),
        ("int8", "7", "8", []),
        ("numeric", "0.5", "400", ["100", "200", "300"]),
        ("numeric", "NaN", "4", []),
        ("date", "2024-01-01", "2024-01-09", ["2024-01-03", "2024-01-05", "2024-01-07"]),
        ("date", "0044-03-15 BC", "2024-01-09", []),
        (
            "timestamptz",
            "2024-01-01 00:00:00+00",
            "2024-01-02 00:00:00+00",
            ["2024-01-01 06:00:00", "2024-01-01 12:00:00", "2024-01-01 18:00:00"],
        ),
        ("timestamp", "2024-01-01 00:00:00", "infinity", []),
        (
            "uuid",
            "00000000-0000-0000-0000-000000000000",
            "80000000-0000-0000-0000-000000000000",
            [f"{part}0000000-0000-0000-0000-000000000000" for part in "246"],
        ),
    ],
)
def test_equal_steps_lie_between_the_ends(
    kind: str, low: str, high: str, bounds: list[str]
) -> None:
    assert even_bounds(column(kind), low, high, 4) == bounds


def test_text_without_statistics_can_not_be_cut() -> None:
    with pytest.raises(ConfigError, match="run ANALYZE"):
        even_bounds(column("text"), "a", "b", 4)


def test_a_column_that_is_not_there_is_told_with_those_near_it() -> None:
    with pytest.raises(ExtractError, match=r"source\.x names 'orderid'.*did you mean 'order_id'"):
        find_column([column("int8", "order_id"), column("int8", "at")], "orderid", "source.x")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"table": "t"}, "by blocks, one for each GiB"),
        ({"table": "t", "partitions": 4}, "4 by blocks"),
        ({"table": "t", "partitions": 1}, "all rows"),
        ({"table": "t", "partition_column": "id"}, "by id, one for each GiB"),
        ({"query": "q"}, "all rows"),
        ({"query": "q", "partition_column": "id", "partitions": 3}, "3 by id"),
        ({"table": "t", "reading": "keyset"}, "all rows, in chunks of 200,000"),
        ({"table": "t", "reading": "keyset", "chunk_rows": 7}, "all rows, in chunks of 7"),
    ],
)
def test_a_plan_says_what_the_slices_will_be(keys: dict[str, Any], told: str) -> None:
    assert foreseen(PostgresSourceConfig(connection=PostgresConnection(), **keys)) == told
