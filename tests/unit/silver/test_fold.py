"""The fold, rule by rule, on tables that are made by hand."""

from __future__ import annotations

import math

import duckdb
import pyarrow as pa
import pytest

from bronze_engine.silver.fold.fold import (
    departed_of_marks,
    departed_schema,
    fold_columns,
    marks_of,
)
from bronze_engine.silver.fold.winners import descending, narrow, newer

from .tables import DAY, folded, own, record, relation, shape_of, shown

pytestmark = pytest.mark.unit


def test_the_newest_record_is_the_row() -> None:
    found = shown(
        shape_of(),
        [
            record(1, 1, 10, "old"),
            record(2, 1, 30, "new"),
            record(3, 1, 20, "late"),
            record(1, 2, 5, "only"),
        ],
    )
    assert found == [(1, 30, "new", DAY(2)), (2, 5, "only", DAY(1))]


def test_of_equals_the_later_date_then_file_then_row_wins() -> None:
    found = shown(
        shape_of(),
        [
            record(2, 1, 10, "date"),
            record(1, 1, 10, "-"),
            record(1, 2, 10, "file", part=1),
            record(1, 2, 10, "-", row=9),
            record(1, 3, 10, "row", row=8),
            record(1, 3, 10, "-", row=7),
        ],
    )
    assert [row[2] for row in found] == ["date", "file", "row"]


def test_null_is_the_oldest_and_nan_the_newest() -> None:
    columns = own(id=pa.int64(), at=pa.float64())
    records = [
        record(1, 1, math.inf),
        record(1, 1, math.nan),
        record(2, 1, 1.0),
        record(1, 2, -math.inf),
        record(2, 2, None),
    ]
    (first, second) = shown(shape_of(columns=columns), records)
    assert math.isnan(first[1])
    assert second == (2, -math.inf, DAY(1))


def test_of_any_two_records_the_newer_is_the_one_that_comes_first() -> None:
    columns = own(id=pa.int64(), at=pa.float64(), then=pa.string())
    shape = shape_of(columns=columns, order=("at", "then"))
    moments = [None, -math.inf, -0.0, 1.5, math.inf, math.nan]
    places = [(1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0)]
    records = [
        record(day, 1, at, then, part=part, row=row or -1)
        for at in moments
        for then in (None, "", "a", "\u00e9")
        for day, part, row in places
    ]
    with duckdb.connect() as connection:
        connection.register("records", relation(shape, records))
        connection.execute(f"CREATE TABLE facts AS {narrow(shape, 'records')}")
        found = connection.execute(
            f"SELECT count(*) FILTER ({newer(shape, 'a', 'b')}) FROM"
            f" (SELECT *, row_number() OVER (ORDER BY {descending(shape)}) AS place FROM facts) a,"
            " facts b GROUP BY a.nth, a.place ORDER BY a.place"
        ).fetchall()
    assert [count for (count,) in found] == list(reversed(range(len(records))))


def test_text_is_ordered_by_its_bytes() -> None:
    columns = own(id=pa.int64(), at=pa.string())
    records = [record(1, 1, "Z"), record(1, 1, "a"), record(1, 1, "é"), record(1, 1, "É")]
    assert shown(shape_of(columns=columns), records) == [(1, "é", DAY(1))]


def test_the_first_column_of_the_order_that_differs_decides() -> None:
    columns = own(id=pa.int64(), a=pa.int64(), b=pa.int64())
    records = [record(1, 1, 2, 1), record(2, 1, 1, 9), record(1, 1, 2, 3), record(3, 1, 2, 2)]
    assert shown(shape_of(columns=columns, order=("a", "b")), records) == [(1, 2, 3, DAY(1))]


def test_without_an_order_what_landed_last_wins() -> None:
    records = [record(2, 1, 9, "a"), record(3, 1, 1, "b"), record(3, 1, 0, "c", part=1)]
    assert shown(shape_of(order=()), records) == [(1, 0, "c", DAY(3))]


def test_null_is_a_key_like_another() -> None:
    columns = own(a=pa.int64(), b=pa.string(), at=pa.int64())
    records = [
        record(1, None, "x", 1),
        record(2, None, "x", 2),
        record(1, None, None, 1),
        record(2, None, None, 2),
        record(1, 0, "", 1),
        record(1, 0, None, 1),
    ]
    found = shown(shape_of(columns=columns, keys=("a", "b")), records)
    assert found == [
        (0, "", 1, DAY(1)),
        (0, None, 1, DAY(1)),
        (None, "x", 2, DAY(2)),
        (None, None, 2, DAY(2)),
    ]


def test_deletes_that_are_ignored_are_no_records() -> None:
    records = [
        record(1, 1, 10, "a"),
        record(2, 1, 20, "b", is_delete=True),
        record(2, 2, 20, "c", is_delete=True),
    ]
    assert shown(shape_of(load="cdc"), records) == [(1, 10, "a", DAY(1))]


CHANGES = (
    record(1, 1, 10, "lives"),
    record(1, 2, 10, "gone"),
    record(2, 2, 20, None, is_delete=True),
    record(3, 2, 30, "again", is_delete=True),
    record(2, 3, 20, "was", is_delete=True),
    record(3, 3, 30, "back"),
    record(3, 4, 30, "never was", is_delete=True),
)


