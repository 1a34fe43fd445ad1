"""Files in folders of partition values, over the engine: what lies where, and when files end."""

from __future__ import annotations

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bronze_engine.errors import ConfigError, ExtractError, QualityError, StoreError
from bronze_engine.land import valuefiles
from bronze_engine.model.manifest import Manifest
from bronze_engine.testing import ScriptedSource, Step, inject, page
from bronze_engine.testing.stores import keys_of, read_all
from tests.unit.run.harness import (
    DAY,
    NAME,
    Bench,
    cut_groups,
    groups_of,
    partition_of,
    reports_of,
    unowned,
)

pytestmark = pytest.mark.unit

PLAIN = "output.load_columns=false"
BY_K = 'output.partition_by=["k"]'


def rows_of(keys: list[Any], **more: Any) -> list[dict[str, Any]]:
    return [{"id": place, "k": key, **more} for place, key in enumerate(keys)]


def source_of(*pages: list[dict[str, Any]]) -> ScriptedSource:
    return ScriptedSource([[page(number, *rows) for number, rows in enumerate(pages, 1)]])


async def found_in(bench: Bench, manifest: Manifest) -> list[tuple[str, list[Any]]]:
    """Each file's folder and the ids of its rows, in the manifest's order."""
    found = []
    for file in manifest.files:
        body = await read_all(bench.store, f"{partition_of()}/{file.name}")
        folder = file.name.rpartition("/")[0]
        found.append((folder, pq.read_table(io.BytesIO(body)).column("id").to_pylist()))
    return found


@pytest.mark.asyncio
async def test_each_value_has_a_folder_and_keeps_its_rows_in_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path, BY_K, PLAIN)
    manifest = await bench.run(source_of(rows_of(["DE", "FR", None, "DE", "", "a/b"])))
    assert await found_in(bench, manifest) == [
        ("k=DE", [0, 3]),
        ("k=FR", [1]),
        ("k=__HIVE_DEFAULT_PARTITION__", [2]),
        ("k=", [4]),
        ("k=a%2Fb", [5]),
    ]
    assert [file.values for file in manifest.files] == [
        {"k": value} for value in ("DE", "FR", None, "", "a/b")
    ]
    assert [column.name for column in manifest.schema] == ["id", "k"]
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_levels_nest_in_the_order_of_the_entries(tmp_path: Path) -> None:
    by = 'output.partition_by=["day(at)", "k"]'
    bench = Bench(tmp_path, by, PLAIN, 'schema.columns.at="timestamp"')
    rows = rows_of(["DE", "DE"], at="2025-01-15T23:59:59+02:00")
    manifest = await bench.run(source_of(rows))
    [file] = manifest.files
    assert file.name.startswith("at_day=2025-01-15/k=DE/part-g00000001-")
    assert file.values == {"at_day": "2025-01-15", "k": "DE"}


@pytest.mark.asyncio
async def test_rows_and_bytes_end_files_as_without_folders(tmp_path: Path) -> None:
    limits = ("output.max_rows_per_file=5", "output.row_group_rows=2")
    bench = Bench(tmp_path, BY_K, *limits)
    manifest = await bench.run(source_of(rows_of(["a", "b"] * 11)))
    groups = await groups_of(bench.store, manifest)
    values = [file.values["k"] for file in manifest.files]
    for value in "ab":
        of_value = [found for key, found in zip(values, groups, strict=True) if key == value]
        assert of_value == [[2, 2, 1], [2, 2, 1], [1]]
    bench = Bench(tmp_path, BY_K, "output.max_bytes_per_file=1", "output.row_group_rows=2")
    manifest = await bench.run(source_of(rows_of(["a"] * 5)))
    assert await groups_of(bench.store, manifest) == [[2], [2], [1]]


@pytest.mark.asyncio
async def test_the_file_written_to_least_recently_is_closed_past_max_open_files(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, BY_K, "output.max_open_files=2", "output.row_group_rows=1")
    manifest = await bench.run(source_of(rows_of(["a", "b", "a", "c", "a", "b"])))
    assert await found_in(bench, manifest) == [
        ("k=a", [0, 2, 4]),
        ("k=b", [1]),
        ("k=c", [3]),
        ("k=b", [5]),
    ]


@pytest.mark.asyncio
async def test_no_more_than_max_open_files_are_staged_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, BY_K, "output.max_open_files=3", "output.row_group_rows=1")
    store = inject(bench.store)
    bench.store = store
    await bench.run(source_of(rows_of(list("abcdefg") * 4)))
    opened = most = 0
    for method, key in store.script.operations:
        opened += {"stage": 1, "seal": -1}.get(method, 0) if ".parquet" in key else 0
        most = max(most, opened)
    assert (opened, most) == (0, 3)


@pytest.mark.asyncio
async def test_a_new_column_ends_the_files_that_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_groups(monkeypatch, 1)
    bench = Bench(tmp_path, BY_K, PLAIN, "output.row_group_rows=2")
    first = rows_of(["a", "a", "a", "b"])
    manifest = await bench.run(source_of(first, rows_of(["a", "b"], new=1)))
    assert await found_in(bench, manifest) == [
        ("k=a", [0, 1, 2]),
        ("k=b", [3, 1]),
        ("k=a", [0]),
    ]
    layouts = {file.layout for file in manifest.files}
    assert len(layouts) == 2
    assert (await bench.table()).column("new").to_pylist() == [None, None, None, None, 1, 1]


