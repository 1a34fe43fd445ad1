"""A Delta table shows what the manifests say, whatever happened between the two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from bronze_engine.contracts import Store, TablePlace
from bronze_engine.errors import BronzeError, QualityError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import ANY, Expect
from bronze_engine.store.memory import MemoryStore
from bronze_engine.tables.delta.table import CHECKPOINT_COMMITS, open_delta
from bronze_engine.testing import ScriptedSource, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import Fault, inject
from bronze_engine.workers import Workers
from tests.unit.run.harness import DAY, NAME, Bench, partition_of, reports_of
from tests.unit.tables.delta_reader import copy_to, ordered, read_delta, with_date

pytestmark = pytest.mark.unit

NEXT = DAY + timedelta(days=1)
ROOT = "team/orders"
LOG = f"{ROOT}/_delta_log"


def source_of(*records: dict[str, Any]) -> ScriptedSource:
    return ScriptedSource([[page(1, *records)]])


def bench_of(folder: Path, *overrides: str, store: Store | None = None) -> Bench:
    return Bench(folder, "output.table_format=delta", *overrides, store=store)


async def rows_of(bench: Bench, *days: date) -> list[dict[str, Any]]:
    """What the manifests of these dates say."""
    found = []
    for day in days:
        found += with_date((await bench.table(day)).to_pylist(), day)
    names = dict.fromkeys(name for row in found for name in row)
    return ordered([{name: row.get(name) for name in names} for row in found])


async def shown(bench: Bench, folder: Path, version: int | None = None) -> list[dict[str, Any]]:
    return read_delta(await copy_to(bench.store, ROOT, folder), version)


async def commits(bench: Bench) -> list[str]:
    left = await bench.left()
    return [name for name in left if name.startswith(LOG) and name.endswith(".json")]


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    return ordered([dict(sorted(row.items())) for row in one]) == ordered(
        [dict(sorted(row.items())) for row in other]
    )


@pytest.mark.asyncio
async def test_a_table_spans_the_dates_and_has_a_new_generation_in_one_commit(
    tmp_path: Path,
) -> None:
    bench = bench_of(tmp_path)
    await bench.run(source_of({"id": 1, "note": "a"}, {"id": 2, "note": None}))
    await bench.run(source_of({"id": 3, "note": ""}), NEXT)
    assert same(await shown(bench, tmp_path), await rows_of(bench, DAY, NEXT))
    before = await rows_of(bench, DAY, NEXT)
    await bench.run(source_of({"id": 1, "note": "b"}))
    assert len(await commits(bench)) == 3
    assert same(await shown(bench, tmp_path), await rows_of(bench, DAY, NEXT))
    assert same(await shown(bench, tmp_path, version=1), before)  # files stay for its readers


@pytest.mark.asyncio
async def test_what_is_shown_already_is_not_committed_again(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    await bench.run(source_of({"id": 1}))
    before = await bench.left()
    async with bench.engine(source_of()) as engine:
        report = await engine.gc(NAME, delete=True)
    assert (report.faults, report.unknown) == ((), ())
    assert await bench.left() == before


@pytest.mark.asyncio
async def test_columns_that_come_later_are_null_before(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    await bench.run(source_of({"id": 1}))
    await bench.run(source_of({"id": 2, "a b;\n": "x", "inner": {"c d": [1]}}), NEXT)
    assert same(await shown(bench, tmp_path), await rows_of(bench, DAY, NEXT))
    await bench.run(source_of({"id": 3, "é\"'": 1.5}), NEXT + timedelta(days=1))
    days = (DAY, NEXT, NEXT + timedelta(days=1))
    assert same(await shown(bench, tmp_path), await rows_of(bench, *days))
    async with bench.engine(source_of()) as engine:
        assert (await engine.gc(NAME, delete=True)).faults == ()
    assert len(await commits(bench)) == 3  # the schema is read back as it was written


@pytest.mark.asyncio
async def test_a_table_asks_of_its_readers_what_its_columns_need(tmp_path: Path) -> None:
    types = 'schema.columns={ at = "timestamp(us)" }'
    bench = bench_of(tmp_path, types)
    found = []
    records: list[dict[str, Any]] = [{"id": 1}, {"a b": 1}, {"at": "2025-01-15T00:00:00"}]
    for number, record in enumerate(records):
        await bench.run(source_of(record), DAY + timedelta(days=number))
        folder = await copy_to(bench.store, ROOT, tmp_path)
        protocol = DeltaTable(folder).protocol()
        found.append((protocol.min_reader_version, protocol.min_writer_version))
    assert found == [(1, 2), (2, 5), (3, 7)]
    assert set(protocol.reader_features or ()) == {"columnMapping", "timestampNtz"}
    days = [DAY + timedelta(days=number) for number in range(3)]
    assert same(await shown(bench, tmp_path), await rows_of(bench, *days))


class Interposed:
    """A store that lets something happen before the first commit of the table."""

    def __init__(self, store: Store, happens: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._happens: Callable[[], Awaitable[None]] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> str:
        happens = self._happens
        if happens is not None and key.startswith(LOG):
            self._happens = None
            await happens()
        return await self._store.put(key, body, expect=expect)


@pytest.mark.asyncio
async def test_an_older_generation_never_takes_the_place_of_a_newer_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.run(source_of({"id": 1}))
    await bench.run(source_of({"id": 2}), NEXT)
    newer = bench_of(tmp_path, store=bench.store)

    async def happens() -> None:
        await newer.run(source_of({"id": 3}))

    place = TablePlace.of(newer.config.pipeline(NAME), newer.config.pipeline(NAME).output)
    store: Any = Interposed(bench.store, happens)
    with Workers(1) as workers:
        table = open_delta(place, store, workers, ManualClock())
        await table.follow([partition_of(DAY), partition_of(NEXT)])  # has read generation 1
        assert not await table.follow([partition_of(DAY), partition_of(NEXT)])
    assert same(await shown(bench, tmp_path), await rows_of(bench, DAY, NEXT))
    assert sorted(row["id"] for row in await shown(bench, tmp_path)) == [2, 3]


@pytest.mark.asyncio
async def test_partition_values_and_typed_columns_are_exact(tmp_path: Path) -> None:
    types = (
        '{ at = "timestamp(us, UTC)", local = "timestamp(us)", day = "date",'
        ' amount = "decimal(38,9)", country = "string" }'
    )
    bench = bench_of(tmp_path, 'output.partition_by=["country"]', f"schema.columns={types}")
    records = [
        {
            "country": country,
            "at": "2025-01-15T12:00:00.123456Z",
            "local": "2025-01-15T12:00:00.123456",
            "day": "1969-12-31",
            "amount": "12345678901234567890123456789.123456789",
        }
        for country in ("DE", "", None, "a b%/ü=", "__HIVE_DEFAULT_PARTITION__")
    ]
    await bench.run(source_of(*records))
    assert same(await shown(bench, tmp_path), await rows_of(bench, DAY))
    assert len((await bench.table()).to_pylist()) == 5


@pytest.mark.asyncio
async def test_what_delta_has_no_type_for_is_refused_before_the_commit(tmp_path: Path) -> None:
    for columns, message in (
        ('{ v = "decimal(39,0)" }', "column 'v' is decimal256(39, 0), and Delta has no such"),
        ('{ v = "time" }', "column 'v' is time64[us], and Delta has no such type"),
    ):
        bench = bench_of(tmp_path, f"schema.columns={columns}")
        value = "12:00:00" if "time" in columns else "1"
        with pytest.raises(QualityError, match=r".") as found:
            await bench.run(source_of({"v": value}))
        assert message in str(found.value)
        assert await bench.manifest() is None


@pytest.mark.asyncio
async def test_a_type_that_files_before_do_not_have_is_refused(tmp_path: Path) -> None:
    store = MemoryStore(ManualClock())
    await bench_of(tmp_path, store=store).run(source_of({"v": 1}))
    later = bench_of(tmp_path, 'schema.columns={ v = "string" }', store=store)
    with pytest.raises(QualityError, match="column 'v' is string, and the table has it as long"):
        await later.run(source_of({"v": "x"}), NEXT)
    assert await later.manifest(NEXT) is None


@pytest.mark.asyncio
async def test_a_column_called_as_that_of_the_run_dates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="is called as the table's column of run dates"):
        await bench_of(tmp_path).run(source_of({"DT": 1}))


@pytest.mark.asyncio
async def test_a_date_without_rows_and_without_columns_makes_no_table(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, "output.load_columns=false")
    await bench.run(source_of())
    assert await commits(bench) == []
    await bench.run(source_of({"id": 1}))
    await bench.run(source_of())
    assert await shown(bench, tmp_path) == []


@pytest.mark.asyncio
async def test_each_generation_says_so_in_a_transaction_of_its_date(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    for version in (1, 2):
        await bench.run(source_of({"id": version}))
    table = DeltaTable(await copy_to(bench.store, ROOT, tmp_path))
    assert table.transaction_version(f"bronze-engine/{partition_of()}") == 2


@pytest.mark.parametrize("column", ["id", "ok", "ratio", "text", "later"])
@pytest.mark.asyncio
async def test_filters_of_deltalake_lose_no_row(tmp_path: Path, column: str) -> None:
    """Its dataset takes a bound that a file has not, beside others that it has, for one that no
    value keeps."""
    bench = bench_of(tmp_path)
    await bench.run(source_of({"id": 1, "ok": True, "ratio": 0.5, "text": "x" * 99}, {"id": 2}))
    later: dict[str, Any] = {"id": 1, "ok": None, "ratio": 0.5, "text": "b", "later": 1}
    await bench.run(source_of(later), DAY + timedelta(days=1))
    table = DeltaTable(await copy_to(bench.store, ROOT, tmp_path))
    whole = table.to_pyarrow_table()
    dataset = table.to_pyarrow_dataset()
    assert whole.num_rows == 3
    nulls = whole[column].null_count
    assert dataset.to_table(filter=pc.field(column).is_null()).num_rows == nulls
    for value in whole[column].drop_null().unique():
        wanted = whole.filter(pc.equal(whole[column], value)).num_rows
        assert dataset.to_table(filter=pc.field(column) == value).num_rows == wanted


@pytest.mark.asyncio
async def test_checkpoints_keep_the_log_short(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    days = [DAY + timedelta(days=number) for number in range(CHECKPOINT_COMMITS + 3)]
    for day in days:
        await bench.run(source_of({"id": day.toordinal()}), day)
    left = await bench.left()
    assert f"{LOG}/_last_checkpoint" in left
    made = [name for name in left if name.endswith(".checkpoint.parquet")]
    assert len(made) == 1
    newest = made[0].rpartition("/")[2][:20]
    for name in await commits(bench):  # readers need nothing older
        if name.rpartition("/")[2][:20] <= newest:
            await bench.store.delete(name)
    await bench.run(source_of({"id": 0}), DAY)
    assert same(await shown(bench, tmp_path), await rows_of(bench, *days))


@pytest.mark.asyncio
async def test_dates_that_are_gone_leave_the_table_with_gc(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    await bench.run(source_of({"id": 1}))
    await bench.run(source_of({"id": 2}), NEXT)
    for key in await bench.left():
        if key.startswith(partition_of()):
            await bench.store.delete(key)
    async with bench.engine(source_of()) as engine:
        assert (await engine.gc(NAME, delete=True)).faults == ()
    assert same(await shown(bench, tmp_path), await rows_of(bench, NEXT))


@pytest.mark.asyncio
async def test_a_log_of_another_program_is_left_alone_and_told(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    await bench.run(source_of({"id": 1}))
    await bench.store.put(f"{LOG}/{1:020}.json", b"not json", expect=ANY)
    manifest = await bench.run(source_of({"id": 2}))
    [report] = [each for each in await reports_of(bench.store) if each["generation"] == 2]
    [told] = report["degraded"]
    assert "the table does not show it yet, and nothing was reaped" in told
    assert manifest.generation == 2
    files = [name for name in await bench.left() if name.endswith(".parquet")]
    assert len(files) == 2


@pytest.mark.asyncio
async def test_a_log_that_can_t_be_read_here_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither before the commit nor after it: a container may have no place for copies of it."""

    def nowhere(**_: object) -> str:
        raise FileNotFoundError("No usable temporary directory found")

    bench = bench_of(tmp_path)
    await bench.run(source_of({"id": 1}))
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.TemporaryDirectory", nowhere)
        await bench.run(source_of({"id": 2}))
    [report] = [each for each in await reports_of(bench.store) if each["generation"] == 2]
    assert "No usable temporary directory found" in report["degraded"][0]
    await bench.run(source_of({"id": 3}), NEXT)
    assert same(await shown(bench, tmp_path), await rows_of(bench, DAY, NEXT))


