"""Rows whose key came before: kept, told, left out, or the end of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.errors import ConfigError, QualityError, SliceLost
from bronze_engine.flow import Budget
from bronze_engine.quality.duplicates import _shown
from bronze_engine.testing import ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import DAY, Bench, cut_groups, reports_of

pytestmark = pytest.mark.unit

KEY = 'primary_key=["id"]'
SHIFTED: list[Step] = [
    page(1, {"id": 1, "v": "a"}, {"id": 2, "v": "b"}),
    # a record was inserted at the front meanwhile: the last one of page 1 moved on to page 2
    page(2, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}),
    page(3, {"id": 4, "v": "d"}, {"id": 4, "v": "e"}),
]


@pytest.fixture(params=[1, 1024**2], ids=["a group each", "one group"])
def _groups(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    cut_groups(monkeypatch, request.param)


async def landed(bench: Bench) -> list[tuple[Any, Any]]:
    return [(row["id"], row["v"]) for row in (await bench.table()).to_pylist()]


@pytest.mark.asyncio
@pytest.mark.usefixtures("_groups")
async def test_the_first_of_equal_keys_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, KEY, "quality.duplicates=drop")
    manifest = await bench.run(ScriptedSource([SHIFTED]))
    assert await landed(bench) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert (manifest.row_count, manifest.duplicate_rows) == (4, 2)
    (report,) = await reports_of(bench.store)
    assert (report["rows"], report["duplicates"]) == (4, 2)
    (warning,) = (text for text in report["warnings"] if "primary_key" in text)
    assert warning == (
        "2 rows whose primary_key came before were left out, the first one stays (the first: "
        "2, 4): records move between pages while they are read"
    )


@pytest.mark.asyncio
@pytest.mark.usefixtures("_groups")
async def test_reported_rows_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, KEY, "quality.duplicates=report")
    manifest = await bench.run(ScriptedSource([SHIFTED]))
    assert (manifest.row_count, manifest.duplicate_rows) == (6, 2)
    (report,) = await reports_of(bench.store)
    assert any("2 rows whose primary_key came before were kept" in w for w in report["warnings"])


@pytest.mark.asyncio
@pytest.mark.usefixtures("_groups")
async def test_fail_names_the_keys_and_commits_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, KEY, "quality.duplicates=fail")
    with pytest.raises(QualityError, match=r"came before \(the first: 2.*nothing was committed"):
        await bench.run(ScriptedSource([SHIFTED]))
    assert await bench.manifest() is None


@pytest.mark.asyncio
async def test_keep_looks_at_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, KEY)
    manifest = await bench.run(ScriptedSource([SHIFTED]))
    assert (manifest.row_count, manifest.duplicate_rows) == (6, 0)


@pytest.mark.asyncio
@pytest.mark.usefixtures("_groups")
async def test_rows_without_a_key_are_never_duplicates_and_are_told(tmp_path: Path) -> None:
    script: list[Step] = [
        page(1, {"a": 1, "b": "x"}, {"a": 1}, {"b": "x"}),
        page(2, {"a": 1}, {"a": None, "b": None}, {"a": 1, "b": "x"}, {"a": 1, "b": "y"}),
    ]
    bench = Bench(tmp_path, 'primary_key=["a", "b"]', "quality.duplicates=drop")
    manifest = await bench.run(ScriptedSource([script]))
    assert (manifest.row_count, manifest.duplicate_rows) == (6, 1)
    (report,) = await reports_of(bench.store)
    assert "4 rows have no value in primary_key (a, b), and were not compared" in report["warnings"]


@pytest.mark.asyncio
async def test_a_key_that_no_record_has_drops_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'primary_key=["uid"]', "quality.duplicates=drop")
    manifest = await bench.run(ScriptedSource([SHIFTED]))
    assert (manifest.row_count, manifest.duplicate_rows) == (6, 0)
    (report,) = await reports_of(bench.store)
    told = "primary_key names 'uid', and no record has such a key; did you mean 'id'?"
    assert told in report["warnings"]


@pytest.mark.asyncio
async def test_a_flattened_column_is_a_key(tmp_path: Path) -> None:
    script: list[Step] = [page(1, {"meta": {"id": 1}}, {"meta": {"id": 1}}, {"meta": {"id": 2}})]
    bench = Bench(
        tmp_path, 'primary_key=["meta__id"]', "quality.duplicates=drop", "schema.flatten=__"
    )
    assert (await bench.run(ScriptedSource([script]))).row_count == 2


@pytest.mark.asyncio
async def test_a_slice_that_is_read_again_begins_without_keys(tmp_path: Path) -> None:
    bench = Bench(tmp_path, KEY, "quality.duplicates=drop")
    source = ScriptedSource([[*SHIFTED, SliceLost("the pages shifted")]], rereads=[[SHIFTED]])
    manifest = await bench.run(source)
    assert (manifest.row_count, manifest.duplicate_rows) == (4, 2)


@pytest.mark.asyncio
async def test_slices_have_keys_of_their_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path, KEY, "quality.duplicates=drop")
    manifest = await bench.run(ScriptedSource([SHIFTED, SHIFTED]))
    assert (manifest.row_count, manifest.duplicate_rows) == (8, 4)


@pytest.mark.asyncio
async def test_keys_that_do_not_fit_the_memory_end_the_run_and_give_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "keep", lambda self, size: size <= 0 and keep(self, size))
    bench = Bench(tmp_path, KEY, "quality.duplicates=drop")
    with pytest.raises(QualityError, match=r"quality.duplicates = 'drop' compares take 64 bytes"):
        await bench.run(ScriptedSource([SHIFTED]))
    assert await bench.manifest(DAY) is None


keep = Budget.keep


def test_what_runs_keep_is_half_of_the_pool_at_the_most() -> None:
    budget = Budget(100)
    budget.reserved_bytes = 20
    assert budget.keep(30)
    assert not budget.keep(11)
    assert budget.keep(10)
    assert (budget.kept_bytes, budget.pooled_bytes) == (40, 40)
    assert budget.keep(-40)
    assert (budget.kept_bytes, budget.pooled_bytes) == (0, 0)


def test_keys_are_shown_that_have_no_python_value() -> None:
    columns: list[Any] = [
        pa.array([2**63 - 1], pa.timestamp("us", "UTC")),
        pa.array([2**31 - 1], pa.date32()),
        pa.array([b"\xff"]),
    ]
    assert _shown(columns, pa.array([0])) == ["294247-01-10 04:00:54.775807Z/5881580-07-11//w=="]


@pytest.mark.parametrize("mode", ["report", "drop", "fail"])
def test_without_a_key_there_is_nothing_to_compare(tmp_path: Path, mode: str) -> None:
    bench = Bench(tmp_path, f"quality.duplicates={mode}")
    with pytest.raises(ConfigError, match=r"quality.duplicates.*primary_key; set that"):
        bench.config.pipeline("team.orders")


@pytest.mark.asyncio
async def test_a_stream_of_batches_leaves_them_out_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, KEY, "quality.duplicates=drop")
    clock = ManualClock()

    async def read() -> list[Any]:
        async with (
            bench.engine(ScriptedSource([SHIFTED]), clock=clock) as engine,
            engine.batches("team.orders", run_date=DAY) as stream,
        ):
            return [row["id"] async for batch in stream for row in batch.to_pylist()]

    assert await clock.drive(read()) == [1, 2, 3, 4]
