"""The table of Silver: files that stay are not added twice, and a run with nothing new mends it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyiceberg.catalog import load_catalog

from bronze_engine.config.load import Config
from bronze_engine.errors import QualityError, StoreError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.report import RunReport
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import DAY, HEAD, NAME, load_text, opened
from tests.unit.tables.delta_reader import Row, ordered, read_delta

pytestmark = pytest.mark.unit

ROOT: Final = "silver/team/orders"
CATALOG: Final = (
    '[catalogs.lake]\ntype = "sql"\nuri = "sqlite:///lake.db"\nwarehouse = "./tables"\n'
)
EXTRA: Final = {"delta": "", "iceberg": 'catalog = "lake"\n'}
NEXT = DAY + timedelta(days=1)


def config_text(table_format: str) -> str:
    return (
        f"{HEAD}[pipelines.{NAME}]\n"
        'load = "incremental"\nprimary_key = ["id"]\n'
        f'[pipelines.{NAME}.source]\ntype = "http"\napi = "shop"\npath = "/orders"\n'
        f'[pipelines.{NAME}.incremental]\ncursor = "at"\n'
        f'[pipelines.{NAME}.silver]\norder_by = ["at"]\n'
        f'[pipelines.{NAME}.silver.output]\ntable_format = "{table_format}"\n'
        f"{EXTRA[table_format]}{CATALOG}"
    )


def config_of(folder: Path, table_format: str) -> Config:
    return load_text(config_text(table_format), folder=folder)


def source_of(*records: Row) -> ScriptedSource:
    return ScriptedSource([[page(1, *records)]])


def row(key: int, day: date, note: str) -> Row:
    return {"id": key, "at": f"{day}T10:00:00Z", "note": note}


async def curated(config: Config, source: ScriptedSource, day: date) -> RunReport:
    clock = ManualClock()
    async with opened(config, source, clock=clock) as engine:
        await clock.drive(engine.run(NAME, run_date=day))
        report: RunReport = await clock.drive(engine.silver(NAME))
    return report


def manifest_of(folder: Path) -> Manifest:
    path = folder / "bronze" / ROOT / "_metadata.json"
    return decode_manifest(path.read_bytes(), path.name)


def listed(folder: Path) -> list[Row]:
    """The rows of the files that the manifest lists."""
    place = folder / "bronze" / ROOT
    names = [file.name for file in manifest_of(folder).files]
    tables = [pq.read_table(place / name, partitioning=None) for name in names]
    return plain(pa.concat_tables(tables, promote_options="default").to_pylist())


def plain(rows: list[Row]) -> list[Row]:
    return ordered([dict(sorted(each.items())) for each in rows])


def by_delta(folder: Path) -> list[Row]:
    return plain(read_delta(folder / "bronze" / ROOT))


def by_iceberg(folder: Path) -> list[Row]:
    catalog = load_catalog("lake", type="sql", uri=f"sqlite:///{folder}/lake.db")
    try:
        found = catalog.load_table("team.orders_silver").scan().to_arrow()
    finally:
        catalog.close()
    with duckdb.connect() as connection:
        connection.register("t", found)
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (found.num_rows,)
    return plain(found.to_pylist())


Read = Callable[[Path], list[Row]]
READERS: Final[list[Any]] = [
    pytest.param("delta", by_delta, id="delta"),
    pytest.param("iceberg", by_iceberg, id="iceberg"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("table_format", "read"), READERS)
async def test_it_has_the_rows_of_the_manifest_after_each_run(
    tmp_path: Path, table_format: str, read: Read
) -> None:
    config = config_of(tmp_path, table_format)
    for day, note in ((DAY, "a"), (NEXT, "b"), (DAY, "c")):
        rows = [row(key, day, note) for key in range(3 if day == DAY else 1)]
        report = await curated(config, source_of(*rows), day)
        assert report.degraded == ()
        assert read(tmp_path) == listed(tmp_path)
    assert sorted(each["id"] for each in read(tmp_path)) == [0, 1, 2]


@pytest.mark.asyncio
@pytest.mark.parametrize(("table_format", "read"), READERS)
async def test_files_of_differences_are_read_as_others(
    tmp_path: Path, table_format: str, read: Read
) -> None:
    config = load_text(
        config_text(table_format),
        f'pipelines.{NAME}.output.encoding="delta"',
        f'pipelines.{NAME}.output.partition_by=["note"]',
        f'pipelines.{NAME}.silver.output.encoding="delta"',
        folder=tmp_path,
    )
    for day, note in ((DAY, "a"), (NEXT, "b")):  # the second merges into files of the first
        rows = [row(key, day, note) for key in range(3 if day == DAY else 2)]
        await curated(config, source_of(*rows), day)
        assert read(tmp_path) == listed(tmp_path)
    shown = {each["id"]: each["note"] for each in read(tmp_path)}
    assert shown == {0: "b", 1: "b", 2: "a"}
    written = list((tmp_path / "bronze").rglob("*.parquet"))
    assert {path.parts[-2] for path in written} >= {"note=a", "note=b", "orders"}
    for path in written:
        group: Any = pq.read_metadata(path).row_group(0)
        columns = map(group.column, range(group.num_columns))
        [key] = [column for column in columns if column.path_in_schema == "id"]
        assert "DELTA_BINARY_PACKED" in key.encodings, path


ODD: Final = [
    "New Zealand",
    "a%2Fb",
    "%",
    "ü",
    "日本",
    "#x",
    "q?",
    "'",
    '"',
    "+&;=",
    "..",
    " ",
    "[z]",
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("table_format", "read"), READERS)
async def test_files_in_folders_of_any_value_come_and_go_once(
    tmp_path: Path, table_format: str, read: Read
) -> None:
    config = load_text(
        config_text(table_format),
        f'pipelines.{NAME}.silver.partition_by=["note"]',
        folder=tmp_path,
    )
    values = dict(enumerate(ODD))
    for number in range(4):
        day = DAY + timedelta(days=number)
        changed = values if number == 0 else {3 * number: "New Zealand", 3 * number + 1: "é"}
        report = await curated(
            config, source_of(*(row(key, day, note) for key, note in changed.items())), day
        )
        values |= changed
        assert report.degraded == ()
        assert read(tmp_path) == listed(tmp_path)
        assert {each["id"]: each["note"] for each in read(tmp_path)} == values


@pytest.mark.asyncio
@pytest.mark.parametrize(("table_format", "read"), READERS)
@pytest.mark.parametrize("by", ["run", "gc"])
async def test_a_run_with_nothing_new_or_gc_mends_a_table_that_is_behind(
    tmp_path: Path, table_format: str, read: Read, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path, table_format)
    await curated(config, source_of(row(1, DAY, "a")), DAY)
    before = read(tmp_path)

    def broken(*_args: object) -> None:
        raise StoreError("the table is not there to be read")

    name = {"delta": "delta.table.read_log", "iceberg": "iceberg.table.look"}[table_format]
    with monkeypatch.context() as patched:
        patched.setattr(f"bronze_engine.tables.{name}", broken)
        report = await curated(config, source_of(row(1, NEXT, "b")), NEXT)
    assert "the table is not there to be read" in report.degraded[0]
    assert read(tmp_path) == before  # whose files are all there
    async with opened(config, None) as engine:
        (skipped,) = (await engine.gc(NAME)).skipped
        assert skipped.place == f"{ROOT} ({table_format})"
        assert read(tmp_path) == before
        if by == "run":
            await engine.silver(NAME)
        else:
            assert (await engine.gc(NAME, delete=True)).faults == ()
        assert (await engine.gc(NAME)).skipped == ()
    assert read(tmp_path) == listed(tmp_path)
    assert read(tmp_path) != before


@pytest.mark.asyncio
@pytest.mark.parametrize(("table_format", "read"), READERS)
async def test_gc_removes_no_file_that_a_table_shows_since_a_run_died(
    tmp_path: Path, table_format: str, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That run committed after gc had looked at the table, and before it had the lease."""
    config = config_of(tmp_path, table_format)
    await curated(config, source_of(row(1, DAY, "a")), DAY)

    async def nothing(*_args: object) -> tuple[str, ...]:
        return ("the run died before its table followed",)

    for number in (1, 2):  # the files of the generation before the last are spared
        day = DAY + timedelta(days=number)
        with monkeypatch.context() as patched:
            patched.setattr("bronze_engine.silver.publishing.follow", nothing)
            await curated(config, source_of(row(1, day, "b")), day)
    async with opened(config, None) as engine:
        with monkeypatch.context() as patched:
            patched.setattr("bronze_engine.upkeep.gc.follow_all", nothing)
            report = await engine.gc(NAME, delete=True)
    assert [each.kind for each in report.garbage if each.removed] == ["data"]
    assert read(tmp_path) == listed(tmp_path)


