"""What a run of Silver holds of the engine's memory, and when."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import anyio
import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.config.load import Config
from bronze_engine.model.manifest import Manifest
from bronze_engine.silver.landing import Landing
from bronze_engine.telemetry.events import Event, RunPhase
from tests.unit.run.harness import is_idle, load_text

from .lake import NAME, Lake
from .oracle import Landed, Row, Table

pytestmark = pytest.mark.unit

DAYS: Final = [date(2025, 3, day) for day in range(1, 4)]
TABLE: Final = Table(columns=("id", "at"), keys=("id",), order=("at",))
SCHEMA: Final = pa.schema([pa.field("id", pa.int64()), pa.field("at", pa.int32())])


def rows(at: int, ids: range) -> tuple[Row, ...]:
    return tuple({"id": number, "at": at} for number in ids)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path, TABLE, SCHEMA, load="incremental")
    made.land(Landed(run_date=DAYS[0], files=(rows(1, range(40)),)))
    return made


def config_of(lake: Lake, memory: str = "512MiB") -> Config:
    """Ten rows a file: a change of all of them has four to write anew."""
    text = lake.toml() + "[pipelines.team.orders.silver.output]\nmax_rows_per_file = 10\n"
    return load_text(text, f"engine.memory_limit='{memory}'", folder=lake.folder)


def manifest_of(lake: Lake) -> Manifest:
    manifest = lake.manifest()
    assert manifest is not None
    return manifest


class Ear:
    """The phases of runs, and when one waits for memory."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.waits = anyio.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunPhase):
            self.phases.append(event.phase)
            if event.phase == "waiting for memory":
                self.waits.set()


@pytest.mark.asyncio
async def test_a_run_that_finds_nothing_new_waits_for_no_memory(lake: Lake) -> None:
    ear = Ear()
    async with open_engine(config_of(lake), hooks=[ear]) as engine:
        await engine.silver(NAME)
        budget = engine._services.budget
        async with budget.reserve(budget.limit_bytes):
            report = await engine.silver(NAME)
    assert (report.status, report.generation) == ("committed", 1)
    assert not ear.waits.is_set()


@pytest.mark.asyncio
async def test_what_lands_while_a_run_waits_for_memory_counts(lake: Lake) -> None:
    ear = Ear()
    async with open_engine(config_of(lake), hooks=[ear]) as engine:
        budget = engine._services.budget
        async with anyio.create_task_group() as tasks, budget.reserve(budget.limit_bytes):
            tasks.start_soon(engine.silver, NAME)
            await ear.waits.wait()
            lake.land(Landed(run_date=DAYS[0], files=(rows(1, range(20)),), generation=2))
            lake.land(Landed(run_date=DAYS[1], files=(rows(2, range(5)),)))
        assert is_idle(engine)
    manifest = manifest_of(lake)
    assert manifest.silver is not None
    took_in = [(one.run_date, one.generation) for one in manifest.silver.inputs]
    assert took_in == [(DAYS[0], 2), (DAYS[1], 1)]
    assert manifest.row_count == 20
    assert ear.phases == [
        "preparing",
        "waiting for memory",
        "reading bronze",
        "merging",
        "publishing",
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize(("memory", "at_once"), [("512MiB", 2), ("400MiB", 1)])
async def test_a_second_encoder_is_there_where_its_memory_is_free(
    lake: Lake, memory: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written is the same."""
    asked, reserved = list[int](), list[int]()
    land = Landing.land

    async def told(self: Landing, *args: object, at_once: int) -> None:
        asked.append(at_once)
        reserved.append(engine.statistics().reserved_bytes)
        await land(self, *args, at_once=at_once)  # type: ignore[arg-type]

    monkeypatch.setattr(Landing, "land", told)
    async with open_engine(config_of(lake, memory)) as engine:
        await engine.silver(NAME)
        lake.land(Landed(run_date=DAYS[1], files=(rows(2, range(0, 44, 3)),)))
        await engine.silver(NAME)
        assert is_idle(engine)
    assert asked == [1, at_once]  # a rebuild is DuckDB's alone
    assert (reserved[1] > reserved[0]) == (at_once == 2)
    files = manifest_of(lake).files
    assert [one.row_count for one in files] == [6, 7, 7, 6, 10, 5]
    assert [one.name.split("-")[-2:] for one in files] == [
        [f"{number:05}", f"{file:05}.parquet"]
        for number, file in [(0, 0), (2, 0), (4, 0), (6, 0), (8, 0), (8, 1)]
    ]
    assert lake.unowned() == []
