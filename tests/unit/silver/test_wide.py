"""Tables of more columns than DuckDB compares or sorts at once: the same rows, some columns, or
some rows of a file, at a time."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.silver.fold import winners
from bronze_engine.silver.merge import pieces

from .lake import NAME, Lake
from .merged import Table
from .oracle import Landed
from .oracle import Table as Curated
from .tables import own, record, shape_of
from .test_merge import of_all
from .test_steps import DAYS

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

VALUES = ("a", "b", "c")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two columns are compared at a time, and two rows of three and more are made."""
    monkeypatch.setattr(winners, "COLUMNS_AT_ONCE", 2)
    monkeypatch.setattr(pieces, "_FEW_COLUMNS", 2)
    monkeypatch.setattr(pieces, "_PIECE_CELLS", 8)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("deletes", ["ignore", "tombstone", "hard"])
@pytest.mark.parametrize("seed", range(3))
async def test_snapshots_of_many_columns_make_the_versions_that_those_of_few_make(
    tmp_path: Path, deletes: Literal["ignore", "tombstone", "hard"], seed: int
) -> None:
    fate = random.Random(seed)
    columns = own(id=pa.int64(), **{name: pa.string() for name in VALUES})
    shape = shape_of(history="full", load="full", order=(), deletes=deletes, columns=columns)
    table = Table(shape, tmp_path)

    def snapshot(day: int) -> list[tuple[Any, ...]]:
        keys = [key for key in range(6) if fate.random() < 0.7]
        return [record(day, key, *(fate.choice(["x", "y", None]) for _ in VALUES)) for key in keys]

    for day in [2, 4, 5, 3, 4, 1]:
        await table.land({day: snapshot(day)})
        assert table.rows == of_all(table)
    await table.land({6: snapshot(6), 7: snapshot(7)}, rebuild=True)
    assert table.rows == of_all(table)


@pytest.mark.usefixtures("at_once")
async def test_files_of_many_columns_are_made_of_some_of_their_rows_at_a_time(
    tmp_path: Path,
) -> None:
    columns = own(id=pa.int64(), **{name: pa.string() for name in VALUES})
    table = Curated(columns=("id", *VALUES), keys=("id",))
    lake = Lake(tmp_path, table, columns, load="full")
    rows = tuple({"id": key, "a": "x", "b": None, "c": str(key)} for key in range(5))
    lake.land(Landed(run_date=DAYS[0], files=(rows,), load="full"))
    async with open_engine(lake.config()) as engine:
        report = await engine.silver(NAME)
    assert report.files == 3
    assert sorted(row["id"] for row in lake.rows() or []) == list(range(5))
