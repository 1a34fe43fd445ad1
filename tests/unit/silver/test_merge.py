"""Merges: what is new against what stands. The table is always what the fold of all records is."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pytest

from bronze_engine.model.manifest import Load
from bronze_engine.model.part import DataFile
from bronze_engine.silver.columns.shape import Shape
from bronze_engine.silver.memory import LEAST_DATABASE_BYTES
from bronze_engine.silver.merge.files import rewritten
from bronze_engine.silver.merge.held import HeldFile
from bronze_engine.silver.merge.pieces import Piece, Share, pieces
from bronze_engine.silver.merge.snapshots import differing_keys

from .merged import Table
from .tables import DAY, own, record, shape_of, shown

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


def of_all(table: Table) -> list[tuple[Any, ...]]:
    """The rows that all records of Bronze make."""
    every = [one for records in table.bronze.values() for one in records]
    return shown(table.shape, every, sorted(table.bronze) if table.shape.is_snapshot else ())


async def test_a_file_without_a_touched_key_stays(tmp_path: Path) -> None:
    table = Table(shape_of(), tmp_path)
    await table.land({1: [record(1, number, 10, "a") for number in range(8)]})
    plan = await table.land({2: [record(2, 1, 20, "b"), record(2, 9, 20, "c")]})
    assert plan.mode == "append"
    assert [file.row_count for file in plan.kept] == [4]
    assert table.rows == of_all(table)


async def test_a_late_record_of_a_living_key_changes_no_file(tmp_path: Path) -> None:
    table = Table(shape_of(load="cdc", deletes="hard"), tmp_path)
    await table.land({2: [record(2, 1, 20, "b")]})
    plan = await table.land({3: [record(3, 1, 10, "a"), record(3, 1, 5, "-", is_delete=True)]})
    assert (plan.mode, len(plan.kept), plan.outputs) == ("append", 1, ())
    assert table.rows == of_all(table)


async def test_of_equals_the_later_date_wins_whenever_it_comes(tmp_path: Path) -> None:
    table = Table(shape_of(), tmp_path)
    await table.land({2: [record(2, 1, 20, "second"), record(2, 2, 20, "second")]})
    await table.land({1: [record(1, 1, 20, "first")], 3: [record(3, 2, 20, "third")]})
    assert [row[2] for row in table.rows] == ["second", "third"]


async def test_a_late_record_does_not_raise_the_dead(tmp_path: Path) -> None:
    table = Table(shape_of(load="cdc", deletes="hard"), tmp_path)
    await table.land({1: [record(1, 1, 10, "a"), record(1, 1, 30, None, is_delete=True)]})
    assert table.rows == []
    await table.land({2: [record(2, 1, 20, "late")]})
    assert table.rows == []
    await table.land({3: [record(3, 1, 40, "back")]})
    assert table.rows == [(1, 40, "back", DAY(3))]
    assert table.held is not None
    assert table.held.departed == ()


async def test_what_ties_with_a_delete_is_read_from_bronze_again(tmp_path: Path) -> None:
    columns = own(id=pa.int64(), at=pa.int64(), seq=pa.int64())
    table = Table(
        shape_of(load="cdc", deletes="hard", columns=columns, order=("at", "seq")), tmp_path
    )
    await table.land({2: [record(2, 1, 10, 5, is_delete=True)]})
    plan = await table.land({3: [record(3, 1, 10, 4), record(3, 2, 10, 4)]})
    assert (plan.mode, plan.anew_keys) == ("recompute", 1)
    assert table.rows == [(2, 10, 4, DAY(3))]


async def test_a_delete_shows_the_values_that_the_table_has(tmp_path: Path) -> None:
    table = Table(shape_of(load="cdc", deletes="tombstone"), tmp_path)
    await table.land({1: [record(1, 1, 10, "a"), record(1, 2, 10, "b")]})
    plan = await table.land({2: [record(2, 1, 20, None, is_delete=True)]})
    assert plan.mode == "append"
    assert table.rows == [
        (1, 10, "a", True, 20, DAY(2), DAY(1)),
        (2, 10, "b", False, None, None, DAY(1)),
    ]


async def test_a_date_that_is_landed_again_is_taken_back(tmp_path: Path) -> None:
    table = Table(shape_of(load="cdc", deletes="tombstone"), tmp_path)
    await table.land({1: [record(1, number, 10, "a") for number in range(6)]})
    await table.land({2: [record(2, 1, 20, "b"), record(2, 2, 20, None, is_delete=True)]})
    plan = await table.land({2: [record(2, 3, 20, "c")]})
    assert (plan.mode, plan.anew_keys) == ("recompute", 2)
    assert table.reads == [None, "merge_anew"]
    assert table.rows == of_all(table)
    await table.land({2: []})
    assert {row[2] for row in table.rows} == {"a"}


async def test_a_version_ends_where_the_next_begins(tmp_path: Path) -> None:
    table = Table(shape_of(history="full"), tmp_path)
    await table.land({1: [record(1, 1, 10, "a"), record(1, 1, 20, "b"), record(1, 2, 10, "x")]})
    plan = await table.land({2: [record(2, 1, 30, "c")]})
    assert (plan.mode, plan.current_rows) == ("append", 2)
    assert [file.name for file in plan.kept] == ["2.parquet"], "of versions that have ended"
    assert table.rows == of_all(table)


@pytest.mark.parametrize("deletes", ["tombstone", "hard"])
async def test_records_out_of_order_make_their_versions_anew(
    tmp_path: Path, deletes: Literal["tombstone", "hard"]
) -> None:
    table = Table(shape_of(history="full", load="cdc", deletes=deletes), tmp_path)
    await table.land({1: [record(1, 1, 10, "a"), record(1, 1, 30, "c"), record(1, 2, 10, "x")]})
    plan = await table.land({2: [record(2, 1, 20, "b"), record(2, 2, 20, None, is_delete=True)]})
    assert (plan.mode, plan.anew_keys) == ("recompute", 1)
    await table.land({3: [record(3, 2, 40, None, is_delete=True)]})
    await table.land({4: [record(4, 2, 30, "between two deletes")]})
    assert table.rows == of_all(table)
    await table.land({2: [record(2, 1, 20, "b")]})
    assert table.rows == of_all(table)


@pytest.mark.parametrize("deletes", ["tombstone", "hard"])
async def test_what_a_delete_that_is_no_version_took_the_place_of_comes_back_without_it(
    tmp_path: Path, deletes: Literal["tombstone", "hard"]
) -> None:
    table = Table(shape_of(history="full", load="cdc", deletes=deletes), tmp_path)
    await table.land({1: [record(1, 1, 10, None, is_delete=True), record(1, 1, 20, "a")]})
    await table.land({2: [record(2, 1, 20, None, is_delete=True)]})
    assert table.rows == of_all(table)
    plan = await table.land({2: []})
    assert plan.anew_keys == 1
    assert table.rows == of_all(table)
    assert "a" in {row[2] for row in table.rows}


@pytest.mark.parametrize("deletes", ["tombstone", "hard"])
async def test_keys_that_were_deleted_long_ago_stand_where_another_date_is_taken_back(
    tmp_path: Path, deletes: Literal["tombstone", "hard"]
) -> None:
    table = Table(shape_of(history="full", load="cdc", deletes=deletes), tmp_path)
    dead = [record(1, key, 10, "a") for key in range(9)]
    await table.land({1: [*dead, *(record(1, key, 20, None, is_delete=True) for key in range(9))]})
    await table.land({2: [record(2, 7, 30, "b"), record(2, 8, 30, None, is_delete=True)]})
    await table.land({3: [record(3, 50, 40, "c")]})
    plan = await table.land({3: [record(3, 50, 40, "d"), record(3, 51, 10, "e")]})
    assert plan.anew_keys == 1
    assert table.rows == of_all(table)


async def test_of_a_snapshot_only_what_differs_is_written(tmp_path: Path) -> None:
    shape = shape_of(history="full", load="full", order=(), deletes="hard")
    table = Table(shape, tmp_path)
    await table.land({1: [record(1, number, 0, "a") for number in range(12)]})
    news = [record(2, number, 0, "a") for number in range(1, 12)]
    news[3] = record(2, 4, 0, "b")
    plan = await table.land({2: [*news, record(2, 12, 0, "new")]})
    assert (plan.mode, plan.current_rows) == ("append", 12)
    assert [file.row_count for file in plan.kept] == [4], "keys 8 to 11"
    assert table.rows == of_all(table)
    assert table.reads == [None]


async def test_of_a_snapshot_landed_again_only_what_it_says_otherwise_is_made_anew(
    tmp_path: Path,
) -> None:
    shape = shape_of(history="full", load="full", order=(), deletes="tombstone")
    table = Table(shape, tmp_path)
    for day in (1, 3, 4):
        await table.land({day: [record(day, number, 0, "a") for number in range(8)]})
    again = [record(3, number, 0, "b" if number == 6 else "a") for number in range(1, 8)]
    plan = await table.land({3: again})
    assert (plan.mode, plan.anew_keys, len(plan.kept)) == ("recompute", 2, 0)
    assert table.rows == of_all(table)
    plan = await table.land({2: [record(2, number, 0, "a") for number in range(8)]})
    assert (plan.anew_keys, plan.outputs) == (0, ())
    assert table.rows == of_all(table)


async def test_a_month_of_snapshots_fits_the_least_memory(tmp_path: Path) -> None:
    own_columns = own(id=pa.int64())
    shape = shape_of(load="full", history="full", deletes="hard", order=(), columns=own_columns)
    days = [DAY(number) for number in range(1, 31)]
    with duckdb.connect(config={"memory_limit": f"{LEAST_DATABASE_BYTES}B", "threads": 1}) as duck:
        duck.execute(f"SET temp_directory = '{tmp_path}'")
        duck.execute(
            "CREATE VIEW records AS SELECT id, FALSE AS _is_delete, 0 AS _bronze_part,"
            " id AS _bronze_row, DATE '2025-01-01' + CAST(day AS INTEGER) AS _bronze_date"
            " FROM range(500) AS i(id), range(30) AS d(day) WHERE id <> 7 OR day < 20"
        )
        rows = "SELECT id, TRUE AS is_current FROM range(500) AS i(id)"
        (keys,) = differing_keys(shape, "records", rows, days)
        found = duck.execute(keys).fetchall()
    assert found == [(7,)]


async def test_an_older_snapshot_says_nothing_where_only_the_newest_counts(
    tmp_path: Path,
) -> None:
    table = Table(shape_of(load="full", order=(), deletes="hard"), tmp_path)
    await table.land({2: [record(2, 1, 0, "a")]})
    plan = await table.land({1: [record(1, 2, 0, "a")]})
    assert (len(plan.kept), plan.outputs) == (1, ())
    await table.land({2: [record(2, 3, 0, "a")]})
    assert table.rows == [(3, 0, "a", DAY(2))]


async def test_the_newest_snapshot_replaces_the_table(tmp_path: Path) -> None:
    table = Table(shape_of(load="full", order=(), deletes="hard"), tmp_path)
    await table.land({1: [record(1, 1, 0, "a"), record(1, 2, 0, "a")]})
    plan = await table.land({2: [record(2, 2, 0, "a")], 3: [record(3, 2, 0, "b")]})
    assert (plan.mode, plan.kept) == ("append", ())
    assert table.rows == [(2, 0, "b", DAY(3))]
    assert table.reads == [None]


async def test_events_add_up_and_are_taken_back(tmp_path: Path) -> None:
    table = Table(shape_of(kind="event", keys=()), tmp_path)
    await table.land({1: [record(1, number, 0, "a") for number in range(4)]})
    plan = await table.land({2: [record(2, 1, 0, "b"), record(2, 1, 0, "b")]})
    assert (plan.mode, len(plan.kept)) == ("append", 1)
    plan = await table.land({2: [record(2, 1, 0, "c")]})
    assert (plan.mode, len(plan.kept)) == ("recompute", 1)
    assert table.rows == of_all(table)


@pytest.mark.parametrize("deletes", ["tombstone", "hard"])
async def test_versions_of_dates_that_bronze_has_no_more_stay(
    tmp_path: Path, deletes: Literal["tombstone", "hard"]
) -> None:
    table = Table(shape_of(history="full", load="cdc", deletes=deletes), tmp_path)
    await table.land({1: [record(1, 1, 10, "a"), record(1, 1, 20, None, is_delete=True)]})
    await table.land({2: [record(2, 1, 30, "b")]})
    before = table.rows
    await table.land({2: [record(2, 1, 40, "b")]}, gone=[1])
    assert table.bronze.keys() == {DAY(2)}
    await table.land({2: [record(2, 1, 30, "b")]}, gone=[1])
    assert table.rows == before


async def test_what_a_deleted_key_was_is_known_when_its_delete_is_taken_back(
    tmp_path: Path,
) -> None:
    table = Table(shape_of(load="cdc", deletes="tombstone"), tmp_path)
    await table.land({1: [record(1, 1, 10, "a")]})
    await table.land({2: [record(2, 1, 20, None, is_delete=True)]})
    await table.land({2: []}, gone=[1])
    assert table.rows == [(1, 10, "a", False, None, None, DAY(1))]


async def test_a_column_that_older_files_lack_is_null_there(tmp_path: Path) -> None:
    table = Table(shape_of(), tmp_path)
    await table.land({1: [record(1, number, 10, "a") for number in range(8)]})
    table.bronze = {}
    table.with_columns(own(id=pa.int64(), new=pa.float64(), at=pa.int64(), v=pa.string()))
    plan = await table.land({2: [record(2, 1, 0.5, 20, "b")]})
    assert len(plan.kept) == 1
    assert [row for row in table.rows if row[0] < 2] == [
        (0, None, 10, "a", DAY(1)),
        (1, 0.5, 20, "b", DAY(2)),
    ]


STATES = [
    (load, history, deletes, order)
    for load in ("full", "cdc")
    for history in ("current", "full")
    for deletes in ("ignore", "tombstone", "hard")
    for order in ((), ("at", "seq"))
]


@pytest.mark.parametrize(("load", "history", "deletes", "order"), STATES)
async def test_merges_in_any_order_make_what_the_fold_of_all_makes(
    tmp_path: Path,
    load: Load,
    history: Literal["current", "full"],
    deletes: Literal["ignore", "tombstone", "hard"],
    order: tuple[str, ...],
) -> None:
    columns = own(id=pa.int64(), k=pa.string(), at=pa.int64(), seq=pa.float64())
    shape = shape_of(
        load=load, history=history, deletes=deletes, keys=("id", "k"), order=order, columns=columns
    )
    pick = random.Random(f"{load} {history} {deletes} {order}")
    table = Table(shape, tmp_path)
    for _ in range(4):
        days = pick.sample(range(1, 6), pick.choice([1, 1, 2]))
        await table.land({day: _records(pick, day) for day in days})
        assert table.rows == of_all(table)
        assert table.held is not None
        assert table.held.current_rows == _current_rows(shape, table)


def _records(pick: random.Random, day: int) -> list[tuple[Any, ...]]:
    return [
        record(
            day,
            pick.choice([None, 1, 2]),
            pick.choice([None, "x"]),
            pick.choice([None, *range(9)]),
            pick.choice([None, 0.0, 1.0]),
            part=number // 3,
            row=number + 1,
            is_delete=pick.random() < 0.25,
        )
        for number in range(pick.choice([0, 2, 5]))
    ]


def _current_rows(shape: Shape, table: Table) -> int:
    if shape.history != "full":
        return 0
    place = len(shape.names) + 2
    return sum(row[place] for row in table.rows)


async def test_small_files_of_a_folder_become_one() -> None:
    def held(rows: int, country: str) -> HeldFile:
        file = DataFile(
            name="-", size_bytes=1, sha256="", row_count=rows, values={"country": country}
        )
        return HeldFile(file=file, path=Path("-"), schema=pa.schema([]))

    few = [held(10, "DE") for _ in range(7)] + [held(90, "DE"), held(10, "FR")]
    assert rewritten(few, {8}, max_rows=100) == [8]
    assert rewritten([*few, held(49, "DE")], set(), max_rows=100) == [*range(7), 9]


async def test_pieces_have_whole_files_and_no_more_rows_than_asked() -> None:
    counts: list[Share] = [
        (DAY(1), 0, 0, 40),
        (DAY(1), 1, 0, 20),
        (DAY(1), 1, 7, 20),
        (DAY(2), 0, 0, 40),
        (DAY(3), 0, 0, 500),
        (DAY(3), 1, 0, 1),
        (DAY(4), 0, 1, 60),
        (DAY(4), 0, 2, 60),
        (DAY(4), 1, 0, 1),
    ]
    assert list(pieces(counts, 100)) == [
        Piece(first=(DAY(1), 0), last=(DAY(1), 1)),
        Piece(first=(DAY(2), 0), last=(DAY(2), 0)),
        Piece(first=(DAY(3), 0), last=(DAY(3), 0)),
        Piece(first=(DAY(3), 1), last=(DAY(3), 1)),
        Piece(first=(DAY(4), 0), last=(DAY(4), 0), rows=(100, 199)),
        Piece(first=(DAY(4), 0), last=(DAY(4), 0), rows=(200, 299)),
        Piece(first=(DAY(4), 1), last=(DAY(4), 1)),
    ]
    assert list(pieces([], 100)) == []
