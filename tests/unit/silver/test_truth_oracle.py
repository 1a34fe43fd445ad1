"""The oracle against tables that were made by hand: what judges must itself be judged."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest

from .oracle import Landed, Row, Table, counted, rows

pytestmark = pytest.mark.unit

DAYS = [date(2025, 3, day) for day in range(1, 8)]
TABLE = Table(columns=("id", "at", "v"), keys=("id",), order=("at",))


def row(key: Any, at: Any, value: Any, **more: Any) -> Row:
    return {"id": key, "at": at, "v": value} | more


def day(number: int, *found: Row, **more: Any) -> Landed:
    return Landed(run_date=DAYS[number], files=(found,), **more)


def values(table: Table, *landed: Landed, names: str = "id v") -> list[tuple[Any, ...]]:
    made = [tuple(each[name] for name in names.split()) for each in rows(table, landed)]
    return sorted(made, key=repr)


def with_(table: Table = TABLE, **more: Any) -> Table:
    return msgspec.structs.replace(table, **more)


@pytest.mark.parametrize(
    ("ats", "winner"),
    [
        ((1, 2), 1),
        ((2, 1), 0),
        ((1, 1), 1),
        ((None, 1), 1),
        ((1, None), 0),
        ((None, None), 1),
        ((math.nan, 1e308), 0),
        ((math.nan, math.nan), 1),
        ((0.0, -0.0), 1),
        (("Z", "a"), 1),
        (("\uffff", "\U00010000"), 1),  # by code point, not by UTF-16
    ],
)
def test_the_greatest_position_is_the_row(ats: tuple[Any, Any], winner: int) -> None:
    first, second = (row(1, at, number) for number, at in enumerate(ats))
    assert values(TABLE, day(0, first, second)) == [(1, winner)]
    assert values(TABLE, day(0, first), day(1, second)) == [(1, winner)]


def test_of_ties_the_later_date_then_file_then_row_wins() -> None:
    earlier = Landed(run_date=DAYS[0], files=((row(1, 5, "a"),), (row(1, 5, "b"),)))
    assert values(TABLE, earlier) == [(1, "b")]
    assert values(TABLE, day(1, row(1, 5, "c")), earlier) == [(1, "c")]
    second = with_(order=("at", "v"))
    assert values(second, day(0, row(1, 5, "z")), day(1, row(1, 5, "c"))) == [(1, "z")]


def test_null_keys_are_one_key() -> None:
    assert values(TABLE, day(0, row(None, 1, "a"), row(None, 2, "b"))) == [(None, "b")]


def test_an_absent_column_is_null() -> None:
    assert values(TABLE, day(0, {"id": 1, "at": 1})) == [(1, None)]


CDC = with_(operation="op", delete_codes=("D",))


@pytest.mark.parametrize(
    ("deletes", "expected"),
    [
        ("ignore", [(1, "b"), (2, "x")]),
        ("hard", [(2, "x")]),
        ("tombstone", [(1, "b"), (2, "x"), (3, None)]),
    ],
)
def test_deletes_of_changes(
    deletes: Literal["ignore", "tombstone", "hard"], expected: list[Any]
) -> None:
    changes = (
        day(0, row(1, 1, "a", op="I"), row(2, 1, "x", op="I"), load="cdc"),
        day(1, row(1, 2, "b", op="U"), row(1, 3, None, op="D"), load="cdc"),
        day(2, row(3, 4, None, op="D"), row(2, 0, None, op="D"), load="cdc"),
    )
    table = with_(CDC, deletes=deletes)
    assert values(table, *changes) == expected
    if deletes == "tombstone":
        assert values(table, *changes, names="id is_deleted deleted_at _bronze_date") == [
            (1, True, 3, DAYS[1]),
            (2, False, None, DAYS[0]),
            (3, True, 4, DAYS[2]),
        ]


def test_a_deleted_key_that_comes_again_lives() -> None:
    changes = (
        day(0, row(1, 1, "a", op="I"), row(1, 2, None, op="D")),
        day(1, row(1, 3, "c", op="I")),
    )
    table = with_(CDC, deletes="tombstone")
    assert rows(table, changes) == [
        row(1, 3, "c")
        | {
            "is_deleted": False,
            "deleted_at": None,
            "_deleted_date": None,
            "_bronze_date": DAYS[1],
        }
    ]


@pytest.mark.parametrize(
    ("mark", "lives"), [(None, True), (False, True), (True, False), ("", False)]
)
def test_a_deleted_column_marks_deletes(mark: object, lives: bool) -> None:
    table = with_(deleted_column="gone", deletes="hard")
    assert bool(rows(table, [day(0, row(1, 1, "a", gone=mark))])) is lives


def test_full_history_has_a_version_for_each_difference() -> None:
    table = with_(columns=("id", "v"), history="full")
    landed = day(0, row(1, 1, "a"), row(1, 2, "a"), row(1, 3, "b"), row(1, 4, "x"), row(1, 4, "a"))
    assert values(table, landed, names="v effective_from effective_to is_current") == [
        ("a", 1, 3, False),
        ("a", 4, None, True),
        ("b", 3, 4, False),
    ]


@pytest.mark.parametrize("deletes", ["tombstone", "hard"])
def test_full_history_ends_a_version_at_its_delete(deletes: Literal["tombstone", "hard"]) -> None:
    table = with_(CDC, columns=("id", "v"), history="full", deletes=deletes)
    changes = (
        day(0, row(1, 1, "a", op="I")),
        day(1, row(1, 2, None, op="D"), row(1, 3, None, op="D")),
        day(2, row(1, 4, "a", op="I"), row(2, 9, None, op="D")),
    )
    names = "id v effective_from effective_to is_current _bronze_date"
    alive = [(1, "a", 1, 2, False, DAYS[0]), (1, "a", 4, None, True, DAYS[2])]
    dead = [(1, "a", 2, 4, False, DAYS[1]), (2, None, 9, None, False, DAYS[2])]
    expected = sorted(alive + (dead if deletes == "tombstone" else []), key=repr)
    assert values(table, *changes, names=names) == expected


def test_a_version_from_the_beginning_has_no_start() -> None:
    table = with_(history="full")
    assert values(
        table, day(0, row(1, None, "a"), row(1, 7, "b")), names="v effective_from effective_to"
    ) == [("a", None, 7), ("b", 7, None)]


SNAPSHOTS = (
    day(0, row(1, 9, "a"), row(2, 1, "x"), load="full", epoch=1),
    day(1, row(2, 0, "y"), load="full", epoch=2),
    day(2, load="full", epoch=3),
    day(3, row(1, 1, "c"), load="full", epoch=4),
)


@pytest.mark.parametrize(
    ("deletes", "count", "expected"),
    [
        ("ignore", 2, [(1, "a"), (2, "y")]),
        ("hard", 2, [(2, "y")]),
        ("hard", 3, []),
        ("hard", 4, [(1, "c")]),
        ("ignore", 4, [(1, "c"), (2, "y")]),
        ("tombstone", 2, [(1, "a"), (2, "y")]),
    ],
)
def test_a_snapshot_replaces_what_was_before(
    deletes: Literal["ignore", "tombstone", "hard"], count: int, expected: list[Any]
) -> None:
    assert values(with_(deletes=deletes), *SNAPSHOTS[:count]) == expected


def test_a_vanished_key_is_deleted_once_at_the_first_snapshot_that_lacks_it() -> None:
    table = with_(deletes="tombstone")
    assert values(table, *SNAPSHOTS, names="id v is_deleted deleted_at _deleted_date") == [
        (1, "c", False, None, None),
        (2, "y", True, DAYS[2], DAYS[2]),
    ]
    history = with_(table, history="full", columns=("id", "v"))
    assert values(
        history, *SNAPSHOTS, names="id v effective_from effective_to is_deleted is_current"
    ) == [
        (1, "a", DAYS[0], DAYS[1], False, False),
        (1, "a", DAYS[1], DAYS[3], True, False),
        (1, "c", DAYS[3], None, False, True),
        (2, "x", DAYS[0], DAYS[1], False, False),
        (2, "y", DAYS[1], DAYS[2], False, False),
        (2, "y", DAYS[2], None, True, False),
    ]


def test_a_key_that_a_snapshot_marks_as_deleted_does_not_vanish_once_more() -> None:
    table = with_(deletes="tombstone", deleted_column="gone", order=())
    marked = day(1, row(1, None, "b", gone=True), load="full", epoch=2)
    landed = (
        day(0, row(1, None, "a"), load="full"),
        marked,
        day(2, load="full", epoch=3),
    )
    assert values(table, *landed, names="id v deleted_at") == [(1, "a", DAYS[1])]
    history = with_(table, history="full")
    assert values(history, *landed, names="v effective_from is_deleted") == [
        ("a", DAYS[0], False),
        ("a", DAYS[1], True),
    ]


def test_events_add_up() -> None:
    table = Table(columns=("id", "at", "v"), kind="event")
    landed = (day(0, row(1, 1, "a"), row(1, 1, "a")), day(1, row(1, 1, "a")))
    assert values(table, *landed) == [(1, "a")] * 3
    assert values(with_(table, keys=("id",), order=("at",)), *landed) == [(1, "a")]
    assert values(with_(kind="event"), *SNAPSHOTS) == [(1, "a"), (2, "x")]


def test_what_counts_is_the_newest_epoch_or_all_snapshots() -> None:
    def dates(*landed: Landed) -> list[int]:
        return [each.run_date.day for each in counted(landed)]

    assert dates() == []
    assert dates(day(0, is_void=True)) == []
    assert dates(day(0, epoch=1), day(1, epoch=2), day(2, epoch=2)) == [2, 3]
    assert dates(day(0, epoch=1), day(1, epoch=2, load="full"), day(2, epoch=2)) == [2, 3]
    full = [day(number, load="full", epoch=number) for number in range(3)]
    assert dates(*full, day(1, epoch=9, is_void=True)) == [1, 2, 3]
    assert dates(day(0, epoch=1), *full[1:]) == [2, 3]


def test_late_records_are_kept_out_but_of_the_first_date() -> None:
    def at(day: int, hour: int) -> datetime:
        return datetime(2025, 3, day, hour, tzinfo=UTC)

    table = with_(late_after=timedelta(hours=1))
    landed = (
        day(0, row(1, at(1, 0) - timedelta(days=900), "history")),
        day(1, row(2, at(1, 23), "on time"), row(3, at(1, 22), "late"), row(4, None, "no time")),
    )
    assert [each[0] for each in values(table, *landed)] == [1, 2, 4]
    dates = (day(0), day(2, row(5, DAYS[1], "late"), row(6, DAYS[2], "on time")))
    assert [each[0] for each in values(table, *dates)] == [6]
