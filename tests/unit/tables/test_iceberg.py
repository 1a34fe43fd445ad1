"""An Iceberg table shows what the manifests say, whatever happened between the two."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from pyiceberg.exceptions import CommitStateUnknownException, NotInstalledError
from pyiceberg.table import Table

from bronze_engine.adapters import open_store
from bronze_engine.contracts import TablePlace
from bronze_engine.errors import BronzeError, ConfigError, QualityError
from bronze_engine.tables.content import read_contents
from bronze_engine.tables.iceberg import table
from bronze_engine.tables.iceberg.commit import look
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import Fault, inject
from bronze_engine.workers import Workers
from tests.unit.run.harness import DAY, NAME, opened
from tests.unit.tables.iceberg_lake import Lake

pytestmark = pytest.mark.unit

NEXT = DAY + timedelta(days=1)


def source_of(*records: dict[str, Any]) -> ScriptedSource:
    return ScriptedSource([[page(1, *records)]])


@pytest.mark.asyncio
async def test_a_table_spans_the_dates_and_has_a_new_generation_in_one_snapshot(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path)
    await lake.run(source_of({"id": 1, "note": "a"}, {"id": 2, "note": None}))
    await lake.run(source_of({"id": 3, "note": ""}), NEXT)
    assert lake.rows() == lake.landed(DAY, NEXT)
    before = lake.rows()
    await lake.run(source_of({"id": 1, "note": "b"}))
    assert lake.rows() == lake.landed(DAY, NEXT)
    with lake.table() as opened_as:
        snapshots = opened_as.snapshots()
        assert len(snapshots) == 3
        old = opened_as.scan(snapshot_id=snapshots[1].snapshot_id).to_arrow()
        assert old.num_rows == len(before)  # its files stay for its readers
        summary = snapshots[2].summary
        assert summary is not None
        assert summary[f"bronze-engine.team/orders/dt={DAY}"] == "2"


@pytest.mark.asyncio
async def test_a_place_that_looks_escaped_or_like_a_pattern_is_read_as_it_is(
    tmp_path: Path,
) -> None:
    odd = """a%20b%2F ü[*;&+'"\\"""
    places = (("engine.target", f"./{odd}"), ("catalogs.lake.warehouse", f"./of {odd}"))
    lake = Lake(tmp_path, *(f"{key}={json.dumps(value)}" for key, value in places))
    await lake.run(source_of({"id": 1}, {"id": 2}))
    assert len(lake.rows()) == 2
    assert lake.rows() == lake.landed(DAY)


@pytest.mark.asyncio
async def test_what_is_shown_already_is_not_committed_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(source_of({"id": 1}))
    assert await lake.gc() == ()
    with lake.table() as opened_as:
        assert len(opened_as.snapshots()) == 1


@pytest.mark.asyncio
async def test_readers_skip_dates_and_files(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(source_of({"id": 1}, {"id": 5}))
    await lake.run(source_of({"id": 9}), NEXT)
    with lake.table() as opened_as:
        for condition in (f"dt = '{NEXT}'", "id > 6"):
            [task] = opened_as.scan(row_filter=condition).plan_files()
            assert f"dt={NEXT}" in task.file.file_path


@pytest.mark.asyncio
async def test_columns_that_come_later_are_null_before(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(source_of({"id": 1, "inner": {"a": 1}}))
    odd = {"id": 2, "a b;\n": "x", "c.d": 1, "inner": {"a": 2, "b c": [1]}}
    await lake.run(source_of(odd, {"id": 3, "é\"'": 1.5, "inner": None}), NEXT)
    await lake.run(source_of({"id": 4}), NEXT + timedelta(days=1))
    days = (DAY, NEXT, NEXT + timedelta(days=1))
    found = [{key: value for key, value in row.items() if key != "inner"} for row in lake.rows()]
    landed = lake.landed(*days)
    assert found == [{k: v for k, v in row.items() if k != "inner"} for row in landed]
    inner = [row["inner"] for row in lake.rows()]
    assert sorted(map(repr, inner)) == sorted(
        repr(each and {"a": each["a"], "b c": each.get("b c")})
        for each in (row["inner"] for row in landed)
    )


@pytest.mark.asyncio
async def test_partition_values_and_typed_columns_are_exact(tmp_path: Path) -> None:
    types = (
        '{ at = "timestamp(us, UTC)", local = "timestamp(us)", day = "date", time = "time",'
        ' amount = "decimal(38,9)", country = "string" }'
    )
    lake = Lake(tmp_path, 'output.partition_by=["country"]', f"schema.columns={types}")
    records = [
        {
            "country": country,
            "at": "2025-01-15T12:00:00.123456Z",
            "local": "2025-01-15T12:00:00.123456",
            "day": "1969-12-31",
            "time": "12:00:00.123456",
            "amount": "12345678901234567890123456789.123456789",
        }
        for country in ("DE", "", None, "a b%/ü=", "__HIVE_DEFAULT_PARTITION__")
    ]
    await lake.run(source_of(*records))
    assert lake.rows() == lake.landed(DAY)
    assert len(lake.rows()) == 5


@pytest.mark.asyncio
async def test_a_column_widens_where_readers_read_both(tmp_path: Path) -> None:
    await Lake(tmp_path, 'schema.columns={ v = "int32" }').run(source_of({"v": 1}))
    lake = Lake(tmp_path, 'schema.columns={ v = "int64" }')
    await lake.run(source_of({"v": 2**40}), NEXT)
    assert [row["v"] for row in lake.rows()] == [1, 2**40]
    narrow = Lake(tmp_path, 'schema.columns={ v = "int32" }')
    await narrow.run(source_of({"v": 3}), NEXT + timedelta(days=1))
    assert sorted(row["v"] for row in lake.rows()) == [1, 3, 2**40]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ('{ v = "string" }', "column 'v' is string, and the table has it as long"),
        ('{ v = "decimal(39,0)" }', "column 'v' is decimal256(39, 0), and Iceberg has no such"),
    ],
    ids=["another type", "no type"],
)
async def test_what_the_table_can_t_have_is_refused_before_the_commit(
    tmp_path: Path, columns: str, message: str
) -> None:
    await Lake(tmp_path).run(source_of({"v": 1}))
    later = Lake(tmp_path, f"schema.columns={columns}")
    with pytest.raises(QualityError) as found:
        await later.run(source_of({"v": "1"}), NEXT)
    assert message in str(found.value)
    assert later.landed(NEXT) == []


@pytest.mark.asyncio
async def test_a_table_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    await Lake(tmp_path).run(source_of({"id": 1}))
    other = Lake(tmp_path, "entity=others", f"output.table={NAME}")
    report = await other.run(source_of({"id": 2}))
    [told] = report.degraded
    assert f"{NAME} stands over file://{tmp_path}/bronze/team/orders" in told
    assert "name another in output.table" in told
    assert [row["id"] for row in Lake(tmp_path).rows()] == [1]


@pytest.mark.asyncio
async def test_dates_that_are_gone_leave_the_table_with_gc(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    await lake.run(source_of({"id": 1}))
    await lake.run(source_of({"id": 2}), NEXT)
    shutil.rmtree(tmp_path / f"bronze/team/orders/dt={DAY}")
    assert await lake.gc() == ()
    assert lake.rows() == lake.landed(NEXT)
    assert len(lake.rows()) == 1


@pytest.mark.asyncio
async def test_dates_that_commit_at_once_are_all_shown_each_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    days = [DAY + timedelta(days=number) for number in range(3)]
    clock = ManualClock()
    async with opened(lake.config, source_of({"id": 1}), clock=clock) as engine:

        async def run_all() -> None:
            async with anyio.create_task_group() as tasks:
                for day in days:
                    tasks.start_soon(partial(engine.run, NAME, run_date=day))

        await clock.drive(run_all())
    assert lake.rows() == lake.landed(*days)


async def _fails(lake: Lake, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise RuntimeError("the catalog is down")

    with monkeypatch.context() as patched:
        patched.setattr(Table, name, broken)
        report = await lake.run(source_of({"id": 2}))
    [told] = report.degraded
    assert "RuntimeError: the catalog is down" in told
    assert "nothing was reaped" in told


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["scan", "transaction", "_do_commit"])
async def test_what_fails_after_the_commit_degrades_the_run_and_gc_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    lake = Lake(tmp_path)
    await lake.run(source_of({"id": 1}))
    await _fails(lake, monkeypatch, name)
    assert [row["id"] for row in lake.rows()] == [1]
    assert await lake.gc() == ()
    assert lake.rows() == lake.landed(DAY)
    assert [row["id"] for row in lake.rows()] == [2]


@pytest.mark.asyncio
async def test_a_lost_answer_of_the_catalog_is_no_second_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    await lake.run(source_of({"id": 1}))
    commit: Callable[..., None] = Table._do_commit
    lost = 0

    def loses(which: Table, **options: Any) -> None:
        nonlocal lost
        commit(which, **options)
        if lost == 0:
            lost += 1
            raise CommitStateUnknownException("nobody answered")

    monkeypatch.setattr(Table, "_do_commit", loses)
    report = await lake.run(source_of({"id": 2}))
    assert lost == 1
    assert report.degraded == ()
    with lake.table() as opened_as:
        assert len(opened_as.snapshots()) == 2
    assert [row["id"] for row in lake.rows()] == [2]


@pytest.mark.asyncio
async def test_an_older_generation_never_takes_the_place_of_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    await lake.run(source_of({"id": 1}))
    await lake.run(source_of({"id": 2}))
    read = read_contents
    met = 0

    async def reads(*args: Any) -> Any:
        nonlocal met
        found = await read(*args)
        met += 1
        if met == 1:  # the manifest of generation 3 is read, and then generation 4 is committed
            await lake.run(source_of({"id": 4}))
        return found

    config = lake.config.pipeline(NAME)
    with Workers(2) as workers:
        async with open_store(config.target, workers) as store:
            place = TablePlace.of(config, config.output)
            opened_table = table.open_iceberg(place, store, workers, ManualClock())
            monkeypatch.setattr(table, "look", _behind(look))
            monkeypatch.setattr(table, "read_contents", reads)
            assert not await opened_table.follow([f"team/orders/dt={DAY}"])
    assert met == 3  # ours, that of the run between, and ours again
    assert lake.rows() == lake.landed(DAY)
    assert [row["id"] for row in lake.rows()] == [4]


@pytest.mark.asyncio
async def test_a_date_that_was_committed_after_the_listing_stays(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for day in (DAY, NEXT):
        await lake.run(source_of({"id": day.day}), day)
    config = lake.config.pipeline(NAME)
    with Workers(2) as workers:
        async with open_store(config.target, workers) as store:
            place = TablePlace.of(config, config.output)
            opened_table = table.open_iceberg(place, store, workers, ManualClock())
            assert not await opened_table.follow([f"team/orders/dt={DAY}"], whole=True)
    assert lake.rows() == lake.landed(DAY, NEXT)


def _behind(looks_at: Callable[..., Any]) -> Callable[..., Any]:
    """The table as if it had shown nothing, the first time: there is something to commit."""
    met = 0

    def looks(place: TablePlace) -> Any:
        nonlocal met
        met += 1
        seen = looks_at(place)
        return msgspec.structs.replace(seen, live={}) if met == 1 else seen

    return looks


@pytest.mark.asyncio
async def test_a_catalog_without_its_driver_is_told_before_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(*_args: object, **_options: object) -> None:
        raise NotInstalledError("pip install 'pyiceberg[sql-postgres]'")

    lake = Lake(tmp_path)
    monkeypatch.setattr("bronze_engine.tables.iceberg.catalog.load_catalog", lacks)
    with pytest.raises(ConfigError, match=r'catalogs.lake of type = "sql" needs what is not'):
        await lake.run(source_of({"id": 1}))
    assert lake.landed(DAY) == []


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["die_before", "die_after"])
async def test_a_death_at_any_step_from_the_commit_on_is_mended(
    tmp_path: Path, fault: Fault
) -> None:
    unhurt = await _run_over(Lake(tmp_path / "unhurt"), 0, fault)
    commits = [method for method, key in unhurt if key == f"team/orders/dt={DAY}/_metadata.json"]
    first = len(unhurt) - unhurt[::-1].index(("put", f"team/orders/dt={DAY}/_metadata.json"))
    assert "put" in commits
    for step in range(first, len(unhurt) + 1):
        lake = Lake(tmp_path / f"step-{step}")
        await _run_over(lake, step, fault)
        # Of one generation or the other, and its files are there.
        assert [row["id"] for row in lake.rows()] in ([1], [2])
        assert await lake.gc() == ()
        assert lake.rows() == lake.landed(DAY)


async def _run_over(lake: Lake, step: int, fault: Fault) -> list[tuple[str, str]]:
    """Two generations, the second over a store that dies at a step; what it was asked for."""
    await lake.run(source_of({"id": 1}))
    clock = ManualClock()
    with Workers(2) as workers:
        async with open_store(lake.config.pipeline(NAME).target, workers) as store:
            faulty = inject(store, step, fault)
            async with opened(
                lake.config, source_of({"id": 2}), store=faulty, clock=clock
            ) as engine:
                with suppress(BronzeError):
                    await clock.drive(engine.run(NAME, run_date=DAY))
    return faulty.script.operations