@pytest.mark.slow
@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["die_before", "die_after", "fail_after"])
async def test_a_death_at_any_step_leaves_a_whole_table_and_the_next_run_mends_it(
    tmp_path: Path, fault: Fault
) -> None:
    reached = set()
    step = 0
    while True:
        step += 1
        bench = bench_of(tmp_path)
        await bench.run(source_of({"id": 1}))
        faulty = inject(bench.store, step, fault)
        with suppress(BronzeError):
            await bench_of(tmp_path, store=faulty).run(source_of({"id": 2}))
        found = await shown(
            bench, tmp_path
        )  # of one generation or the other, and its file is there
        assert found == await rows_of(bench, DAY) or found[0]["id"] == 1
        reached.add(len(await commits(bench)))
        await bench.run(source_of({"id": 3}), NEXT)  # the next run, of another date
        assert same(await shown(bench, tmp_path), await rows_of(bench, DAY, NEXT))
        assert not any(name.endswith(".table") for name in await bench.left()) or before_commit(
            await bench.manifest()
        )
        if not faulty.script.fired:
            break
    assert reached == {1, 2}


def before_commit(manifest: Manifest | None) -> bool:
    """Then the note of the run that died stays until the date is landed again."""
    return manifest is not None and manifest.generation == 1


@pytest.mark.asyncio
async def test_dates_that_commit_at_once_are_all_shown_each_once(
    tmp_path: Path,
) -> None:
    bench = bench_of(tmp_path)
    days = [DAY + timedelta(days=number) for number in range(4)]
    clock = ManualClock()
    async with bench.engine(source_of({"id": 1}), clock=clock) as engine:

        async def run_all() -> None:
            async with anyio.create_task_group() as tasks:
                for day in days:
                    tasks.start_soon(partial(engine.run, NAME, run_date=day))

        await clock.drive(run_all())
    assert same(await shown(bench, tmp_path), await rows_of(bench, *days))


