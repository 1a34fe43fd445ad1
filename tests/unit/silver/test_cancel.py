"""Cancelled at any await of any of its tasks, a run of Silver is as if it had never been, or whole;
and nothing of it is left: no file, no lease, no spill, no thread's work."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.model.arrow import Field
from bronze_engine.testing import CutStyle, cut_at
from bronze_engine.testing.left import nothing_left
from tests.unit.run.harness import is_idle, load_text

from .lake import NAME, Lake
from .oracle import Landed, Row, Table

pytestmark = [pytest.mark.unit, pytest.mark.slow]

DAYS: Final = [date(2025, 3, day) for day in (1, 2)]
FULL: Final = Table(columns=("id", "at", "v"), keys=("id",), order=("at",), history="full")
CURRENT: Final = msgspec.structs.replace(FULL, history="current")
OUTPUT: Final = "[pipelines.team.orders.silver.output]\nmax_rows_per_file = 8\n"
"""So that outputs of a current table are landed side by side."""
FIELDS: Final[list[Field]] = [
    pa.field("id", pa.int64()),
    pa.field("at", pa.int64()),
    pa.field("v", pa.string()),
]
STRIDE: Final = 5
"""Every fifth await of a merge; the two styles begin at others."""


def rows(at: int, count: int) -> tuple[Row, ...]:
    return tuple({"id": number, "at": at, "v": f"{at}"} for number in range(count))


@pytest.mark.asyncio
@pytest.mark.parametrize("table", [FULL, CURRENT], ids=["full", "current"])
@pytest.mark.parametrize("style", ["native", "scope"])
async def test_a_merge_is_cancelled_at_any_step(
    tmp_path: Path, style: CutStyle, table: Table
) -> None:
    lake = Lake(tmp_path, table, pa.schema(FIELDS), load="incremental")
    spill = tmp_path / "spill"
    config = load_text(lake.toml() + OUTPUT, f"engine.spill_dir='{spill}'", folder=tmp_path)
    lake.land(Landed(run_date=DAYS[0], files=(rows(1, 20),)))
    async with open_engine(config) as engine:
        await engine.silver(NAME)
    old = lake.manifest()
    assert old is not None
    lake.land(Landed(run_date=DAYS[1], files=(rows(3, 5), rows(4, 5))))
    lake.land(Landed(run_date=DAYS[0], files=(rows(2, 20),), generation=2))  # taken back
    at = 1 if style == "native" else 2
    before, fired, cancelled = old, True, 0
    while fired:
        async with nothing_left(), open_engine(config) as engine:
            fired = await cut_at(engine.silver(NAME), at, style)
            assert is_idle(engine)
        manifest = lake.manifest()
        assert manifest is not None
        found = lake.rows() or ()
        if manifest.generation == before.generation:
            cancelled += 1
            assert manifest == before
            assert len(found) == before.row_count
        else:
            assert manifest.row_count == len(found) == (30 if table is FULL else 20)
            assert sum(row.get("is_current", True) for row in found) == 20
        assert lake.unowned() == []
        assert list(spill.iterdir()) == []
        leases = [*(lake.root / "_state").rglob("*.lease")]
        assert all(lease.stat().st_size == 0 for lease in leases)
        if manifest.generation != before.generation and fired:
            # It was committed after all: the next one has something to do again.
            lake.land(
                Landed(run_date=DAYS[0], files=(rows(2, 20),), generation=manifest.generation + 2)
            )
            before = manifest
        at += STRIDE
    assert cancelled > 20
