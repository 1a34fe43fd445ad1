"""Records of Bronze on their way into a table: what is kept out, where it is kept, and what a run
does about it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, final

import msgspec
import pyarrow as pa
import pytest

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import QualityError, StoreError
from bronze_engine.flow import Budget
from bronze_engine.model.layout import Column
from bronze_engine.model.part import DataFile
from bronze_engine.model.quarantine import Quarantined
from bronze_engine.run.rejects import RejectsFile, read_rejects
from bronze_engine.silver.columns.columns import resolve
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.inputs.files import BronzeFile
from bronze_engine.silver.intake.intake import Intake, Taken
from bronze_engine.silver.intake.quality import Judge
from bronze_engine.silver.intake.rejects import Rejects
from bronze_engine.silver.merge.pieces import Piece
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.stores import keys_of, staged_keys
from bronze_engine.workers import Workers
from tests.unit.silver.bronze import manifest, pipeline, written

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

FIRST, SECOND, THIRD = (date(2025, 1, day) for day in (15, 16, 17))
KEY = "_runs/silver/myteam/orders/2025-01-17/r1.rejected.jsonl.zst"
INCREMENTAL = 'load = "incremental"\nprimary_key = ["id"]\nincremental = { cursor = "at" }'


@final
class Run:
    """A run of Silver as far as its records go."""

    def __init__(self, folder: Path, chosen: Pipeline, workers: Workers) -> None:
        self.folder = folder
        self.chosen = chosen
        self.workers = workers
        self.target, self.state = MemoryStore(), MemoryStore()
        self.files: list[BronzeFile] = []
        self.history: dict[date, int] = {}
        self.found: list[dict[str, Any]] = []
        self.piece: Piece | None = None
        """What is looked at; None: all."""
        self.opened: list[str] = []
        """How many files each scan has opened."""

    def land(self, day: date, *tables: pa.Table) -> None:
        """A partition with a file for each table."""
        schema = pa.unify_schemas([table.schema for table in tables])
        listed = tuple(
            DataFile(name=f"part-{n}.parquet", size_bytes=1, sha256="", row_count=table.num_rows)
            for n, table in enumerate(tables)
        )
        load = self.chosen.load
        of = msgspec.structs.replace(manifest(schema, day, made_by=load), files=listed)
        for part, table in enumerate(tables):
            path = written(self.folder, table, f"{day}-{part}.parquet")
            self.files.append(BronzeFile(manifest=of, part=part, path=path))

    async def take(self, *new: date, keys: Sequence[int] | None = None) -> Taken:
        """Take in all that has landed, of which these dates are new."""
        spill = self.folder / "spill"
        spill.mkdir(exist_ok=True)
        shape = resolve(self.chosen, [file.manifest for file in self.files], None)
        assert self.chosen.silver is not None
        rules = self.chosen.silver.quality.rules
        rejects = Rejects(
            pipeline="myteam.orders",
            workers=self.workers,
            target=self.target,
            folder="silver/myteam/orders",
            generation=1,
            run="r1",
            state=self.state,
            rejected_key=KEY,
            grace_seconds=lambda: 1.0,
        )
        judge = Judge(
            rules,
            shape,
            Budget(64 * 1024**2),
            self.workers,
            run="r1",
            began=datetime(2025, 1, 17, 12, tzinfo=UTC),
            newest=max(file.run_date for file in self.files),
            history=self.history,
        )
        async with (
            rejects,
            Database(
                self.workers, spill, memory_bytes=64 * 1024**2, readable=[str(self.folder)]
            ) as database,
        ):
            first = min(file.run_date for file in self.files)
            intake = Intake(
                database,
                self.workers,
                self.chosen,
                shape,
                first=first,
                judge=judge if rules else None,
                rejects=rejects,
            )
            if keys is not None:
                listed = ", ".join(f"({key})" for key in keys)
                await database.execute(f"CREATE TABLE touched AS FROM (VALUES {listed}) t(id)")
            taken = await intake.take_in(
                self.files, new=new, keys=None if keys is None else "touched"
            )
            names = ", ".join(f'"{name}"' for name in (*shape.names, "_bronze_date"))
            places = ("_bronze_date", "_bronze_part", "_bronze_row")
            wanted = "TRUE" if self.piece is None else self.piece.of(*places)
            sql = f"SELECT {names} FROM records WHERE {wanted} ORDER BY ALL"
            rows = await database.execute(sql)
            ((_, plan),) = await database.execute(f"EXPLAIN ANALYZE {sql}")
            self.opened = re.findall(r"Total Files Read: (\d+)", plan)
            self.found = [dict(zip((*shape.names, "day"), row, strict=True)) for row in rows]
            for staged in rejects.staged:
                await self.target.complete(staged)
            rejects.is_committed = True
        return taken

    async def quarantined(self, store: MemoryStore) -> list[Quarantined]:
        files = [RejectsFile(key=key) for key in await keys_of(store)]
        return [one async for group in read_rejects(store, files, self.workers) for one in group]

    @property
    def ids(self) -> list[int]:
        return [row["id"] for row in self.found]


@asynccontextmanager
async def running(
    folder: Path, silver: str, top: str = 'primary_key = ["id"]'
) -> AsyncIterator[Run]:
    with Workers(2) as workers:
        run = Run(folder, pipeline(folder, silver, top), workers)
        yield run
        assert await staged_keys(run.target) == []
        assert await staged_keys(run.state) == []


def at(day: int) -> datetime:
    return datetime(2025, 1, day, tzinfo=UTC)


async def test_all_records_of_all_files_are_there(tmp_path: Path) -> None:
    async with running(tmp_path, "") as run:
        run.land(FIRST, pa.table({"id": [1]}), pa.table({"n": ["x"], "id": [2]}))
        run.land(SECOND, pa.table({"id": [3]}))
        taken = await run.take(FIRST, SECOND)
    assert run.found == [
        {"id": 1, "n": None, "day": FIRST},
        {"id": 2, "n": "x", "day": FIRST},
        {"id": 3, "n": None, "day": SECOND},
    ]
    assert taken == Taken(rejected={FIRST: 0, SECOND: 0})


async def test_files_that_are_alike_are_one_scan_of_which_a_piece_opens_its_own(
    tmp_path: Path,
) -> None:
    # A scan of each would take 2 MB of a small memory: 200 files were more than 256 MB hold.
    silver = 'order_by = ["at"]\nlate_data = "quarantine"\nlate_after = "9d"'
    async with running(tmp_path, silver, INCREMENTAL) as run:
        for day in (FIRST, SECOND, THIRD):
            one, other = (pa.table({"id": [day.day, n], "at": [at(15), at(16)]}) for n in (1, 2))
            run.land(day, one, other)
        run.piece = Piece(first=(SECOND, 1), last=(SECOND, 1))
        await run.take(FIRST, SECOND, THIRD)
    assert run.found == [
        {"id": 2, "at": at(16), "day": SECOND},
        {"id": 16, "at": at(15), "day": SECOND},
    ]
    assert run.opened == ["2"]  # its own, and the first of all for the columns


async def test_a_partition_without_files_is_no_record(tmp_path: Path) -> None:
    async with running(tmp_path, "") as run:
        run.land(FIRST, pa.table({"id": pa.array([], pa.int64())}))
        await run.take(FIRST)
        assert run.ids == []


async def test_records_of_some_keys_alone(tmp_path: Path) -> None:
    async with running(tmp_path, "") as run:
        run.land(FIRST, pa.table({"id": [1, 2, 3]}))
        await run.take(keys=[1, 3])
    assert run.ids == [1, 3]


CAST = '[.columns]\ncast = { n = "int16" }\n[.quality]\nmax_bad_rows = 2\n'


async def test_a_value_without_a_place_is_kept_aside_as_it_landed(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3], "n": ["7", "x", None], "b": [b"\xff", b"\x00", b""]})
    async with running(tmp_path, CAST) as run:
        run.land(FIRST, pa.table({"id": [0], "n": ["1"]}), table)
        taken = await run.take(FIRST)
        (kept,) = await run.quarantined(run.target)
        assert await keys_of(run.state) == []
        assert await keys_of(run.target) == [
            "silver/myteam/orders/_quarantine/g00000001-r1-00000.jsonl.zst"
        ]
    assert run.ids == [0, 1, 3]
    assert taken.rejected == {FIRST: 1}
    assert kept.reason == "column 'n' (int16) can't hold x"
    assert (kept.page, kept.offset) == (2, 1)
    assert kept.file == "myteam/orders/dt=2025-01-15/part-1.parquet"
    assert kept.raw == '{"id": 2, "n": "x", "b": "AA=="}'


async def test_more_than_there_may_be_end_the_run_and_can_be_read(tmp_path: Path) -> None:
    async with running(tmp_path, CAST.replace("= 2", "= 0")) as run:
        run.land(FIRST, pa.table({"id": [1, 2], "n": ["7", "x"]}))
        told = r"1 records were rejected.*can't hold x.* --silver --run r1` lists them; .*_runs/"
        with pytest.raises(QualityError, match=told):
            await run.take(FIRST)
        assert await keys_of(run.target) == []
        assert await keys_of(run.state) == [KEY]
        (kept,) = await run.quarantined(run.state)
        assert kept.raw == '{"id": 2, "n": "x"}'


async def test_what_an_earlier_run_kept_out_stays_out_and_is_not_told_again(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, CAST.replace("= 2", "= 0")) as run:
        run.land(FIRST, pa.table({"id": [1, 2], "n": ["7", "x"]}))
        run.land(SECOND, pa.table({"id": [3], "n": ["8"]}))
        taken = await run.take(SECOND)
        assert await keys_of(run.target) == []
    assert run.ids == [1, 3]
    assert taken.rejected == {SECOND: 0}


RULES = """
[.quality]
max_bad_ratio = 0.9
[[.quality.rules]]
rule = "range"
column = "n"
min = 0
[[.quality.rules]]
rule = "unique"
column = "mail"
[[.quality.rules]]
rule = "row_count"
min = 1
"""


async def test_rules_see_records_as_they_would_stand_in_the_table(tmp_path: Path) -> None:
    silver = f'[.columns]\nrename = {{ m = "mail" }}\ncast = {{ n = "int16" }}\n{RULES}'
    table = pa.table({"id": [1, 2, 3, 4], "n": ["1", "-1", "2", "y"], "m": ["a", "b", "a", "c"]})
    async with running(tmp_path, silver) as run:
        run.land(FIRST, table)
        run.land(SECOND, pa.table({"id": [5], "n": ["3"], "m": ["a"]}))
        taken = await run.take(FIRST, SECOND)
        kept = await run.quarantined(run.target)
    assert run.ids == [1, 5]
    assert [(one.offset, one.rule) for one in kept] == [
        (1, "range(n)"),
        (2, "unique(mail)"),
        (3, None),
    ]
    assert kept[0].reason == "breaks range(n): n = -1"
    assert kept[0].raw == '{"id": 2, "n": "-1", "m": "b"}'
    found = {one.name: (one.verdict, one.checked, one.failed) for one in taken.quality}
    assert found == {
        "range(n)": ("rejected", 4, 1),
        "unique(mail)": ("rejected", 3, 1),
        "row_count": ("passed", 2, 0),
    }


async def test_rules_see_what_did_not_fit_its_column(tmp_path: Path) -> None:
    beside = Column(name="n__variant", type=pa.string(), key=None, role="variant", of="n").field()
    schema = pa.schema([("id", pa.int64()), ("n", pa.int64()), beside])
    renamed = '[.columns]\nrename = { n = "mail" }\n'
    async with running(tmp_path, renamed + RULES.replace('"n"', '"mail"')) as run:
        rows = {"id": [1, 2], "n": [1, None], "n__variant": [None, "-1.5"]}
        run.land(FIRST, pa.table(rows, schema=schema))
        await run.take(FIRST)
        (kept,) = await run.quarantined(run.target)
    assert run.ids == [1]
    assert kept.reason == "breaks range(mail): mail = -1.5"


async def test_rules_say_the_same_of_some_keys_as_of_all(tmp_path: Path) -> None:
    silver = f'[.columns]\nrename = {{ m = "mail" }}\n{RULES}'
    async with running(tmp_path, silver) as run:
        run.land(FIRST, pa.table({"id": [1, 2, 3], "n": [1, -1, 2], "m": ["a", "b", "a"]}))
        run.land(SECOND, pa.table({"id": [4], "n": [5], "m": ["d"]}))
        await run.take(SECOND, keys=[2, 3, 4])
    assert run.ids == [4]


async def test_a_date_that_breaks_a_rule_ends_the_run(tmp_path: Path) -> None:
    rule = '[[.quality.rules]]\nrule = "row_count_change"\nmin_ratio = 0.5\n'
    async with running(tmp_path, rule) as run:
        run.land(SECOND, pa.table({"id": [1]}))
        run.history = {FIRST: 10}
        with pytest.raises(QualityError, match=r"breaks a quality rule: row_count_change"):
            await run.take(SECOND)


async def test_only_the_newest_date_can_be_fresh(tmp_path: Path) -> None:
    rule = '[[.quality.rules]]\nrule = "freshness"\ncolumn = "at"\nmax_age = "1d"\n'
    async with running(tmp_path, rule) as run:
        run.land(FIRST, pa.table({"id": [1], "at": [at(15)]}))
        run.land(THIRD, pa.table({"id": [2], "at": [at(17)]}))
        await run.take(FIRST, THIRD)
        assert run.ids == [1, 2]
        run.files.pop()
        with pytest.raises(QualityError, match="freshness"):
            await run.take(FIRST)


LATE = 'late_after = "1d"\nlate_data = '


def land_late(run: Run) -> None:
    """The first date has history; then one is late, one is just in time, one has no time."""
    run.land(FIRST, pa.table({"id": [1], "at": pa.array([at(1)], pa.timestamp("us", "UTC"))}))
    times = pa.array([at(14), at(15), None], pa.timestamp("us", "UTC"))
    run.land(SECOND, pa.table({"id": [2, 3, 4], "at": times}))


async def test_late_records_are_kept_aside_and_are_no_bad_ones(tmp_path: Path) -> None:
    async with running(tmp_path, f'{LATE}"quarantine"', INCREMENTAL) as run:
        land_late(run)
        taken = await run.take(FIRST, SECOND)
        (kept,) = await run.quarantined(run.target)
    assert run.ids == [1, 3, 4]
    assert (taken.late, taken.rejected) == ({SECOND: 1}, {FIRST: 0, SECOND: 1})
    assert kept.reason == "late: at lies before 2025-01-15T00:00:00Z: 2025-01-14 00:00:00+00"


async def test_late_records_are_applied_as_any(tmp_path: Path) -> None:
    async with running(tmp_path, "", INCREMENTAL) as run:
        land_late(run)
        assert (await run.take(FIRST, SECOND)).late == {}
    assert run.ids == [1, 2, 3, 4]


async def test_late_records_end_the_run(tmp_path: Path) -> None:
    async with running(tmp_path, f'{LATE}"reject"', INCREMENTAL) as run:
        land_late(run)
        message = r"1 records are late.*the oldest \(of id = 2\) has at = 2025-01-14 .* 2025-01-16"
        with pytest.raises(QualityError, match=message):
            await run.take(FIRST, SECOND)
        await run.take(FIRST)


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("ns"), pa.timestamp("ms", "UTC")])
async def test_lateness_is_of_any_time(tmp_path: Path, kind: pa.DataType) -> None:
    days = pa.array([at(13), at(14), at(15)], pa.timestamp("us")).cast(pa.timestamp("s"))
    times = days if pa.types.is_date(kind) else days.cast(pa.int64()).cast(pa.timestamp("s"))
    async with running(tmp_path, f'{LATE}"quarantine"', INCREMENTAL) as run:
        nothing: Any = pa.array([None], kind)
        run.land(FIRST, pa.table({"id": [0], "at": nothing}))
        made = times.cast(pa.timestamp("us", "UTC")) if getattr(kind, "tz", None) else times
        run.land(SECOND, pa.table({"id": [1, 2, 3], "at": made.cast(kind)}))
        await run.take(FIRST, SECOND)
    assert run.ids == [0, 3]


async def test_what_is_no_time_is_never_late(tmp_path: Path) -> None:
    async with running(tmp_path, f'{LATE}"quarantine"', INCREMENTAL) as run:
        run.land(FIRST, pa.table({"id": [1], "at": ["2025-01-15"]}))
        with pytest.raises(QualityError, match=r"'at' is string.*silver\.columns\.cast"):
            await run.take(FIRST)


async def test_a_file_that_is_no_parquet_is_told_by_its_name(tmp_path: Path) -> None:
    async with running(tmp_path, "") as run:
        run.land(FIRST, pa.table({"id": [1]}))
        run.files[0].path.write_bytes(b"PAR1")
        with pytest.raises(StoreError, match=r"dt=2025-01-15/part-0\.parquet can't be read"):
            await run.take(FIRST)


async def test_no_rule_looks_at_deletes(tmp_path: Path) -> None:
    silver = (
        'deletes = "hard"\ndeleted_column = "gone"\n'
        '[[.quality.rules]]\nrule = "not_null"\ncolumn = "n"\n'
        '[[.quality.rules]]\nrule = "row_count"\nmax = 1\n'
    )
    async with running(tmp_path, silver) as run:
        run.land(FIRST, pa.table({"id": [1, 2], "n": [7, None], "gone": [False, True]}))
        taken = await run.take(FIRST)
    assert run.ids == [1, 2]
    assert [result.checked for result in taken.quality] == [1, 1]


async def test_deletes_that_do_nothing_are_neither_bad_nor_late(tmp_path: Path) -> None:
    silver = (
        f'{LATE}"reject"\ndeletes = "ignore"\ndeleted_column = "gone"\n'
        'columns.cast = { n = "int64" }\n'
    )
    times = pa.array([at(16), at(14)], pa.timestamp("us", "UTC"))
    async with running(tmp_path, silver, INCREMENTAL) as run:
        run.land(FIRST, pa.table({"id": [1], "at": times[:1], "n": ["1"], "gone": [False]}))
        run.land(
            SECOND, pa.table({"id": [2, 3], "at": times, "n": ["2", "none"], "gone": [False, True]})
        )
        taken = await run.take(FIRST, SECOND)
    assert run.ids == [1, 2]
    assert taken.rejected == {FIRST: 0, SECOND: 0}