@pytest.mark.asyncio
async def test_a_date_that_was_committed_after_the_listing_stays(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    for day in (DAY, NEXT):
        await bench.run(source_of({"id": day.day}), day)
    config = bench.config.pipeline(NAME)
    with Workers(1) as workers:
        place = TablePlace.of(config, config.output)
        table = open_delta(place, bench.store, workers, ManualClock())
        assert not await table.follow([partition_of(DAY)], whole=True)
    assert same(await shown(bench, tmp_path), await rows_of(bench, DAY, NEXT))


@pytest.mark.asyncio
async def test_a_field_that_comes_later_within_another_is_null_before(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    await bench.run(source_of({"id": 1, "inner": {"a": 1}, "all": [{"b": 1}]}))
    await bench.run(source_of({"id": 2, "inner": {"a": 2, "c": "x"}, "all": [{"d": 2}]}), NEXT)
    rows = sorted(await shown(bench, tmp_path), key=lambda row: row["id"])
    assert [row["inner"] for row in rows] == [{"a": 1, "c": None}, {"a": 2, "c": "x"}]
    assert [row["all"] for row in rows] == [[{"b": 1, "d": None}], [{"b": None, "d": 2}]]


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["put", "delete"])
async def test_a_note_that_can_t_be_written_or_removed_ends_no_run(
    tmp_path: Path, method: str
) -> None:
    bench = bench_of(tmp_path)
    faulty = inject(bench.store, when=lambda name, key: name == method and key.endswith(".table"))
    await bench_of(tmp_path, store=faulty).run(source_of({"id": 1}))
    assert faulty.script.fired
    assert same(await shown(bench, tmp_path), await rows_of(bench, DAY))
    await bench.run(source_of({"id": 2}), NEXT)
    assert not any(name.endswith(".table") for name in await bench.left())
