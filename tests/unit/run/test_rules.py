"""Quality rules over whole runs: who lands, who lies in the quarantine, and what is told."""

from __future__ import annotations

import io
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.errors import ExtractError, QualityError, SliceLost
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.quality import RuleResult
from bronze_engine.telemetry.events import RunFinished
from bronze_engine.testing import ScriptedSource, Step, page
from bronze_engine.testing.stores import keys_of, read_all
from tests.unit.run.harness import DAY, Bench, cut_groups, partition_of, reports_of, unowned

pytestmark = pytest.mark.unit


def rules(*tables: str) -> str:
    return f"quality.rules=[{', '.join('{' + table + '}' for table in tables)}]"


def results(manifest: Manifest) -> dict[str, RuleResult]:
    assert isinstance(manifest.quality, tuple)
    return {each.name: each for each in manifest.quality}


def lines_of(body: bytes) -> list[dict[str, Any]]:
    with pa.CompressedInputStream(io.BytesIO(body), "zstd") as stream:
        return [json.loads(line) for line in stream.read().decode().splitlines()]


async def quarantined(bench: Bench, manifest: Manifest) -> list[dict[str, Any]]:
    found = []
    for file in manifest.quarantine:
        body = await read_all(bench.store, f"{partition_of()}/{file.name}")
        found += lines_of(body)
        assert len(lines_of(body)) == file.row_count
    return found


@pytest.mark.asyncio
async def test_rows_that_break_an_error_rule_lie_in_the_quarantine_to_the_byte(
    tmp_path: Path,
) -> None:
    raw = b'{"id": 2,  "amount": -1.50, "note": "\\u00e9"}'
    source = ScriptedSource(
        [[page(1, {"id": 1, "amount": 3}), page(2, {"id": 5, "amount": 1}, raw)]]
    )
    bench = Bench(
        tmp_path,
        "quality.max_bad_rows=1",
        rules('rule="range", column="amount", min=0', 'rule="not_null", column="id"'),
    )
    manifest = await bench.run(source)
    assert (await bench.table())["id"].to_pylist() == [1, 5]
    (reject,) = await quarantined(bench, manifest)
    assert reject["raw"].encode() == raw
    assert (reject["page"], reject["offset"], reject["rule"]) == (2, 1, "range(amount)")
    assert "amount = -1.5" in reject["reason"]
    found = results(manifest)
    assert found["range(amount)"] == RuleResult(
        name="range(amount)",
        rule="range",
        level="error",
        verdict="rejected",
        checked=3,
        failed=1,
        examples=("-1.5",),
    )
    assert found["not_null(id)"].verdict == "passed"
    assert (manifest.row_count, manifest.rejected_count) == (2, 1)


@pytest.mark.asyncio
async def test_rows_that_break_a_warning_land_and_are_counted(tmp_path: Path) -> None:
    source = ScriptedSource([[page(1, {"id": 1}, {"id": None}, {"id": None})]])
    bench = Bench(tmp_path, rules('rule="not_null", column="id", level="warn", name="has id"'))
    manifest = await bench.run(source)
    assert (manifest.row_count, manifest.quarantine) == (3, ())
    assert (results(manifest)["has id"].failed, results(manifest)["has id"].verdict) == (
        2,
        "warned",
    )
    (finished,) = [event for event in bench.events if isinstance(event, RunFinished)]
    assert finished.report.quality == manifest.quality
    assert "quality rule has id: 2 of 3 rows break it" in "".join(finished.report.warnings)


@pytest.mark.asyncio
async def test_past_the_limit_nothing_is_committed_and_the_records_are_kept(
    tmp_path: Path,
) -> None:
    source = ScriptedSource([[page(1, {"id": 1, "n": 1}, {"id": 2, "n": 9}, {"id": 3, "n": 8})]])
    bench = Bench(tmp_path, rules('rule="in_set", column="n", values=[1, 2]'))
    with pytest.raises(QualityError, match=r"2 records were rejected.*breaks in_set\(n\): n = 9"):
        await bench.run(source)
    assert await bench.manifest() is None
    (report,) = await reports_of(bench.store)
    assert (report["status"], report["rejected"]) == ("failed", 2)
    (key,) = [key for key in await keys_of(bench.store) if key.endswith(".rejected.jsonl.zst")]
    kept = lines_of(await read_all(bench.store, key))
    assert [(each["rule"], each["offset"]) for each in kept] == [("in_set(n)", 1), ("in_set(n)", 2)]
    assert unowned([key for key in await bench.left() if "rejected" not in key], None) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("guard", "told"),
    [
        (rules('rule="not_null", column="name"'), r"breaks not_null\(name\): name = NULL"),
        ('schema.contract="freeze"', r"column 'title' is new"),
    ],
)
async def test_a_key_that_was_renamed_is_told_by_a_rule_and_by_the_contract(
    tmp_path: Path, guard: str, told: str
) -> None:
    renamed = ScriptedSource([[page(1, {"id": 2, "title": "b"})]])
    bench = Bench(tmp_path, guard)
    await bench.run(ScriptedSource([[page(1, {"id": 1, "name": "a"})]]), DAY)
    with pytest.raises(QualityError, match=told):
        await bench.run(renamed, DAY + timedelta(days=1))