@pytest.mark.asyncio
@pytest.mark.parametrize(("table_format", "read"), READERS)
async def test_a_table_takes_another_type_once_it_is_made_anew(
    tmp_path: Path, table_format: str, read: Read
) -> None:
    await curated(config_of(tmp_path, table_format), source_of(row(1, DAY, "7")), DAY)
    cast = f"pipelines.{NAME}.silver.columns.cast={{note='int64'}}"
    config = load_text(config_text(table_format), cast, folder=tmp_path)
    async with opened(config, None) as engine:
        with pytest.raises(QualityError, match=r"'note'.*move _delta_log away"):
            await engine.silver(NAME)
        if table_format == "delta":
            (tmp_path / "bronze" / ROOT / "_delta_log").rename(tmp_path / "old")
        else:
            with closing(
                load_catalog("lake", type="sql", uri=f"sqlite:///{tmp_path}/lake.db")
            ) as c:
                c.drop_table("team.orders_silver")
        report = await engine.silver(NAME)
    assert report.degraded == ()
    assert read(tmp_path) == listed(tmp_path)
    assert [each["note"] for each in read(tmp_path)] == [7]


@pytest.mark.asyncio
async def test_its_log_is_in_the_folder_of_the_table(tmp_path: Path) -> None:
    config = config_of(tmp_path, "delta")
    await curated(config, source_of(row(1, DAY, "a")), DAY)
    table = DeltaTable(tmp_path / "bronze" / ROOT)
    assert table.version() == 0
    assert table.transaction_version(f"bronze-engine/{ROOT}") == 1
    async with opened(config, None) as engine:
        await engine.silver(NAME)
        verified = await engine.verify(NAME, silver=True)
    assert DeltaTable(tmp_path / "bronze" / ROOT).version() == 0
    assert (verified.faults, verified.unlisted) == ((), ())


@pytest.mark.asyncio
async def test_superseded_files_of_a_curated_table_stay_until_the_run_after(tmp_path: Path) -> None:
    text = config_text("delta").replace('table_format = "delta"', 'reap = "next_run"')
    config = load_text(text, folder=tmp_path)
    names: list[set[str]] = []
    for number in range(3):
        day = DAY + timedelta(days=number)
        report = await curated(config, source_of(row(1, day, "x")), day)
        assert report.degraded == ()
        names.append({file.name for file in manifest_of(tmp_path).files})
        place = tmp_path / "bronze" / ROOT
        assert {path.name for path in place.glob("part-*.parquet")} == set().union(*names[-2:])
        gone = set[str]() if number == 0 else names[-2] - names[-1]
        assert set(manifest_of(tmp_path).superseded) == gone
