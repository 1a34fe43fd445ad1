"""A run of Silver from end to end: what it commits, what it tells, and what it leaves alone."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.errors import ConfigError, QualityError, StateError, StoreError
from bronze_engine.model.arrow import Field
from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.manifest import Checksums, Manifest
from bronze_engine.model.report import RunReport
from bronze_engine.publish.names import data_name
from bronze_engine.telemetry.events import (
    Event,
    FileStaged,
    RowsWritten,
    RunFinished,
    RunPhase,
    RunStarted,
)
from tests.unit.run.harness import is_idle, load_text

from .holding import held
from .lake import NAME, Lake
from .oracle import Landed, Row, Table

pytestmark = pytest.mark.unit

DAYS: Final = [date(2025, 3, day) for day in range(1, 5)]
FIELDS: Final[list[Field]] = [
    pa.field("id", pa.int64()),
    pa.field("at", pa.int32()),
    pa.field("v", pa.string()),
]
SCHEMA: Final = pa.schema(FIELDS)
WIDER: Final = SCHEMA.set(1, pa.field("at", pa.int64()))
TABLE: Final = Table(columns=("id", "at", "v"), keys=("id",), order=("at",))


def rows(start: int, count: int, at: int, value: str = "a") -> tuple[Row, ...]:
    return tuple({"id": start + n, "at": at, "v": value} for n in range(count))


def landed(day: date, *files: tuple[Row, ...], generation: int = 1) -> Landed:
    return Landed(run_date=day, files=files, generation=generation)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path, TABLE, SCHEMA, load="incremental")
    made.land(landed(DAYS[0], rows(0, 6, 1), rows(6, 4, 1)))
    return made


async def run(lake: Lake, *, days: list[date] | None = None, **options: bool) -> RunReport:
    async with open_engine(lake.config()) as engine:
        report = await engine.silver(NAME, run_dates=days, **options)
        assert is_idle(engine)
    return report


def manifest_of(lake: Lake) -> Manifest:
    manifest = lake.manifest()
    assert manifest is not None
    return manifest


@pytest.mark.asyncio
async def test_a_table_has_the_artifacts_of_a_partition(lake: Lake) -> None:
    report = await run(lake)
    manifest = manifest_of(lake)
    assert (manifest.generation, manifest.run_date, manifest.row_count) == (1, DAYS[0], 10)
    assert (manifest.run, manifest.load) == (report.run, "incremental")
    assert manifest.source.type == "silver"
    assert manifest.source.location == "team/orders"
    assert [column.name for column in manifest.schema] == ["id", "at", "v", "_bronze_date"]
    assert [one.run for one in manifest.lineage] == [report.run]
    table = manifest.silver
    assert table is not None
    (went_in,) = table.inputs
    bronze = (lake.root / "team/orders/dt=2025-03-01/_metadata.json").read_bytes()
    assert went_in.manifest_sha256 == hashlib.sha256(bronze).hexdigest()
    assert (went_in.run_date, went_in.generation, went_in.rows) == (DAYS[0], 1, 10)
    body = (lake.silver / "_metadata.json").read_bytes()
    checksums = Checksums(
        generation=1,
        run=report.run,
        files=tuple(
            Checksums.File(
                path=file.name,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                row_count=file.row_count,
            )
            for file in manifest.files
        ),
        manifest_sha256=hashlib.sha256(body).hexdigest(),
    )
    written = (lake.silver / "_checksums.json").read_bytes()
    assert msgspec.json.decode(written, type=Checksums) == checksums
    assert lake.unowned() == []


@pytest.mark.asyncio
async def test_a_report_says_what_went_in_and_lies_beside_bronzes(lake: Lake) -> None:
    lake.land(landed(DAYS[1], rows(3, 2, 2, "b")))
    report = await run(lake, days=[DAYS[0]])
    assert (report.layer, report.status, report.rows, report.files) == (
        "silver",
        "committed",
        10,
        1,
    )
    assert report.partition == f"{lake.root}/silver/team/orders"
    told = report.silver
    assert told is not None
    assert (told.mode, told.records) == ("rebuild", 10)
    assert [one.run_date for one in told.inputs] == [DAYS[0]]
    assert [one.run_date for one in told.pending] == [DAYS[1]]
    kept = lake.root / f"_runs/silver/team/orders/2025-03-01/{report.run}.json"
    assert kept.exists()


@pytest.mark.asyncio
async def test_with_nothing_new_nothing_is_committed(lake: Lake) -> None:
    await run(lake)
    before = manifest_of(lake)
    report = await run(lake)
    assert manifest_of(lake) == before
    assert report.silver is not None
    assert (report.silver.mode, report.generation, report.rows) == (None, 1, 10)
    assert report.bytes_out == 0


@pytest.mark.asyncio
async def test_a_run_with_nothing_new_mends_what_one_that_died_left_undone(lake: Lake) -> None:
    await run(lake)
    checksums = (lake.silver / "_checksums.json").read_bytes()
    (lake.silver / "_checksums.json").write_bytes(b"{}")
    (lake.silver / data_name(generation=1, run="dead", slice=0, number=0)).write_bytes(b"dead")
    beyond = data_name(generation=2, run="other", slice=0, number=0)
    (lake.silver / beyond).write_bytes(b"not ours to judge")
    report = await run(lake)
    assert (report.generation, report.degraded) == (1, ())
    assert (lake.silver / "_checksums.json").read_bytes() == checksums
    assert lake.unowned() == [beyond]


@pytest.mark.asyncio
async def test_files_that_nothing_has_changed_in_stay(tmp_path: Path) -> None:
    lake = Lake(tmp_path, TABLE, SCHEMA, load="incremental")
    lake.land(landed(DAYS[0], rows(0, 30, 1)))
    config = load_text(
        lake.toml(),
        "silver.output.max_rows_per_file=10",
        "silver.output.row_group_rows=10",
        folder=tmp_path,
    )
    async with open_engine(config) as engine:
        await engine.silver(NAME)
        first = manifest_of(lake)
        assert [file.row_count for file in first.files] == [10, 10, 10]
        lake.land(landed(DAYS[1], rows(12, 1, 2, "b")))
        report = await engine.silver(NAME)
    second = manifest_of(lake)
    assert second.files[:2] == (first.files[0], first.files[2])
    assert second.silver is not None
    assert (second.silver.mode, second.silver.kept_files) == ("append", 2)
    assert report.silver is not None
    assert report.silver.kept_files == 2
    assert report.bytes_out == sum(file.size_bytes for file in second.files[2:])
    assert lake.unowned() == []
    changed = [row for row in lake.rows() or () if row["v"] == "b"]
    assert [row["id"] for row in changed] == [12]


@pytest.mark.asyncio
async def test_the_same_bronze_gives_the_same_files(tmp_path: Path) -> None:
    hashes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        lake = Lake(tmp_path / name, TABLE, SCHEMA, load="incremental")
        lake.land(landed(DAYS[0], rows(0, 150_000, 1)))  # two row groups, and two threads
        await run(lake)
        lake.land(landed(DAYS[1], rows(500, 700, 2, "b")))
        await run(lake)
        hashes.append([file.sha256 for file in manifest_of(lake).files])
    assert hashes[0] == hashes[1]


@pytest.mark.asyncio
async def test_a_report_counts_the_keys_that_came_changed_and_went(tmp_path: Path) -> None:
    table = Table(
        columns=("id", "at", "v"), keys=("id",), order=("at",), deletes="hard", deleted_column="v"
    )
    lake = Lake(tmp_path, table, SCHEMA, load="incremental")
    lake.land(landed(DAYS[0], tuple({"id": n, "at": 1, "v": None} for n in range(10))))
    first = (await run(lake)).silver
    assert first is not None
    assert first.changes is None
    news = [(0, 2, None), (1, 2, "gone"), (2, 2, "gone"), (20, 2, None), (21, 2, "gone")]
    lake.land(landed(DAYS[1], tuple({"id": id_, "at": at, "v": v} for id_, at, v in news)))
    report = await run(lake)
    assert report.silver is not None
    assert report.silver.changes == ChangeCounts(inserts=1, updates=1, deletes=2)
    bronze = lake.root / "team/orders/dt=2025-03-02"
    assert report.bytes_in == sum(file.stat().st_size for file in bronze.glob("*.parquet"))
    lake.land(landed(DAYS[1], ({"id": 2, "at": 2, "v": None},), generation=2))  # taken back
    again = (await run(lake)).silver
    assert again is not None
    # 0, 1 and 2 are as they were at first, 20 has never been.
    assert again.changes == ChangeCounts(inserts=2, updates=1, deletes=1)


@pytest.mark.asyncio
async def test_a_column_that_comes_later_is_null_before(lake: Lake) -> None:
    await run(lake)
    wider = Lake(
        lake.folder,
        TABLE,
        SCHEMA.append(pa.field("extra", pa.float64())),
        load="incremental",
    )
    wider.land(landed(DAYS[1], ({"id": 100, "at": 2, "v": "b", "extra": 0.5},)))
    report = await run(wider)
    assert [(each.change, each.column) for each in report.schema_changes] == [("added", "extra")]
    manifest = manifest_of(wider)
    assert manifest.silver is not None
    assert (manifest.silver.mode, manifest.row_count) == ("append", 11)


@pytest.mark.asyncio
async def test_a_type_that_has_changed_makes_all_files_anew(lake: Lake) -> None:
    await run(lake)
    wider = Lake(lake.folder, TABLE, WIDER, load="incremental")
    wider.land(landed(DAYS[1], ({"id": 100, "at": 2**40, "v": "b"},)))
    await run(lake)
    manifest = manifest_of(lake)
    assert manifest.silver is not None
    assert (manifest.silver.mode, manifest.silver.kept_files) == ("rebuild", 0)
    assert [change.change for change in manifest.schema_changes] == ["widened"]
    assert {row["at"] for row in lake.rows() or ()} == {1, 2**40}


@pytest.mark.asyncio
async def test_a_new_type_keeps_the_rows_that_bronze_has_no_more(lake: Lake) -> None:
    await run(lake)
    lake.remove(DAYS[0])
    wider = Lake(lake.folder, TABLE, WIDER, load="incremental")
    wider.land(landed(DAYS[1], ({"id": 3, "at": 2**40, "v": "b"},)))
    await run(lake)
    found = {row["id"]: row["at"] for row in lake.rows() or ()}
    assert found == dict.fromkeys(range(10), 1) | {3: 2**40}


@pytest.mark.parametrize(("column", "history"), [("v", "current"), ("at", "full")])
@pytest.mark.asyncio
async def test_a_time_that_a_finer_type_does_not_reach_is_told(
    tmp_path: Path, column: str, history: str
) -> None:
    table = msgspec.structs.replace(TABLE, history=history)
    coarse_type, fine_type = pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC")
    fields = {"id": pa.int64(), "at": coarse_type, "v": coarse_type}
    coarse, fine = (
        Lake(tmp_path, table, pa.schema(list((fields | more).items())), load="incremental")
        for more in ({}, {column: fine_type})
    )
    soon, far = datetime(2025, 1, 1, tzinfo=UTC), datetime(2500, 1, 1, 12, tzinfo=UTC)
    row = {"id": 1, "at": soon, "v": soon}
    coarse.land(landed(DAYS[0], (row, row | {"id": 2, column: far})))
    await run(coarse)
    coarse.remove(DAYS[0])
    fine.land(landed(DAYS[1], (row | {"at": datetime(2025, 1, 2, tzinfo=UTC)},)))
    with pytest.raises(QualityError) as failed:
        await run(fine)
    told = failed.value.message
    assert told.startswith(f"column {column!r} is of nanoseconds in Bronze now, which end in 2262")
    assert "the table has 2500-01-01T12:00:00.000000Z of 2025-03-01, which Bronze has no" in told
    assert f"`bronze silver {NAME} --rebuild`" in told
    await run(fine, rebuild=True)
    assert [row["id"] for row in fine.rows() or () if row.get("is_current", True)] == [1]


@pytest.mark.asyncio
async def test_hooks_are_told_of_a_run_of_silver(lake: Lake) -> None:
    events: list[Event] = []
    async with open_engine(lake.config(), hooks=[events.append]) as engine:
        report = await engine.silver(NAME)
    (started,) = (event for event in events if isinstance(event, RunStarted))
    assert (started.layer, started.run) == ("silver", report.run)
    phases = [event.phase for event in events if isinstance(event, RunPhase)]
    assert phases == ["preparing", "reading bronze", "merging", "publishing"]
    assert [event.rows for event in events if isinstance(event, RowsWritten)] == [10]
    (file,) = (event for event in events if isinstance(event, FileStaged))
    assert file.rows == 10
    (finished,) = (event for event in events if isinstance(event, RunFinished))
    assert finished.report == report


@pytest.mark.asyncio
async def test_a_date_that_is_landed_again_while_it_is_read_is_state001(lake: Lake) -> None:
    await run(lake)
    before = manifest_of(lake)
    lake.land(landed(DAYS[1], rows(0, 5, 2, "b")))

    def again(event: Event) -> None:
        if isinstance(event, RunPhase) and event.phase == "merging":
            lake.land(landed(DAYS[1], rows(0, 5, 3, "c"), generation=2))

    async with open_engine(lake.config(), hooks=[again]) as engine:
        with pytest.raises(StateError, match=r"dt=2025-03-02 was landed again by run r2.*run ag"):
            await engine.silver(NAME)
        assert is_idle(engine)
    assert manifest_of(lake) == before
    assert lake.unowned() == []
    await run(lake)
    manifest = manifest_of(lake)
    assert manifest.silver is not None
    assert [one.generation for one in manifest.silver.inputs] == [1, 2]


@pytest.mark.asyncio
async def test_two_runs_at_once_are_state001(lake: Lake) -> None:
    async with held(lake, "r9"), open_engine(lake.config()) as engine:
        with pytest.raises(StateError, match=r"run r9 works on silver/team/orders: host .*, pid"):
            await engine.silver(NAME)
    assert lake.manifest() is None
    assert (await run(lake)).generation == 1


@pytest.mark.asyncio
async def test_another_pipelines_table_is_taken_over_only_by_adoption(lake: Lake) -> None:
    await run(lake)
    text = lake.toml().replace("pipelines.team.orders", "pipelines.other.orders")
    names = '[pipelines.other.orders]\nsystem = "team"\nentity = "orders"'
    text = text.replace("[pipelines.other.orders]", names)
    async with open_engine(load_text(text, folder=lake.folder)) as engine:
        with pytest.raises(StateError, match=r"belongs to pipeline 'team.orders'.*--adopt"):
            await engine.silver("other.orders")
        lake.land(landed(DAYS[1], rows(0, 1, 2)))
        await engine.silver("other.orders", adopt=True)
    assert (manifest_of(lake).pipeline, manifest_of(lake).generation) == ("other.orders", 2)


@pytest.mark.asyncio
async def test_a_partition_where_the_table_should_lie_is_state001(lake: Lake) -> None:
    lake.silver.mkdir(parents=True)
    bronze = lake.root / "team/orders/dt=2025-03-01/_metadata.json"
    (lake.silver / "_metadata.json").write_bytes(bronze.read_bytes())
    with pytest.raises(StateError, match=r"silver/team/orders holds a partition of Bronze"):
        await run(lake)


@pytest.mark.asyncio
async def test_a_pipeline_without_silver_is_cfg001(tmp_path: Path) -> None:
    text = Lake(tmp_path, TABLE, SCHEMA, load="incremental").toml()
    begin, end = (text.index(f"[pipelines.team.orders.{key}]") for key in ("silver", "incremental"))
    plain = text[:begin] + text[end:]
    async with open_engine(load_text(plain, folder=tmp_path)) as engine:
        with pytest.raises(ConfigError, match=r"has no \[silver\]"):
            await engine.silver(NAME)
        with pytest.raises(ConfigError, match=r"has no \[silver\]"):
            await engine.plan_silver(NAME)


@pytest.mark.asyncio
async def test_too_little_memory_is_cfg001_before_anything_is_opened(lake: Lake) -> None:
    config = load_text(lake.toml(), "engine.memory_limit='96MiB'", folder=lake.folder)
    async with open_engine(config) as engine:
        with pytest.raises(ConfigError, match=r"needs .* for DuckDB.*memory_limit is 100,663,296"):
            await engine.silver(NAME)
    assert lake.manifest() is None
    assert not (lake.root / "_runs").exists()


@pytest.mark.asyncio
async def test_a_plan_says_what_the_run_does_and_writes_nothing(lake: Lake) -> None:
    async with open_engine(lake.config()) as engine:
        first = await engine.plan_silver(NAME)
        assert (first.mode, first.generation, first.files) == ("rebuild", 1, 2)
        assert lake.manifest() is None
        await engine.silver(NAME)
        none = await engine.plan_silver(NAME)
        assert (none.mode, none.generation, none.inputs, none.bytes) == ("nothing", 1, (), 0)
        lake.land(landed(DAYS[1], rows(0, 1, 2)))
        assert (await engine.plan_silver(NAME)).mode == "merge"
        lake.land(landed(DAYS[0], rows(0, 6, 1), generation=2))
        again = await engine.plan_silver(NAME)
        assert again.mode == "recompute"
        assert "taken back: 2025-03-01" in again.notes[0]
        assert (await engine.plan_silver(NAME, rebuild=True)).mode == "rebuild"


@pytest.mark.asyncio
async def test_bronze_without_a_row_makes_a_table_without_one(tmp_path: Path) -> None:
    lake = Lake(tmp_path, TABLE, SCHEMA, load="incremental")
    lake.land(landed(DAYS[0]))
    await run(lake)
    manifest = manifest_of(lake)
    assert (manifest.files, manifest.row_count, manifest.schema) == ((), 0, ())
    lake.land(landed(DAYS[1], rows(0, 3, 1)))
    await run(lake)
    assert manifest_of(lake).row_count == 3


@pytest.mark.asyncio
async def test_damaged_table_is_stg001_and_is_made_anew(lake: Lake) -> None:
    await run(lake)
    (path,) = lake.silver.glob("*.parquet")
    path.write_bytes(path.read_bytes()[::-1])
    lake.land(landed(DAYS[1], rows(3, 2, 2)))
    with pytest.raises(StoreError, match=rf"{path.name}.*`bronze silver {NAME} --rebuild`"):
        await run(lake)
    assert manifest_of(lake).generation == 1
    await run(lake, rebuild=True)
    assert len(lake.rows() or ()) == 10


ODD_NAMES: Final = {"pattern": "x[1]*?", "quotes": 'quo\'te "two"', "backslash": "back\\slash"}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
@pytest.mark.asyncio
async def test_lake_and_spill_lie_in_folders_of_any_name(tmp_path: Path, name: str) -> None:
    """What DuckDB would take for a pattern or a separator is the name that it is."""
    (tmp_path / "x1").mkdir()
    (tmp_path / name).mkdir()
    lake = Lake(tmp_path / name, TABLE, SCHEMA, load="incremental")
    config = load_text(lake.toml(), 'engine.spill_dir = "spill"', folder=lake.folder)
    for day, start in ((DAYS[0], 0), (DAYS[1], 3)):
        lake.land(landed(day, rows(start, 6, day.day)))
        async with open_engine(config) as engine:
            await engine.silver(NAME)
    assert manifest_of(lake).row_count == 9
    assert list((lake.folder / "spill").iterdir()) == []


@pytest.mark.asyncio
async def test_rows_move_between_folders_of_values(tmp_path: Path) -> None:
    lake = Lake(tmp_path, TABLE, SCHEMA, load="incremental")
    config = load_text(lake.toml(partition_by=("v",)), folder=tmp_path)
    lake.land(landed(DAYS[0], rows(0, 3, 1, "a/b"), rows(3, 3, 1, "c")))
    async with open_engine(config) as engine:
        await engine.silver(NAME)
        lake.land(landed(DAYS[1], rows(0, 1, 2, "c"), rows(9, 1, 2, "d")))
        await engine.silver(NAME)
    manifest = manifest_of(lake)
    folders = {file.name.partition("/")[0]: file.values for file in manifest.files}
    assert folders == {"v=a%2Fb": {"v": "a/b"}, "v=c": {"v": "c"}, "v=d": {"v": "d"}}
    found = {row["id"]: row["v"] for row in lake.rows() or ()}
    assert found == {0: "c", 1: "a/b", 2: "a/b", 3: "c", 4: "c", 5: "c", 9: "d"}
    assert manifest.silver is not None
    assert manifest.silver.kept_files == 1  # those of c stand; the row that came has its own file
    assert lake.unowned() == []