def test_a_tombstone_has_the_newest_values_before_the_delete() -> None:
    found = shown(shape_of(load="cdc", deletes="tombstone"), CHANGES)
    assert found == [
        (1, 10, "lives", False, None, None, DAY(1)),
        (2, 10, "gone", True, 30, DAY(3), DAY(1)),
        (3, 30, "back", False, None, None, DAY(3)),
        (4, 30, "never was", True, 30, DAY(3), DAY(3)),
    ]


def test_of_a_hard_delete_only_the_key_is_kept_aside() -> None:
    shape = shape_of(load="cdc", deletes="hard")
    assert shown(shape, CHANGES) == [(1, 10, "lives", DAY(1)), (3, 30, "back", DAY(3))]
    with duckdb.connect() as connection:
        connection.register("records", relation(shape, CHANGES))
        aside = connection.sql(
            departed_of_marks(shape, f"({marks_of(shape, 'records')})")
        ).to_arrow_table()
    assert aside.schema.names == departed_schema(shape).names
    rows = sorted(tuple(row.values()) for row in aside.to_pylist())
    assert rows == [(2, 30, DAY(3)), (4, 30, DAY(3))]


SNAPSHOTS = (
    record(1, 1, None, "a"),
    record(1, 2, None, "b"),
    record(1, 3, None, "c"),
    record(2, 1, None, "a2"),
    record(3, 1, None, "a2"),
    record(3, 3, None, "c"),
)


def test_a_key_vanishes_at_the_first_snapshot_that_lacks_it() -> None:
    shape = shape_of(load="full", order=(), deletes="tombstone")
    assert shown(shape, SNAPSHOTS, [DAY(1), DAY(2), DAY(3)]) == [
        (1, None, "a2", False, None, None, DAY(3)),
        (2, None, "b", True, DAY(2), DAY(2), DAY(1)),
        (3, None, "c", False, None, None, DAY(3)),
    ]


def test_the_newest_snapshot_is_the_table_where_deletes_are_hard() -> None:
    shape = shape_of(load="full", order=(), deletes="hard")
    found = shown(shape, SNAPSHOTS, [DAY(1), DAY(2), DAY(3)])
    assert found == [(1, None, "a2", DAY(3)), (3, None, "c", DAY(3))]
    assert shown(shape, SNAPSHOTS, [DAY(1), DAY(2), DAY(3), DAY(4)]) == []


def test_keys_that_vanish_live_on_where_deletes_are_ignored() -> None:
    shape = shape_of(load="full", order=())
    found = shown(shape, SNAPSHOTS, [DAY(1), DAY(2), DAY(3), DAY(4)])
    assert found == [
        (1, None, "a2", DAY(3)),
        (2, None, "b", DAY(1)),
        (3, None, "c", DAY(3)),
    ]


def test_a_snapshot_of_no_rows_deletes_every_key() -> None:
    shape = shape_of(load="full", order=(), deletes="tombstone")
    found = shown(shape, [record(1, 1, 1, "a")], [DAY(1), DAY(2)])
    assert found == [(1, 1, "a", True, DAY(2), DAY(2), DAY(1))]


def test_a_key_that_is_marked_as_deleted_does_not_vanish_once_more() -> None:
    shape = shape_of(load="full", order=(), deletes="tombstone")
    records = [record(1, 1, 1, "a"), record(2, 1, 1, "a", is_delete=True)]
    found = shown(shape, records, [DAY(1), DAY(2), DAY(3)])
    assert found == [(1, 1, "a", True, DAY(2), DAY(2), DAY(1))]


def test_events_without_keys_are_all_rows() -> None:
    records = [record(1, 1, 1, "a"), record(1, 1, 1, "a"), record(2, 1, 1, "a")]
    found = shown(shape_of(kind="event", keys=()), records)
    assert found == [(1, 1, "a", DAY(1)), (1, 1, "a", DAY(1)), (1, 1, "a", DAY(2))]


def test_events_with_keys_are_there_once_and_never_vanish() -> None:
    records = [record(1, 1, 1, "a"), record(2, 1, 1, "b"), record(1, 2, 1, "c")]
    shape = shape_of(kind="event", load="full")
    assert shown(shape, records) == [(1, 1, "b", DAY(2)), (2, 1, "c", DAY(1))]


def test_versions_follow_one_another() -> None:
    records = [record(1, 1, 10, "a"), record(3, 1, 30, "c"), record(4, 1, 20, "b")]
    assert shown(shape_of(history="full"), records) == [
        (1, 10, "a", 10, 20, False, DAY(1)),
        (1, 20, "b", 20, 30, False, DAY(4)),
        (1, 30, "c", 30, None, True, DAY(3)),
    ]


def test_of_one_moment_the_newest_record_counts() -> None:
    columns = own(id=pa.int64(), at=pa.int64(), seq=pa.int64())
    records = [record(1, 1, 10, 2), record(2, 1, 10, 1), record(3, 1, 20, None)]
    found = shown(shape_of(history="full", columns=columns, order=("at", "seq")), records)
    assert found == [(1, 10, 2, 10, 20, False, DAY(1)), (1, 20, None, 20, None, True, DAY(3))]


