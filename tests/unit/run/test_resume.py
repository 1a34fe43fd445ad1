"""A run that is broken off goes on from its last complete slice."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.errors import ExtractError, QualityError
from bronze_engine.telemetry.events import RunFinished, RunRenamed, RunStarted
from bronze_engine.testing import Pause, ScriptedSource, page
from bronze_engine.testing.sources import Step
from bronze_engine.testing.stores import staged_keys
from tests.unit.run.broken import BAD, LIMITS, SLICES, Broken, hashes, rows, source, uninterrupted
from tests.unit.run.harness import DAY, NAME, unowned

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("at", range(1, SLICES))
async def test_slices_that_were_landed_are_not_read_again(
    tmp_path: Path, at: int, chained: bool
) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off"), at=at, chained=chained))
    kept = await bench.checkpoint()
    assert kept is not None
    assert len(kept.slices) == at
    assert await bench.manifest() is None

    again = source(chained=chained)
    manifest = await bench.run(again)
    assert again.read == list(range(at, SLICES))
    whole = await uninterrupted(tmp_path)
    assert hashes(manifest) == hashes(whole)
    assert (manifest.run, manifest.row_count) == (kept.run, whole.row_count)
    assert (manifest.rejected_count, manifest.arrow_schema) == (1, whole.arrow_schema)
    assert manifest.source == whole.source, "each page is counted once"
    report = await bench.report(kept.run)
    assert (report["status"], report["resumed_slices"]) == ("committed", at)
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_slices_side_by_side_resume_whichever_of_them_were_landed(tmp_path: Path) -> None:
    script = [[page(1, {"id": index}), Pause(10.0 - index)] for index in range(SLICES)]
    broken = [*script[:1], [page(1, {"id": 1}), Pause(8.5), ExtractError("cut off")], *script[2:]]

    def of(steps: Any) -> ScriptedSource:
        return ScriptedSource(steps, token="t", slices_at_once=4)

    bench = Broken(tmp_path)
    await bench.fails(of(broken))
    kept = await bench.checkpoint()
    assert kept is not None
    assert sorted(done.head for done in kept.slices) == [2, 3]
    again = of(script)
    manifest = await bench.run(again)
    assert sorted(again.read) == [0, 1, 4]
    assert hashes(manifest) == hashes(await Broken(tmp_path / "whole").run(of(script)))
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("is_broken", [False, True])
@pytest.mark.parametrize("chained", [True, False])
async def test_a_column_has_one_type_in_the_files_of_all_slices(
    tmp_path: Path, chained: bool, is_broken: bool
) -> None:
    """Only nulls in the first slice, numbers in the second; none of them fills a row group."""
    steps: list[list[Step]] = [
        [page(1, {"id": 1, "a": None, "b": {}})],
        [page(1, {"id": 2, "a": 5, "b": {"c": [1.5]}})],
        [page(1, {"id": 3, "a": "x"})],
    ]
    bench = Broken(tmp_path)
    if is_broken:
        broken = [steps[0], [*steps[1], ExtractError("cut off")], steps[2]]
        await bench.fails(ScriptedSource(broken, chained=chained, token="t"))
    manifest = await bench.run(ScriptedSource(steps, chained=chained, token="t"))
    table = await bench.table()
    assert len(manifest.files) == 3
    assert table.schema.field("a").type == pa.string()
    assert table.select(["id", "a", "a__variant"]).to_pylist() == [
        {"id": 1, "a": None, "a__variant": None},
        {"id": 2, "a": None, "a__variant": "5"},
        {"id": 3, "a": "x", "a__variant": None},
    ]


@pytest.mark.asyncio
async def test_it_is_resumed_as_often_as_it_is_broken_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Broken(tmp_path, *LIMITS)
    for at in (1, 2, 4):
        await bench.fails(source(ExtractError("cut off"), at=at))
    with caplog.at_level(logging.INFO):
        manifest = await bench.run(source())
    assert hashes(manifest) == hashes(await uninterrupted(tmp_path))
    writers = [file.name.split("-")[2] for file in manifest.files]
    assert sorted(set(writers)) == [manifest.run + end for end in ("", "_1", "_2", "_3")]
    assert f"run {manifest.run} is resumed from slice 4 (slice 4); 12 rows kept" in caplog.text
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("is_stale", [False, True])
async def test_hooks_are_told_under_which_name_it_goes_on(tmp_path: Path, is_stale: bool) -> None:
    bench = Broken(tmp_path, *LIMITS)
    await bench.fails(source(ExtractError("cut off")))
    kept = await bench.checkpoint()
    assert kept is not None
    bench.events.clear()
    manifest = await bench.run(source(token="another" if is_stale else "as it is"))
    (began,) = (each for each in bench.events if isinstance(each, RunStarted))
    names = [began.run]
    for event in bench.events:
        if isinstance(event, RunRenamed):
            assert (event.pipeline, event.run_date) == (NAME, str(DAY))
            assert event.before == names[-1]
            names.append(event.run)
    (ended,) = (each for each in bench.events if isinstance(each, RunFinished))
    assert names[-1] == ended.run == manifest.run
    assert names[1] == kept.run
    assert len(set(names)) == len(names) == (3 if is_stale else 2)


@pytest.mark.asyncio
async def test_rejected_records_of_all_attempts_count(tmp_path: Path) -> None:
    bench = Broken(tmp_path, "output.row_group_rows=2", "quality.max_bad_rows=1")
    await bench.fails(source(ExtractError("cut off")))
    bad = ScriptedSource(
        [*[rows(index) for index in range(4)], [page(1, BAD)]], chained=True, token="as it is"
    )
    error = await bench.fails(bad)
    assert isinstance(error, QualityError)
    assert "2 records were rejected" in error.message
    assert await bench.checkpoint() is None
    assert await staged_keys(bench.store) == []


@pytest.mark.asyncio
async def test_rules_judge_what_all_attempts_have_landed(tmp_path: Path) -> None:
    rules = 'quality.rules=[{rule = "unique", columns = ["id"]}, {rule = "row_count", min = 5}]'
    bench = Broken(tmp_path, rules)
    pages: list[list[Step]] = [[page(1, {"id": index})] for index in range(SLICES)]
    broken: list[list[Step]] = [*pages[:3], [*pages[3], ExtractError("cut off")], *pages[4:]]
    await bench.fails(ScriptedSource(broken, chained=True, token="t"))
    twice: list[list[Step]] = [*pages[:-1], [page(1, {"id": 0})]]  # a key of the first slice
    error = await bench.fails(ScriptedSource(twice, chained=True, token="t"))
    assert isinstance(error, QualityError)
    assert "unique" in error.message
    await bench.fails(ScriptedSource(broken, chained=True, token="t"))
    manifest = await bench.run(ScriptedSource(pages, chained=True, token="t"))
    assert manifest.row_count == SLICES
    assert unowned(await bench.left(), manifest) == []