@pytest.mark.asyncio
async def test_a_column_that_comes_late_is_null_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_groups(monkeypatch, 1)
    bench = Bench(tmp_path, BY_K, PLAIN)
    manifest = await bench.run(source_of([{"id": 0}], [{"id": 1, "k": "x"}]))
    assert await found_in(bench, manifest) == [("k=__HIVE_DEFAULT_PARTITION__", [0]), ("k=x", [1])]


async def hashes_of(
    folder: Path, rows: list[dict[str, Any]], ends: list[int], *overrides: str
) -> list[tuple[str, str]]:
    """Name and hash of each file, of rows that come in pages up to these ends."""
    bench = Bench(folder, BY_K, *overrides)
    pages = [rows[start:end] for start, end in pairwise([0, *ends, len(rows)])]
    manifest = await bench.run(source_of(*pages))
    assert manifest.row_count == len(rows)
    run = re.compile(rf"-{manifest.run}-")
    return [(run.sub("-", file.name), file.sha256) for file in manifest.files]


@pytest.mark.asyncio
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=st.lists(st.sampled_from([None, "", "a", "b", "c"]), max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=4),
    rows=st.integers(1, 4),
    opened=st.integers(1, 3),
)
async def test_the_same_rows_give_the_same_files_whatever_pages_they_came_in(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: list[Any],
    cuts: list[int],
    rows: int,
    opened: int,
) -> None:
    cut_groups(monkeypatch, 1)
    options = (f"output.row_group_rows={rows}", f"output.max_open_files={opened}")
    ends = sorted(min(cut, len(keys)) for cut in cuts)
    whole = await hashes_of(tmp_path, rows_of(keys), [], *options)
    assert await hashes_of(tmp_path, rows_of(keys), ends, *options) == whole


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": 1, "kk": "x"}], "partition_by names 'k', and no record has such a column; did"),
        ([{"id": 1, "k": 1.5}], "column 'k' is double, and only texts, integers"),
        ([{"id": 1, "k": "x" * 300}], "makes a folder of 302 bytes, and 200 is the limit"),
    ],
)
async def test_what_makes_no_folders_commits_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    bench = Bench(tmp_path, BY_K)
    with pytest.raises(QualityError, match=message):
        await bench.run(source_of(rows))
    assert await bench.manifest() is None
    assert [key for key in await bench.left() if ".parquet" in key] == []


@pytest.mark.asyncio
async def test_too_many_files_are_a_fault_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valuefiles, "MAX_FILES", 3)
    bench = Bench(tmp_path, 'output.partition_by=["id"]')
    with pytest.raises(QualityError, match="makes more than 3 files in one slice"):
        await bench.run(source_of(rows_of(["x"] * 4)))
    assert [key for key in await bench.left() if ".parquet" in key] == []


@pytest.mark.asyncio
async def test_open_files_are_reserved_before_anything_is_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path, BY_K, "output.max_open_files=100")
    with pytest.raises(ConfigError, match=r"engine\.memory_limit is .*max_open_files"):
        await bench.run(source_of(rows_of(["x"])))


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["stage", "part", "seal"])
async def test_a_store_that_fails_leaves_nothing_of_any_file(tmp_path: Path, method: str) -> None:
    bench = Bench(tmp_path, BY_K, "output.row_group_rows=2")

    seen: list[str] = []

    def is_third(found: str, key: str) -> bool:
        if found == method and ".parquet" in key:
            seen.append(key)
        return len(seen) == 3

    bench.store = inject(bench.store, when=is_third)
    with pytest.raises(StoreError):
        await bench.run(source_of(rows_of(list("abcabcabc"))))
    assert [key for key in await bench.left() if ".parquet" in key] == []


@pytest.mark.asyncio
async def test_a_rerun_replaces_the_folders_and_verify_finds_every_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, BY_K)
    await bench.run(source_of(rows_of(["a", "b"])))
    manifest = await bench.run(source_of(rows_of(["b", "c"])))
    folders = {key.split("/")[3] for key in await keys_of(bench.store, f"{partition_of()}/k=")}
    assert folders == {"k=b", "k=c"}
    async with bench.engine(source_of()) as engine:
        report = await engine.verify(NAME, run_date=manifest.run_date)
    assert (report.ok, report.files, report.unlisted) == (True, 2, ())


@pytest.mark.asyncio
async def test_a_plan_shows_the_folders(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'output.partition_by=["k", "day(at)"]')
    async with bench.engine(source_of()) as engine:
        plan = await engine.plan(NAME, run_date=DAY)
    assert plan.files == "k={value}/at_day={day}/part-g00000001-{run}-00000-00000.parquet"


@pytest.mark.asyncio
async def test_a_resumed_run_has_the_same_files(tmp_path: Path) -> None:
    sent = [rows_of(keys) for keys in (["a", "b", "a"], ["b", "c"], [None, "a"])]
    slices: list[list[Step]] = [[page(1, *rows)] for rows in sent]
    whole = ScriptedSource(slices, chained=True, token="t")
    wanted = await Bench(tmp_path, BY_K).run(whole)
    bench = Bench(tmp_path, BY_K)
    cut = ScriptedSource([*slices[:2], [*slices[2], ExtractError("cut")]], chained=True, token="t")
    with pytest.raises(ExtractError):
        await bench.run(cut)
    rest = ScriptedSource(slices, chained=True, token="t")
    manifest = await bench.run(rest)
    assert rest.emitted == 1
    assert [(file.sha256, file.values) for file in manifest.files] == [
        (file.sha256, file.values) for file in wanted.files
    ]
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_many_small_files_are_warned_of(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 'output.partition_by=["id"]')
    await bench.run(source_of(rows_of(["x"] * 200)))
    [report] = await reports_of(bench.store)
    assert any("200 files of 1 KiB on average" in warning for warning in report["warnings"])