def test_a_version_without_a_moment_is_from_the_beginning() -> None:
    records = [record(2, 1, None, "a"), record(1, 1, 10, "b")]
    assert shown(shape_of(history="full"), records) == [
        (1, 10, "b", 10, None, True, DAY(1)),
        (1, None, "a", None, 10, False, DAY(2)),
    ]


LIFE = (
    record(1, 1, 10, "a"),
    record(1, 1, 20, None, is_delete=True),
    record(2, 1, 30, None, is_delete=True),
    record(2, 1, 40, "b"),
    record(3, 1, 50, None, is_delete=True),
    record(3, 2, 10, "x", is_delete=True),
    record(3, 2, 20, "y"),
)


def test_ends_are_rows_with_the_values_that_they_end() -> None:
    assert shown(shape_of(history="full", load="cdc", deletes="tombstone"), LIFE) == [
        (1, 10, "a", 10, 20, False, False, DAY(1)),
        (1, 10, "a", 20, 40, False, True, DAY(1)),
        (1, 40, "b", 40, 50, False, False, DAY(2)),
        (1, 40, "b", 50, None, False, True, DAY(3)),
        (2, 10, "x", 10, 20, False, True, DAY(3)),
        (2, 20, "y", 20, None, True, False, DAY(3)),
    ]


def test_hard_deletes_end_versions_and_leave_a_gap() -> None:
    shape = shape_of(history="full", load="cdc", deletes="hard")
    assert shown(shape, LIFE) == [
        (1, 10, "a", 10, 20, False, DAY(1)),
        (1, 40, "b", 40, 50, False, DAY(2)),
        (2, 20, "y", 20, None, True, DAY(3)),
    ]
    assert len(folded(shape, LIFE)) == 6


def test_snapshots_that_say_the_same_are_one_version() -> None:
    pair = pa.struct([pa.field("a", pa.int64()), pa.field("b", pa.string())])
    columns = own(id=pa.int64(), f=pa.float64(), l=pa.list_(pa.int64()), s=pair)
    shape = shape_of(history="full", load="full", order=(), columns=columns)
    same = (math.nan, [1, None], {"a": None, "b": ""})
    other = (math.nan, [1, None], {"a": None, "b": None})
    records = [
        record(1, 1, *same),
        record(2, 1, *same),
        record(3, 1, *other),
        record(4, 1, *same),
        record(5, 1, None, None, None),
        record(6, 1, None, None, None),
    ]
    found = shown(shape, records, [DAY(day) for day in range(1, 7)])
    assert sorted(row[4:] for row in found) == [
        (DAY(1), DAY(3), False, DAY(1)),
        (DAY(3), DAY(4), False, DAY(3)),
        (DAY(4), DAY(5), False, DAY(4)),
        (DAY(5), None, True, DAY(5)),
    ]


def test_versions_end_where_a_snapshot_lacks_the_key() -> None:
    records = [
        record(1, 1, 0, "a"),
        record(2, 1, 0, "a"),
        record(4, 1, 0, "a"),
        record(1, 2, 0, "b"),
    ]
    days = [DAY(day) for day in (1, 2, 3, 4)]
    shape = shape_of(history="full", load="full", order=(), deletes="hard")
    assert shown(shape, records, days) == [
        (1, 0, "a", DAY(1), DAY(3), False, DAY(1)),
        (1, 0, "a", DAY(4), None, True, DAY(4)),
        (2, 0, "b", DAY(1), DAY(2), False, DAY(1)),
    ]
    told = shape_of(history="full", load="full", order=(), deletes="tombstone")
    assert (1, 0, "a", DAY(3), DAY(4), False, True, DAY(3)) in shown(told, records, days)
    lives_on = shape_of(history="full", load="full", order=())
    assert shown(lives_on, records, days) == [
        (1, 0, "a", DAY(1), None, True, DAY(1)),
        (2, 0, "b", DAY(1), None, True, DAY(1)),
    ]


NASTY = ('"; DROP TABLE records; --', "k0", "moment", "landed", "select", "a.b\n'☃")


@pytest.mark.parametrize("history", ["current", "full"])
@pytest.mark.parametrize("load", ["full", "cdc"])
def test_columns_may_have_any_names(history: str, load: str) -> None:
    columns = own(**dict.fromkeys(NASTY, pa.int64()))
    for at in range(len(NASTY)):
        shape = shape_of(
            history=history,  # type: ignore[arg-type]
            load=load,  # type: ignore[arg-type]
            deletes="tombstone",
            columns=columns,
            keys=(NASTY[at],),
            order=(NASTY[at - 1],),
        )
        records = [record(1, *range(len(NASTY))), record(2, *range(len(NASTY)))]
        found = folded(shape, records, [DAY(1), DAY(2)])
        assert [row[: len(NASTY)] for row in found] == [tuple(range(len(NASTY)))]
        assert len(found[0]) == len(fold_columns(shape))
