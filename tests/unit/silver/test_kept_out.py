"""Runs of Silver whose Bronze changes its mind: types that widen, records that are kept out of some
dates, and what a rebuild makes of the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.engine import Engine
from bronze_engine.errors import QualityError
from bronze_engine.model.layout import Column
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.quality import RuleResult

from .lake import NAME, Lake
from .oracle import Landed, Row, Table

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

DAYS = [date(2025, 1, 15) + timedelta(days=number) for number in range(4)]
TABLE = Table(columns=("id", "at", "n"), keys=("id",), order=("at",))
WHOLE: Any = pa.int64()
TEXT: Any = pa.string()
TEXTS = pa.schema([("id", WHOLE), ("at", WHOLE), ("n", TEXT)])


@asynccontextmanager
async def opened(folder: Path, schema: pa.Schema, **silver: object) -> AsyncIterator[_Lake]:
    lake = Lake(folder, TABLE, schema, load="incremental")
    async with open_engine(lake.config(**silver), clock=SYSTEM_CLOCK) as engine:
        yield _Lake(lake, engine)


class _Lake:
    def __init__(self, lake: Lake, engine: Engine) -> None:
        self.lake = lake
        self.engine = engine
        self.warnings: tuple[str, ...] = ()
        self._generations: dict[date, int] = {}

    def land(self, day: date, *rows: Row, schema: pa.Schema | None = None) -> None:
        self._generations[day] = self._generations.get(day, 0) + 1
        lake = (
            self.lake
            if schema is None
            else Lake(self.lake.folder, TABLE, schema, load="incremental")
        )
        lake.land(Landed(run_date=day, files=(rows,), generation=self._generations[day]))

    async def curate(self, *, rebuild: bool = False) -> Manifest:
        self.warnings = (await self.engine.silver(NAME, rebuild=rebuild)).warnings
        return self.manifest

    @property
    def manifest(self) -> Manifest:
        found = self.lake.manifest()
        assert found is not None
        assert self.lake.unowned() == []
        return found

    @property
    def values(self) -> Mapping[int, Any]:
        return {row["id"]: row["n"] for row in self.lake.rows() or []}


def row(id: int, at: int, n: object) -> Row:  # noqa: A002
    return {"id": id, "at": at, "n": n}


LENIENT = {"columns": {"cast": {"n": "int64"}}, "quality": {"max_bad_rows": 5}}


async def test_a_date_that_is_landed_again_takes_what_was_kept_out_along(tmp_path: Path) -> None:
    async with opened(tmp_path, TEXTS, **LENIENT) as lake:
        lake.land(DAYS[0], row(1, 1, "1"), row(2, 1, "x"))
        first = await lake.curate()
        assert (first.rejected_count, len(first.quarantine)) == (1, 1)
        lake.land(DAYS[1], row(1, 2, "y"), row(3, 2, "3"), row(4, 2, "z"))
        second = await lake.curate()
        assert lake.values == {1: 1, 3: 3}
        assert [one.row_count for one in second.quarantine] == [1, 2]
        assert second.quarantine[0] == first.quarantine[0]
        assert second.rejected_count == 3
        lake.land(DAYS[0], row(1, 1, "1"), row(2, 1, "2"))
        third = await lake.curate()
        assert lake.values == {1: 1, 2: 2, 3: 3}
        assert third.quarantine == second.quarantine[1:]
        assert third.silver is not None
        assert [one.rejected for one in third.silver.inputs] == [0, 2]
        before = lake.values
        rebuilt = await lake.curate(rebuild=True)
        assert lake.values == before
        assert [one.row_count for one in rebuilt.quarantine] == [2]


async def test_a_run_that_keeps_out_too_many_leaves_the_table_and_the_records(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, TEXTS, columns={"cast": {"n": "int64"}}) as lake:
        lake.land(DAYS[0], row(1, 1, "1"))
        committed = await lake.curate()
        lake.land(DAYS[1], row(2, 2, "x"))
        with pytest.raises(QualityError, match=r"1 records were rejected.*can't hold x"):
            await lake.curate()
        assert lake.manifest == committed
        (kept,) = (lake.lake.root / "_runs").rglob("*.rejected.jsonl.zst")
        assert kept.stat().st_size > 0
        lake.land(DAYS[1], row(2, 2, "2"))
        await lake.curate()
        assert lake.values == {1: 1, 2: 2}


async def test_each_date_may_have_as_many_bad_records_in_however_many_runs(tmp_path: Path) -> None:
    lenient = LENIENT | {"quality": {"max_bad_rows": 1}}
    async with opened(tmp_path, TEXTS, **lenient) as lake:
        for number, day in enumerate(DAYS[:2]):
            lake.land(day, row(1, number, "x"), row(2, number, str(number)))
        for rebuild in (False, True):
            manifest = await lake.curate(rebuild=rebuild)
            assert manifest.rejected_count == 2
        lake.land(DAYS[2], row(1, 3, "x"), row(2, 3, "y"))
        failed = r"2 records were rejected of 2025-01-17, more than .*_bad_rows = 1.* kept"
        with pytest.raises(QualityError, match=failed) as caught:
            await lake.curate(rebuild=True)
        kept = (lake.lake.root / "_runs").rglob("*.rejected.jsonl.zst")
        assert any(str(caught.value).endswith(f" at {path}") for path in kept)


async def test_a_date_without_a_record_has_too_few(tmp_path: Path) -> None:
    few: dict[str, Any] = {"quality": {"rules": [{"rule": "row_count", "min": 1}]}}
    async with opened(tmp_path, TEXTS, **few) as lake:
        lake.land(DAYS[0], row(1, 1, "1"))
        committed = await lake.curate()
        lake.lake.land(Landed(run_date=DAYS[1], files=()))
        with pytest.raises(QualityError, match=r"2025-01-16 in Bronze breaks .* 0 rows"):
            await lake.curate()
        assert lake.manifest == committed


async def test_a_date_is_held_against_what_stands_of_others(tmp_path: Path) -> None:
    """Six of ten records are deletes, or are kept out, on each date: that is as ever."""
    changes: dict[str, Any] = {
        "deletes": "hard",
        "deleted_column": "gone",
        "columns": {"cast": {"n": "int64"}},
        "quality": {"max_bad_rows": 3, "rules": [{"rule": "row_count_change", "min_ratio": 0.9}]},
    }
    marked = TEXTS.append(pa.field("gone", pa.bool_()))
    async with opened(tmp_path, marked, **changes) as lake:

        def land(day: date, standing: int) -> None:
            gone = [row(number, day.day, "1") | {"gone": True} for number in range(3)]
            bad = [row(number, day.day, "x") | {"gone": False} for number in range(3)]
            rest = [row(number, day.day, "1") | {"gone": False} for number in range(standing)]
            lake.land(day, *gone, *bad, *rest)

        for day in DAYS[:3]:
            land(day, 4)
            manifest = await lake.curate()
        manifest = await lake.curate(rebuild=True)
        assert manifest.silver is not None
        assert [one.standing for one in manifest.silver.inputs] == [4, 4, 4]
        land(DAYS[3], 3)
        with pytest.raises(QualityError, match=r"3 rows are 0\.750 times the median of 4\.0"):
            await lake.curate()


async def test_an_old_record_of_a_key_is_kept_out_of_what_is_made_anew(tmp_path: Path) -> None:
    """The newest record of key 1 goes with its date: an older one counts, and the one between that
    was kept out does not."""
    async with opened(tmp_path, TEXTS, **LENIENT) as lake:
        lake.land(DAYS[0], row(1, 1, "1"), row(2, 1, "2"))
        lake.land(DAYS[1], row(1, 2, "x"))
        lake.land(DAYS[2], row(1, 3, "3"), row(5, 3, "5"))
        await lake.curate()
        assert lake.values == {1: 3, 2: 2, 5: 5}
        lake.land(DAYS[2], row(5, 3, "6"))
        manifest = await lake.curate()
        assert manifest.silver is not None
        assert manifest.silver.mode == "recompute"
        assert lake.values == {1: 1, 2: 2, 5: 6}
        assert manifest.rejected_count == 1


RULES = {
    "quality": {
        "max_bad_rows": 9,
        "rules": [
            {"rule": "unique", "column": "n"},
            {"rule": "expression", "expression": "n <> 'bad'"},
            {"rule": "row_count", "min": 1, "level": "warn"},
        ],
    }
}


def verdicts(manifest: Manifest) -> list[str]:
    return [result.verdict for result in manifest.quality if isinstance(result, RuleResult)]


async def test_rules_keep_out_the_same_records_whenever_they_are_read(tmp_path: Path) -> None:
    async with opened(tmp_path, TEXTS, **RULES) as lake:
        lake.land(DAYS[0], row(1, 1, "a"), row(2, 1, "b"), row(3, 1, "a"))
        lake.land(DAYS[1], row(1, 2, "bad"), row(4, 2, "a"))
        await lake.curate()
        assert lake.values == {1: "a", 2: "b", 4: "a"}
        lake.land(DAYS[2], row(3, 0, "c"))
        manifest = await lake.curate()
        assert verdicts(manifest) == ["passed"] * 3
        lake.land(DAYS[2])
        manifest = await lake.curate()
        assert verdicts(manifest) == ["passed", "passed", "warned"]
        assert lake.warnings == ("quality rule row_count: 0 rows; at least 1 is wanted",)
        expected = {1: "a", 2: "b", 4: "a"}
        assert lake.values == expected
        manifest = await lake.curate(rebuild=True)
        assert lake.values == expected
        assert manifest.rejected_count == 2


async def test_a_column_whose_type_widens_is_one_type_in_all_files(tmp_path: Path) -> None:
    narrow = TEXTS.set(2, pa.field("n", pa.int32()))
    wide = TEXTS.set(2, pa.field("n", pa.decimal128(12, 2)))
    async with opened(tmp_path, narrow) as lake:
        lake.land(DAYS[0], row(1, 1, 7), row(2, 1, 8))
        assert (await lake.curate()).schema[2].type == "int32"
        lake.land(DAYS[1], row(2, 2, None), schema=wide)
        manifest = await lake.curate()
        assert manifest.schema[2].type == "decimal128(12, 2)"
        assert [(one.change, one.column) for one in manifest.schema_changes] == [("widened", "n")]
        assert lake.values == {1: 7, 2: None}
        lake.land(DAYS[2], row(3, 3, "x"), schema=TEXTS)
        await lake.curate()
        assert lake.values == {1: "7", 2: None, 3: "x"}
        lake.land(DAYS[2], row(3, 3, 1), schema=narrow)
        manifest = await lake.curate()
        assert manifest.schema[2].type == "decimal128(12, 2)"
        assert lake.values == {1: 7, 2: None, 3: 1}


async def test_a_frozen_table_stays_as_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path, TEXTS, contract="freeze") as lake:
        lake.land(DAYS[0], row(1, 1, "7"))
        committed = await lake.curate()
        more = TEXTS.append(pa.field("new", pa.int64()))
        lake.land(DAYS[1], row(2, 2, "8") | {"new": 1}, schema=more)
        with pytest.raises(QualityError, match=r"column 'new' is new, and silver\.contract"):
            await lake.curate()
        assert lake.manifest == committed
        await lake.curate(rebuild=True)
        assert lake.values == {1: "7", 2: "8"}


async def test_what_is_cast_is_ordered_and_keyed_as_what_it_is(tmp_path: Path) -> None:
    table = {"rename": {"at": "when", "id": "key"}, "cast": {"when": "int64", "n": "decimal(9,2)"}}
    texts = pa.schema([("id", WHOLE), ("at", TEXT), ("n", TEXT)])
    more: dict[str, Any] = {"columns": table, "unique_columns": ["key"], "order_by": ["when"]}
    async with opened(tmp_path, texts, **more) as lake:
        lake.land(DAYS[0], {"id": 1, "at": "10", "n": "1.50"}, {"id": 1, "at": "9", "n": "2"})
        await lake.curate()
        (found,) = lake.lake.rows() or []
    assert (found["key"], found["when"], str(found["n"])) == (1, 10, "1.50")


async def test_a_mark_may_come_with_the_first_delete(tmp_path: Path) -> None:
    marks: dict[str, Any] = {
        "deletes": "hard",
        "deleted_column": "gone",
        "columns": {"cast": {"gone": "bool"}},
    }
    marked = TEXTS.append(pa.field("gone", WHOLE))
    async with opened(tmp_path, marked, **marks) as lake:
        lake.land(DAYS[0], row(1, 1, "a"), row(2, 1, "b"))
        await lake.curate()
        (warning,) = lake.warnings
        assert warning.startswith("silver.deleted_column and silver.columns.cast: no record has a")
        lake.land(DAYS[1], row(1, 2, "a") | {"gone": 1}, row(2, 2, "c") | {"gone": 0})
        await lake.curate()
        assert lake.warnings == ()
        assert lake.values == {2: "c"}


async def test_late_records_are_kept_aside_whatever_the_threshold(tmp_path: Path) -> None:
    times = TEXTS.set(1, pa.field("at", pa.timestamp("us", "UTC")))
    async with opened(tmp_path, times, late_data="quarantine", late_after="1d") as lake:
        for day in DAYS[:2]:
            old, new = (datetime(2025, 1, number, tzinfo=UTC) for number in (1, day.day))
            number = day.day
            lake.land(
                day,
                {"id": number, "at": old, "n": "old"},
                {"id": number + 100, "at": new, "n": "new"},
            )
        manifest = await lake.curate()
        assert lake.values == {15: "old", 115: "new", 116: "new"}
        assert (manifest.late_rows, manifest.rejected_count) == (1, 1)


@pytest.mark.parametrize("is_lenient", [False, True])
async def test_what_another_type_can_t_hold_is_told_of_dates_taken_in_long_ago(
    tmp_path: Path, *, is_lenient: bool
) -> None:
    """Nanoseconds end in 2262: the row of a later year went without a word."""
    micros, nanos = (
        TEXTS.set(2, pa.field("n", pa.timestamp(unit, "UTC"))) for unit in ("us", "ns")
    )
    latest, earliest = (datetime(year, 1, 1, tzinfo=UTC) for year in (9999, 2025))
    more = {"quality": {"max_bad_rows": 1}} if is_lenient else {}
    async with opened(tmp_path, micros, **more) as lake:
        lake.land(DAYS[1], row(1, 1, latest), row(2, 1, earliest))
        committed = await lake.curate()
        lake.land(DAYS[0], row(3, 1, earliest), schema=nanos)
        if not is_lenient:
            with pytest.raises(QualityError, match=r"1 records were rejected of 2025-01-16"):
                await lake.curate()
            assert lake.manifest == committed
            return
        manifest = await lake.curate()
        assert manifest.silver is not None
        assert [one.rejected for one in manifest.silver.inputs] == [0, 1]
        assert [one.row_count for one in manifest.quarantine] == [1]
        assert sorted(lake.values) == [2, 3]


@pytest.mark.parametrize("deciding", ["id", "at", "gone"])
async def test_a_record_whose_key_order_or_mark_did_not_fit_in_bronze_is_kept_out(
    tmp_path: Path, deciding: str
) -> None:
    """Its column is NULL: two such records were of one key, of which the latter alone stood."""
    beside = Column(
        name=f"{deciding}__variant", type=TEXT, key=None, role="variant", of=deciding
    ).field()
    plain = [("id", WHOLE), ("at", WHOLE), ("n", TEXT), ("gone", pa.bool_())]
    schema = pa.schema([*map(pa.field, *zip(*plain, strict=True)), beside])
    options = {"deleted_column": "gone", "columns": {"drop": [beside.name]}}
    async with opened(tmp_path, schema, **options, quality={"max_bad_rows": 2}) as lake:
        lake.land(DAYS[0], row(1, 1, "a") | {"gone": False})
        unfit = [row(n, 2, "b") | {deciding: None, beside.name: f'"{n}"'} for n in (2, 3)]
        lake.land(DAYS[1], row(1, 2, "b") | {"gone": False}, *unfit)
        found = await lake.curate()
        assert lake.values == {1: "b"}
        assert [one.row_count for one in found.quarantine] == [2]
        lake.land(DAYS[2], row(1, 3, "c"), *unfit, unfit[0])
        kind = schema.field(deciding).type
        said = rf"column '{deciding}' \({kind} in Bronze\) could not hold \"2\"; give it a type"
        with pytest.raises(QualityError, match=rf"3 records were rejected.*{said}"):
            await lake.curate()
        assert lake.values == {1: "b"}
