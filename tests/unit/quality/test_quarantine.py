"""Rejected records: with the partition when it commits, beside the report when they end the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.contracts import Store
from bronze_engine.errors import QualityError, StoreError
from bronze_engine.model.part import ObjectInfo, Staged
from bronze_engine.quality import thresholds
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ScriptedSource, Step, page
from bronze_engine.testing.stores import keys_of, read_all
from tests.unit.run.harness import Bench, cut_groups, partition_of, unowned

pytestmark = pytest.mark.unit

BAD = b'{"id": 1, "id": '


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_groups(monkeypatch, 1)


def script(good: int, bad: int) -> list[Step]:
    """`bad` bad records first, each on a page of its own."""
    found: list[Step] = [page(number + 1, BAD) for number in range(bad)]
    return [*found, *(page(bad + number + 1, {"id": number}) for number in range(good))]


def never_completes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_store: MemoryStore, staged: Staged, /) -> ObjectInfo:
        raise StoreError(f"{staged.key}: this store completes nothing")

    monkeypatch.setattr(MemoryStore, "complete", refuse)


async def lines_of(store: Store, key: str) -> list[dict[str, Any]]:
    body = await read_all(store, key)
    text = pa.CompressedInputStream(pa.BufferReader(body), "zstd").read()
    return [json.loads(line) for line in text.splitlines()]


async def kept(bench: Bench) -> list[str]:
    return [key for key in await keys_of(bench.store, "_runs/") if "rejected" in key]


@pytest.mark.asyncio
async def test_a_commit_names_its_quarantine_and_keeps_no_second_copy(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "quality.max_bad_rows=3")
    manifest = await bench.run(ScriptedSource([script(5, 3)]))
    (file,) = manifest.quarantine
    assert (manifest.row_count, manifest.rejected_count, file.row_count) == (5, 3, 3)
    lines = await lines_of(bench.store, f"{partition_of()}/{file.name}")
    assert [(line["page"], line["offset"]) for line in lines] == [(1, 0), (2, 0), (3, 0)]
    assert {line["raw"] for line in lines} == {BAD.decode()}
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("limit", "early"),
    [("quality.max_bad_rows=1", True), ("quality.max_bad_ratio=0.1", False)],
    ids=["too many rows", "too high a share"],
)
async def test_too_many_bad_records_commit_nothing_and_are_kept(
    tmp_path: Path, limit: str, early: bool
) -> None:
    bench = Bench(tmp_path, limit)
    source = ScriptedSource([script(50, 8)])
    with pytest.raises(QualityError) as caught:
        await bench.run(source)
    (key,) = await kept(bench)
    assert key in str(caught.value)
    assert len(await lines_of(bench.store, key)) == (2 if early else 8)
    assert (source.emitted < 58) is early
    assert unowned(await bench.left(), None) == [key]


@pytest.mark.asyncio
async def test_a_share_that_is_low_enough_at_the_end_is_no_error_on_the_way(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "quality.max_bad_ratio=0.5")
    manifest = await bench.run(ScriptedSource([script(8, 8)]))
    assert (manifest.row_count, manifest.rejected_count) == (8, 8)


@pytest.mark.asyncio
async def test_past_what_is_kept_a_run_fails_whatever_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "KEPT_REJECTS", 4)
    bench = Bench(tmp_path, "quality.max_bad_rows=1000")
    with pytest.raises(
        QualityError, match=r"any run may reject \(4\).*` lists the first 4; mend .* rules\. They"
    ):
        await bench.run(ScriptedSource([script(5, 9)]))
    (key,) = await kept(bench)
    assert len(await lines_of(bench.store, key)) == 5


@pytest.mark.asyncio
async def test_rejected_records_of_every_slice_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "quality.max_bad_rows=1")
    slices = [[page(1, BAD, {"id": 1})], [page(1, BAD, {"id": 2})]]
    with pytest.raises(QualityError):
        await bench.run(ScriptedSource(slices))
    assert sum([len(await lines_of(bench.store, key)) for key in await kept(bench)]) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("limit", ["quality.max_bad_rows=1", "quality.max_bad_ratio=0.1"])
async def test_the_quality_error_is_the_news_also_when_the_records_can_not_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    never_completes(monkeypatch)
    bench = Bench(tmp_path, limit)
    with pytest.raises(QualityError):
        await bench.run(ScriptedSource([script(9, 3)]))
    assert await kept(bench) == []


@pytest.mark.asyncio
async def test_a_publish_that_fails_keeps_no_rejected_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_completes(monkeypatch)
    bench = Bench(tmp_path, "quality.max_bad_rows=9")
    with pytest.raises(StoreError, match="this store completes nothing"):
        await bench.run(ScriptedSource([script(5, 3)]))
    assert unowned(await bench.left(), None) == []