@pytest.mark.asyncio
async def test_a_ratio_is_judged_at_the_end(tmp_path: Path) -> None:
    records = [{"id": number} for number in range(10)]
    rule = rules('rule="range", column="id", min=1')
    bench = Bench(tmp_path, rule, "quality.max_bad_ratio=0.1")
    assert (await bench.run(ScriptedSource([[page(1, *records)]]))).rejected_count == 1
    bench = Bench(tmp_path, rule, "quality.max_bad_ratio=0.09")
    with pytest.raises(QualityError, match=r"max_bad_ratio = 0\.09"):
        await bench.run(ScriptedSource([[page(1, *records)]]))


@pytest.mark.asyncio
async def test_duplicates_within_a_slice_are_kept_out_and_across_slices_fail(
    tmp_path: Path,
) -> None:
    unique = rules('rule="unique", column="id"')
    bench = Bench(tmp_path, unique, "quality.max_bad_rows=1")
    twice = [[page(1, {"id": "a"}, {"id": "b"}), page(2, {"id": "a"}, {"id": None})]]
    manifest = await bench.run(ScriptedSource(twice))
    assert (await bench.table())["id"].to_pylist() == ["a", "b", None]
    (reject,) = await quarantined(bench, manifest)
    assert (reject["page"], reject["offset"], reject["rule"]) == (2, 0, "unique(id)")
    across = [[page(1, {"id": "a"}, {"id": "b"})], [page(2, {"id": "c"}, {"id": "a"})]]
    with pytest.raises(QualityError, match=r"unique\(id\): 1 rows have values that a row of anot"):
        await bench.run(ScriptedSource(across))
    (report,) = [each for each in await reports_of(bench.store) if each["status"] == "failed"]
    assert [each["verdict"] for each in report["quality"]] == ["failed"]
    bench = Bench(tmp_path, rules('rule="unique", column="id", level="warn"'))
    manifest = await bench.run(ScriptedSource(across))
    assert manifest.row_count == 4
    assert results(manifest)["unique(id)"].failed == 1


@pytest.mark.asyncio
async def test_a_row_that_is_kept_out_is_nobodys_duplicate(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        "quality.max_bad_rows=1",
        rules(
            'rule="unique", column="id"',
            'rule="range", column="n", min=0',
            'rule="row_count", max=1',
        ),
    )
    manifest = await bench.run(ScriptedSource([[page(1, {"id": 1, "n": -1}, {"id": 1, "n": 1})]]))
    assert (await bench.table())["n"].to_pylist() == [1]
    assert [each.failed for each in results(manifest).values()] == [0, 1, 0]


@pytest.mark.asyncio
@pytest.mark.parametrize("group_bytes", [1, 10_000])
async def test_a_row_that_is_kept_out_takes_no_duplicates_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_bytes: int
) -> None:
    cut_groups(monkeypatch, group_bytes)
    rows = [{"id": 1, "n": -1}, {"id": 1, "n": 1}, {"id": 1, "n": 2}, {"id": 2, "n": 2}]
    source = ScriptedSource([[page(number, row) for number, row in enumerate(rows, 1)]])
    bench = Bench(
        tmp_path,
        'primary_key=["id"]',
        "quality.duplicates=drop",
        "quality.max_bad_rows=2",
        rules(
            'rule="expression", expression="n > 0"',
            'rule="unique", column="n"',
            'rule="row_count", min=2, max=2',
        ),
    )
    manifest = await bench.run(source)
    assert (await bench.table())["n"].to_pylist() == [1, 2]
    assert (manifest.rejected_count, manifest.duplicate_rows) == (1, 1)
    (reject,) = await quarantined(bench, manifest)
    assert (json.loads(reject["raw"]), reject["page"]) == (rows[0], 1)


@pytest.mark.asyncio
async def test_rules_see_what_duplicates_have_left_and_still_know_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_groups(monkeypatch, 10_000)
    source = ScriptedSource([[page(1, {"id": 1, "n": 1}, {"id": 1, "n": 2}, {"id": 3, "n": -7})]])
    bench = Bench(
        tmp_path,
        'primary_key=["id"]',
        "quality.duplicates=drop",
        "quality.max_bad_rows=1",
        rules('rule="expression", expression="n > 0"'),
    )
    manifest = await bench.run(source)
    (reject,) = await quarantined(bench, manifest)
    assert (json.loads(reject["raw"]), reject["offset"]) == ({"id": 3, "n": -7}, 2)


@pytest.mark.asyncio
async def test_a_window_drops_rows_and_the_records_are_still_the_right_ones(
    tmp_path: Path,
) -> None:
    def record(number: int, day: int) -> dict[str, Any]:
        return {"id": number, "at": f"2025-01-{day:02}T00:00:00Z"}

    bench = Bench(
        tmp_path,
        "load=incremental",
        "incremental.cursor=at",
        "incremental.initial=2025-01-02T00:00:00Z",
        "quality.max_bad_rows=1",
        rules('rule="range", column="id", max=3'),
    )
    source = ScriptedSource([[page(1, record(1, 1), record(2, 3), record(9, 4), record(3, 5))]])
    manifest = await bench.run(source)
    (reject,) = await quarantined(bench, manifest)
    assert (json.loads(reject["raw"])["id"], reject["offset"]) == (9, 2)


