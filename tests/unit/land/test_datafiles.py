"""Row groups of one slice, encoded side by side: the same files, whatever else is going on."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pyarrow as pa
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.output import Output
from bronze_engine.config.units import ByteSize
from bronze_engine.decode.stamp import Stamps
from bronze_engine.encode.parquet import EncodedRowGroup, ParquetEncoder
from bronze_engine.flow import Budget
from bronze_engine.land.datafiles import DataFiles
from bronze_engine.model.layout import Layout
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.clock import ManualClock
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

SCHEMA = pa.schema([("id", pa.int64())]).append(pa.field("text", pa.string()))
FIRST = Layout(version=0, schema=SCHEMA)
SECOND = Layout(version=1, schema=SCHEMA.append(pa.field("more", pa.float64())))
AMPLE = 2**40
GROUP_BYTES = 2 * 2**20
"""What a row group takes of a budget while the next one is gathered, with row_group_bytes of
1 MiB."""

Batches = Sequence[tuple[int, Layout]]
"""How many rows each has, and their layout."""


def batches(sizes: Batches) -> Iterator[tuple[pa.RecordBatch, Layout]]:
    start = 0
    for rows, layout in sizes:
        ids = list(range(start, start + rows))
        columns: dict[str, list[Any]] = {
            "id": ids,
            "text": [f"row {i}" * (i % 7) for i in ids],
            "more": [0.5] * rows,
        }
        known = {name: columns[name] for name in layout.schema.names}
        yield pa.RecordBatch.from_pydict(known, schema=layout.schema), layout
        start += rows


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(4) as opened:
        yield opened


class Files:
    """What `DataFiles` writes, into a store in memory."""

    def __init__(self, workers: Workers, budget: Budget | None, **output: int) -> None:
        self.store = MemoryStore(ManualClock())
        self.rows: list[int] = []
        """Of each row group, as they were written."""
        options = Output(row_group_bytes=ByteSize(2**20), **output)  # type: ignore[arg-type]
        self.files = DataFiles(
            store=self.store,
            partition="p",
            name=lambda number: f"part-{number}.parquet",
            output=options,
            stamps=Stamps(system="shop"),
            workers=workers,
            budget=budget,
            on_rows=self.rows.append,
            on_file=lambda _file: None,
        )

    async def write(self, sizes: Batches) -> list[tuple[str, int, int, str]]:
        """All of it; the files' names, rows, bytes and hashes."""
        layout = None
        async with self.files as files:
            for batch, layout in batches(sizes):
                await files.write(batch, layout)
            await files.finish(layout)
        staged = [each.file for each in self.files.staged]
        return [(f.name, f.row_count, f.size_bytes, f.sha256) for f in staged if f is not None]


@asynccontextmanager
async def at_once(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[int]]:
    """How many row groups were being encoded as each was begun."""
    lock, running, found = threading.Lock(), 0, list[int]()
    together = threading.Condition(lock)
    encode = ParquetEncoder.encode

    def slowly(self: ParquetEncoder, table: pa.Table) -> EncodedRowGroup:
        nonlocal running
        with together:
            running += 1
            found.append(running)
            together.notify_all()
            together.wait_for(lambda: running > 1, timeout=0.05)
        try:
            return encode(self, table)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(ParquetEncoder, "encode", slowly)
    yield found


