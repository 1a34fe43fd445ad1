"""Captured pages: kept beside the data, and decoded again in the place of the source."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Request
from bronze_engine.encode.sink import PART_BYTES
from bronze_engine.errors import (
    BronzeError,
    ExtractError,
    QualityError,
    SliceLost,
    StateError,
)
from bronze_engine.land.slice import memory_bytes
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import ANY
from bronze_engine.publish.names import data_name
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import Fault, ManualClock, Pause, ScriptedSource, Step, inject, page
from bronze_engine.testing.stores import read_all
from tests.unit.run.harness import (
    DAY,
    NAME,
    Bench,
    cut_groups,
    is_idle,
    partition_of,
    reports_of,
    unowned,
)

pytestmark = pytest.mark.unit

CAPTURE = "source.capture=pages"


def pages(count: int, rows: int = 10) -> list[Step]:
    return [
        page(number + 1, *({"id": number * rows + at} for at in range(rows)), captured=True)
        for number in range(count)
    ]


def never(_request: Request) -> list[list[Step]]:
    raise AssertionError("the source was opened")


async def lines_of(bench: Bench, manifest: Manifest) -> list[dict[str, Any]]:
    """The captured pages of a partition, as any reader of zstd and JSON sees them."""
    found: list[dict[str, Any]] = []
    for file in manifest.pages:
        body = await read_all(bench.store, f"{partition_of()}/{file.name}")
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
            lines = stream.read().splitlines()
        assert len(lines) == file.page_count
        found += map(json.loads, lines)
    return found


async def replayed(bench: Bench, source: ScriptedSource | None = None) -> Manifest:
    clock = ManualClock()
    async with bench.engine(source or ScriptedSource(never), clock=clock) as engine:
        report = await clock.drive(engine.replay(NAME, run_date=DAY))
    manifest = await bench.manifest()
    assert manifest is not None
    assert (report.run, report.replay_of) == (manifest.run, manifest.replay_of)
    return manifest


def hashes(manifest: Manifest) -> list[str]:
    return [file.sha256 for file in manifest.files]


@pytest.mark.asyncio
async def test_pages_are_kept_in_order_those_without_records_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    manifest = await bench.run(ScriptedSource([[*pages(2), page(3, captured=True)]]))
    lines = await lines_of(bench, manifest)
    assert [line["page"] for line in lines] == [1, 2, 3]
    assert lines[0]["body"] == "".join(f'{{"id":{n}}}\n' for n in range(10))
    assert lines[2]["body"] == ""
    [file] = manifest.pages
    assert file.name == f"_pages/g00000001-{manifest.run}-00000-00000.jsonl.zst"
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    manifest = await bench.run(ScriptedSource([pages(2)]))
    assert manifest.pages == ()
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_a_file_of_pages_ends_past_max_bytes_per_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bronze_engine.land.pagefiles.GATHERED_BYTES", 150)
    bench = Bench(tmp_path, CAPTURE, "output.max_bytes_per_file=1")
    manifest = await bench.run(ScriptedSource([pages(5)]))
    assert [file.page_count for file in manifest.pages] == [2, 2, 1]
    assert [line["page"] for line in await lines_of(bench, manifest)] == [1, 2, 3, 4, 5]


@pytest.mark.asyncio
async def test_a_page_larger_than_a_part_is_kept_whole(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(PART_BYTES).hex()  # hard to compress
    bench = Bench(tmp_path, CAPTURE)
    manifest = await bench.run(ScriptedSource([[page(1, {"id": noise}, captured=True)]]))
    [line] = await lines_of(bench, manifest)
    assert json.loads(line["body"]) == {"id": noise}
    assert manifest.pages[0].size_bytes > PART_BYTES
    assert hashes(await replayed(bench)) == hashes(manifest)


@pytest.mark.asyncio
async def test_a_replay_gives_the_same_files_without_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_groups(monkeypatch, 100)
    bench = Bench(tmp_path, CAPTURE, "output.row_group_rows=7", "output.max_rows_per_file=21")
    first = await bench.run(ScriptedSource([pages(4), pages(3)]))
    again = await replayed(bench)
    assert hashes(again) == hashes(first)
    assert [len(files) for files in (first.files, again.files)] == [4, 4]
    assert (again.generation, again.row_count) == (2, 70)
    assert again.run != first.run
    assert (again.replay_of, again.pages) == (first.run, first.pages)
    assert again.source == first.source
    assert unowned(await bench.left(), again) == []
    reports = {report["run"]: report for report in await reports_of(bench.store)}
    assert reports[again.run]["replay_of"] == first.run
    assert (reports[again.run]["requests"], reports[again.run]["pages"]) == (0, 7)


@pytest.mark.asyncio
async def test_a_replay_of_a_replay_still_names_the_run_that_fetched(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    first = await bench.run(ScriptedSource([pages(1)]))
    await replayed(bench)
    third = await replayed(bench)
    assert (third.generation, third.replay_of, third.pages) == (3, first.run, first.pages)


@pytest.mark.asyncio
async def test_a_replay_follows_todays_configuration(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    await bench.run(ScriptedSource([pages(1, 2)]))
    today = Bench(
        tmp_path, "schema.columns.id=string", "output.load_columns=false", store=bench.store
    )
    manifest = await replayed(today)
    assert (await today.table()).to_pylist() == [{"id": "0"}, {"id": "1"}]
    assert len(manifest.pages) == 1, "kept, although nothing is captured any more"


@pytest.mark.asyncio
async def test_the_next_run_replaces_the_captured_pages(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    first = await bench.run(ScriptedSource([pages(3)]))
    await replayed(bench)
    second = await bench.run(ScriptedSource([pages(2)]))
    assert second.replay_of is None
    assert {file.name for file in second.pages}.isdisjoint(file.name for file in first.pages)
    assert unowned(await bench.left(), second) == []


@pytest.mark.asyncio
async def test_nothing_to_replay_is_state001_with_what_to_do(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(StateError, match=r"holds nothing to replay; run team\.orders"):
        await replayed(bench)
    await bench.run(ScriptedSource([pages(1)]))
    with pytest.raises(StateError, match=r'no captured pages: set capture = "pages" in \[pipe'):
        await replayed(bench)
    manifest = await bench.manifest()
    assert manifest is not None
    assert manifest.generation == 1


INCREMENTAL = (
    CAPTURE,
    "load=incremental",
    "incremental.cursor=id",
    "incremental.cursor_type=integer",
)


@pytest.mark.asyncio
async def test_a_replay_keeps_the_recorded_window(tmp_path: Path) -> None:
    bench = Bench(tmp_path, *INCREMENTAL)
    first = await bench.run(ScriptedSource([pages(2)]))
    later = date(2025, 1, 16)
    await bench.run(ScriptedSource([pages(4)]), later)
    assert first.watermark is not None
    # Today's page holds more than then: as if a rule had rejected what has the highest cursor.
    source = ScriptedSource(never)
    again = await replayed(bench, source)
    assert again.watermark == first.watermark
    [request] = source.requests
    assert (request.low, request.cap, request.epoch) == (None, "19", first.epoch)
    assert hashes(again) == hashes(first)


@pytest.mark.asyncio
async def test_a_replay_keeps_the_epoch_of_a_full_load(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    first = await bench.run(ScriptedSource([pages(1)]))
    newer = await bench.run(ScriptedSource([pages(2)]), date(2025, 1, 16))
    assert newer.epoch > first.epoch
    assert (await replayed(bench)).epoch == first.epoch


@pytest.mark.asyncio
async def test_another_kind_of_load_has_another_window_and_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    await bench.run(ScriptedSource([pages(1)]))
    today = Bench(tmp_path, *INCREMENTAL, store=bench.store)
    with pytest.raises(StateError, match="landed with load = 'full'"):
        await replayed(today)


@pytest.mark.asyncio
async def test_the_servers_clock_of_then_decides_what_a_replay_lands(tmp_path: Path) -> None:
    noon = datetime(2025, 1, 15, 12, tzinfo=UTC)
    rows = [{"at": "2025-01-15T11:00:00Z"}, {"at": "2025-01-15T12:30:00Z"}]
    bench = Bench(tmp_path, CAPTURE, "load=incremental", "incremental.cursor=at")
    first = await bench.run(ScriptedSource([[page(1, *rows, as_of=noon, captured=True)]]))
    again = await replayed(bench)
    assert (first.row_count, again.row_count) == (1, 1)
    assert again.watermark == first.watermark


@pytest.mark.asyncio
@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "no zstd"])
async def test_damaged_pages_are_stg001_and_change_nothing(tmp_path: Path, damage: str) -> None:
    bench = Bench(tmp_path, CAPTURE)
    first = await bench.run(ScriptedSource([pages(3)]))
    key = f"{partition_of()}/{first.pages[0].name}"
    body = bytearray(await read_all(bench.store, key))
    match damage:
        case "missing":
            await bench.store.delete(key)
        case "cut":
            await bench.store.put(key, bytes(body[:-3]), expect=ANY)
        case "changed":
            body[-4] ^= 1
            await bench.store.put(key, bytes(body), expect=ANY)
        case _:
            await bench.store.put(key, b'{"page": 1}', expect=ANY)
    with pytest.raises(BronzeError) as caught:
        await replayed(bench)
    assert caught.value.code in {"STG001", "STATE001"}
    assert await bench.manifest() == first


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "error", [ExtractError("cut off"), QualityError("bad"), SliceLost("shifted")], ids=str
)
async def test_a_failed_run_leaves_no_captured_pages(tmp_path: Path, error: Exception) -> None:
    bench = Bench(tmp_path, CAPTURE)
    with pytest.raises(BronzeError):
        await bench.run(ScriptedSource([[*pages(3), error]]))
    assert unowned(await bench.left(), None) == []


@pytest.mark.asyncio
async def test_a_slice_that_is_read_again_keeps_the_pages_of_the_last_reading(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, CAPTURE)
    source = ScriptedSource([[*pages(3), SliceLost("shifted")]], rereads=[[pages(2)]])
    manifest = await bench.run(source)
    assert [line["page"] for line in await lines_of(bench, manifest)] == [1, 2]
    assert unowned(await bench.left(), manifest) == []


@pytest.mark.asyncio
async def test_batches_keep_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    async with (
        bench.engine(ScriptedSource([pages(2)])) as engine,
        engine.batches(NAME, run_date=DAY) as stream,
    ):
        rows = [batch.num_rows async for batch in stream]
    assert sum(rows) == 20
    assert await bench.left() == []


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["fail_before", "fail_after", "lost"])
async def test_a_store_that_fails_anywhere_in_a_replay_leaves_the_old_or_the_new(
    tmp_path: Path, fault: Fault
) -> None:
    at, codes = 0, set[str | None]()
    happened = True
    while happened:
        at += 1
        clock = ManualClock()
        store = MemoryStore(clock)
        bench = Bench(tmp_path, CAPTURE, store=store)
        first = await bench.run(ScriptedSource([pages(3)]))
        faulty = inject(store, at, fault)
        again = Bench(tmp_path, "schema.columns.id=string", store=faulty)
        code = None
        async with again.engine(ScriptedSource(never), clock=SYSTEM_CLOCK) as engine:
            try:
                await engine.replay(NAME, run_date=DAY)
            except BronzeError as exc:
                code = exc.code
            assert is_idle(engine)
        codes.add(code)
        happened = len(faulty.script.operations) >= at
        seen = await bench.manifest()
        assert seen is not None
        assert seen.pages == first.pages
        assert seen.generation == (2 if code is None else seen.generation)
        assert len(await lines_of(bench, seen)) == 3
        assert [row["id"] for row in (await bench.table()).to_pylist()] == [
            number if seen.generation == 1 else str(number) for number in range(30)
        ]
        await clock.advance(120)  # a lease that could not be given back has run out
        third = await replayed(bench)
        assert third.pages == first.pages
        assert unowned(await bench.left(), third) == []
    assert at > 20
    assert {None, "STG001"} <= codes


@pytest.mark.asyncio
async def test_a_replay_holds_the_lease_as_any_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    await bench.run(ScriptedSource([pages(1)]))
    clock = ManualClock()
    slow = ScriptedSource([[Pause(1), Pause(5), *pages(2)]])
    async with bench.engine(slow, clock=clock) as engine:
        run = asyncio.create_task(engine.run(NAME, run_date=DAY))
        await clock.step()  # the run reads
        with pytest.raises(StateError, match=slow.requests[0].run):
            await engine.replay(NAME, run_date=DAY)
        await clock.drive(asyncio.wait([run]))
        assert (await run).generation == 2


@pytest.mark.asyncio
async def test_a_replay_over_captured_pages_survives_a_fence(tmp_path: Path) -> None:
    bench = Bench(tmp_path, CAPTURE)
    first = await bench.run(ScriptedSource([pages(2)]))
    dead = data_name(generation=2, run="dead", slice=0, number=0)
    await bench.store.put(f"{partition_of()}/{dead}", b"x", expect=ANY)
    clock = ManualClock()
    async with bench.engine(ScriptedSource(never), clock=clock) as engine:
        report = await clock.drive(engine.gc(NAME, delete=True))
    assert [each.generation for each in report.fenced] == [2]
    again = await replayed(bench)
    assert (again.generation, again.replay_of, again.pages) == (3, first.run, first.pages)
    assert hashes(again) == hashes(first)
    assert unowned(await bench.left(), again) == []


def test_the_parts_of_page_files_are_reserved_where_pages_are_kept(tmp_path: Path) -> None:
    plain = memory_bytes(Bench(tmp_path).config.pipeline(NAME))
    assert memory_bytes(Bench(tmp_path, CAPTURE).config.pipeline(NAME)) == plain + 5 * PART_BYTES