@pytest.mark.asyncio
async def test_rules_about_the_partition_fail_it_or_warn(tmp_path: Path) -> None:
    source = [[page(1, {"id": 1, "at": "2025-01-14T12:00:00Z"})]]
    partition = ('rule="row_count", min=2', 'rule="freshness", column="at", max_age="1h"')
    bench = Bench(tmp_path, rules(*partition))
    with pytest.raises(
        QualityError,
        match=r"2 quality rules: row_count: 1 rows; at least 2 is wanted; freshness\(at\): the new",
    ):
        await bench.run(ScriptedSource(source))
    assert await bench.manifest() is None
    bench = Bench(tmp_path, rules(*(f'{each}, level="warn"' for each in partition)))
    manifest = await bench.run(ScriptedSource(source))
    assert [each.verdict for each in results(manifest).values()] == ["warned", "warned"]
    assert "12.0 h before the run began" in results(manifest)["freshness(at)"].detail


@pytest.mark.asyncio
async def test_rows_are_compared_with_those_of_the_last_dates(tmp_path: Path) -> None:
    change = rules('rule="row_count_change", runs=2, min_ratio=0.5, max_ratio=2.0')
    bench = Bench(tmp_path, change)

    async def run(day: date, rows: int) -> RuleResult:
        records = [{"id": number} for number in range(rows)]
        manifest = await bench.run(ScriptedSource([[page(1, *records)]]), day=day)
        return results(manifest)["row_count_change"]

    first = await run(DAY, 100)
    assert (first.verdict, "no earlier date" in first.detail) == ("passed", True)
    await run(DAY + timedelta(1), 50)
    await run(DAY + timedelta(2), 70)
    told = (await run(DAY + timedelta(3), 60)).detail
    assert told.startswith("60 rows are 1.000 times the median of 60.0 of the last 2 dates")
    with pytest.raises(QualityError, match=r"29 rows are 0\.446 times"):
        await run(DAY + timedelta(4), 29)


@pytest.mark.asyncio
async def test_a_column_that_no_record_has_is_told_with_its_nearest(tmp_path: Path) -> None:
    source = [[page(1, {"id": 1, "amount": 2})]]
    bench = Bench(tmp_path, rules('rule="range", column="amuont", min=0'))
    with pytest.raises(QualityError, match='no column "amuont"; did you mean "amount"'):
        await bench.run(ScriptedSource(source))
    bench = Bench(tmp_path, rules('rule="range", column="amuont", min=0, level="warn"'))
    manifest = await bench.run(ScriptedSource(source))
    assert results(manifest)["range(amuont)"].detail == "no record has 'amuont'"
    assert (await bench.run(ScriptedSource([[]]))).row_count == 0


@pytest.mark.asyncio
async def test_a_column_of_another_type_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rules('rule="range", column="id", min=0'))
    with pytest.raises(QualityError, match="lands as string, and can't be compared with 0"):
        await bench.run(ScriptedSource([[page(1, {"id": "x"})]]))
    assert await bench.manifest() is None


@pytest.mark.asyncio
async def test_a_slice_that_is_read_again_is_judged_once(tmp_path: Path) -> None:
    lost: list[list[Step]] = [[page(1, {"id": 1}, {"id": 1}), SliceLost("shifted")]]
    source = ScriptedSource(lost, rereads=[[[page(1, {"id": 1}, {"id": 1})]]])
    bench = Bench(tmp_path, "quality.max_bad_rows=1", rules('rule="unique", column="id"'))
    manifest = await bench.run(source)
    found = results(manifest)["unique(id)"]
    assert (found.checked, found.failed, manifest.rejected_count) == (2, 1, 1)


@pytest.mark.asyncio
async def test_a_resumed_run_knows_the_keys_and_counts_of_the_slices_that_were_landed(
    tmp_path: Path,
) -> None:
    configured = rules(
        'rule="unique", column="id", level="warn"',
        'rule="row_count", min=4',
        'rule="range", column="id", max=5',
    )

    def source(*fault: Exception) -> ScriptedSource:
        second: list[Step] = [page(2, {"id": 3}, {"id": 1}), *fault]
        first: list[Step] = [page(1, {"id": 1}, {"id": 2}, {"id": 9})]
        return ScriptedSource([first, second], chained=True, token="as it is")

    whole = await Bench(tmp_path / "whole", configured, "quality.max_bad_rows=1").run(source())
    bench = Bench(tmp_path, configured, "quality.max_bad_rows=1")
    with pytest.raises(ExtractError):
        await bench.run(source(ExtractError("cut off")))
    again = source()
    manifest = await bench.run(again)
    assert again.read == [1]
    assert manifest.quality == whole.quality
    assert [each.failed for each in results(manifest).values()] == [1, 0, 1]