SIZES: Batches = [(rows, FIRST) for rows in (1, 99, 100, 250, 7, 0, 343, 1000, 20)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "output",
    [
        {"row_group_rows": 100},
        {"row_group_rows": 70, "max_rows_per_file": 200},
        {"row_group_rows": 100, "max_rows_per_file": 300},
        {"row_group_rows": 100, "max_bytes_per_file": 3000},
        {"row_group_rows": 90, "max_rows_per_file": 250, "max_bytes_per_file": 3500},
        {"row_group_rows": 100, "max_bytes_per_file": 1},
        {"row_group_rows": 10_000},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "sizes",
    [SIZES, [*SIZES, *((rows, SECOND) for rows, _ in SIZES)], [(1820, FIRST)]],
    ids=["as they come", "a column comes", "all at once"],
)
async def test_memory_decides_nothing_but_how_fast_it_is(
    workers: Workers, sizes: Batches, output: dict[str, int]
) -> None:
    apart = Files(workers, None, **output)
    truth = await apart.write(sizes)
    assert sum(rows for _, rows, _, _ in truth) == sum(rows for rows, _ in sizes)
    for limit in (AMPLE, GROUP_BYTES, GROUP_BYTES - 1):
        budget = Budget(limit)
        files = Files(workers, budget, **output)
        assert await files.write(sizes) == truth
        assert files.rows == apart.rows
        assert budget.reserved_bytes == 0


@pytest.mark.asyncio
async def test_row_groups_are_encoded_side_by_side_where_there_is_memory_for_it(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_once(monkeypatch) as found:
        await Files(workers, Budget(AMPLE), row_group_rows=10).write([(100, FIRST)])
    assert found[0] == 1  # by it is decided how the others are written
    assert 2 <= max(found) <= workers.threads


@pytest.mark.asyncio
@pytest.mark.parametrize("limit", [None, GROUP_BYTES - 1])
async def test_and_one_after_another_where_there_is_none(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    budget = None if limit is None else Budget(limit)
    async with at_once(monkeypatch) as found:
        await Files(workers, budget, row_group_rows=30).write([(100, FIRST)])
    assert found == [1, 1, 1, 1]


@pytest.mark.asyncio
async def test_and_where_no_worker_is_idle(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workers, "is_idle", False)
    async with at_once(monkeypatch) as found:
        await Files(workers, Budget(AMPLE), row_group_rows=30).write([(100, FIRST)])
    assert found == [1, 1, 1, 1]


@pytest.mark.asyncio
async def test_whoever_waits_to_be_admitted_comes_first(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(10 * GROUP_BYTES)
    async with budget.reserve(GROUP_BYTES), at_once(monkeypatch) as found:
        waiting = budget.ask(10 * GROUP_BYTES)
        await Files(workers, budget, row_group_rows=30).write([(100, FIRST)])
        budget.withdraw_asking(10 * GROUP_BYTES, waiting)
    assert found == [1, 1, 1, 1]


@pytest.mark.asyncio
async def test_a_row_group_that_fails_ends_the_slice_and_gives_everything_back(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = ParquetEncoder.encode

    def fails(self: ParquetEncoder, table: pa.Table) -> EncodedRowGroup:
        if table["id"][0].as_py() == 20:
            raise pa.ArrowInvalid("no such value")
        return encode(self, table)

    monkeypatch.setattr(ParquetEncoder, "encode", fails)
    budget = Budget(AMPLE)
    files = Files(workers, budget, row_group_rows=10)
    with pytest.raises(pa.ArrowInvalid, match="no such value"):
        await files.write([(100, FIRST)])
    assert (budget.reserved_bytes, sum(files.rows)) == (0, 20)
    assert files.files.staged == []


@pytest.mark.asyncio
async def test_leaving_waits_for_what_is_being_encoded(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, may_end, ended = ParquetEncoder.encode, threading.Event(), list[int]()
    are_at_work = threading.Barrier(3)

    def waits(self: ParquetEncoder, table: pa.Table) -> EncodedRowGroup:
        if self.rows_written:
            are_at_work.wait(30)
            may_end.wait(30)
            ended.append(table.num_rows)
        return encode(self, table)

    monkeypatch.setattr(ParquetEncoder, "encode", waits)
    budget = Budget(AMPLE)
    files = Files(workers, budget, row_group_rows=10).files
    async with anyio.create_task_group() as tasks, files:
        [(batch, layout)] = batches([(30, FIRST)])
        await files.write(batch, layout)  # the second and the third are being encoded
        assert budget.reserved_bytes == 2 * GROUP_BYTES
        await workers.run(are_at_work.wait, 30)  # one that has not begun need not be waited for

        async def end() -> None:
            await SYSTEM_CLOCK.sleep(0.05)
            assert ended == []
            may_end.set()

        tasks.start_soon(end)
    assert ended == [10, 10]
    assert budget.reserved_bytes == 0
