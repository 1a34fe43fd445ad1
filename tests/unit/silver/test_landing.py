"""What DuckDB gives becomes staged files: all of it, or an error and nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.config.output import Output
from bronze_engine.model.part import DataFile
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.landing import Landing
from bronze_engine.silver.merge.held import HeldFile
from bronze_engine.silver.merge.merge import Output as TableOutput
from bronze_engine.silver.merge.survivors import Survivors
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.stores import staged_keys
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

SCHEMA: Final = pa.schema([pa.field("country", pa.string())])
FOLDER: Final = "silver/team/orders"


class Batches:
    """In the place of a database: these batches, and then perhaps an error."""

    def __init__(self, values: Sequence[list[str]], error: BaseException | None = None) -> None:
        self._values = values
        self._error = error

    @asynccontextmanager
    async def batches(
        self, _sql: str, *, schema: pa.Schema
    ) -> AsyncIterator[AsyncIterator[pa.RecordBatch]]:
        async def steps() -> AsyncIterator[pa.RecordBatch]:
            for values in self._values:
                yield pa.RecordBatch.from_arrays([pa.array(values, pa.string())], schema=schema)
            if self._error is not None:
                raise self._error

        yield steps()


def landing(store: MemoryStore, workers: Workers, told: list[Any], **output: Any) -> Landing:
    return Landing(
        store=store,
        folder=FOLDER,
        generation=3,
        run="r",
        output=Output(**output),
        workers=workers,
        on_rows=told.append,
        on_file=lambda file: told.append(file.name),
    )


def query(kind: Any = "data") -> TableOutput:
    return TableOutput(sql="", schema=SCHEMA, kind=kind)


async def land(made: Landing, batches: Batches, output: TableOutput) -> None:
    await made.land(cast("Database", batches), [output])


@pytest.mark.asyncio
async def test_each_output_is_a_slice_and_keys_that_are_gone_lie_apart() -> None:
    store, told = MemoryStore(), list[Any]()
    with Workers(2) as workers:
        made = landing(store, workers, told, partition_by=("country",))
        await land(made, Batches([["DE", "FR"]]), query())
        await land(made, Batches([]), query())
        await land(made, Batches([["DE"]]), query("deleted"))
    names = [one.file.name for one in made.staged if one.file is not None]
    assert names == [
        "country=DE/part-g00000003-r-00000-00000.parquet",
        "country=FR/part-g00000003-r-00000-00001.parquet",
        "_deleted/part-g00000003-r-00002-00000.parquet",
    ]
    assert [one.file.values for one in made.data if one.file] == [
        {"country": "DE"},
        {"country": "FR"},
    ]
    assert told[:2] == [1, 1]
    assert sorted(told[2:4]) == names[:2]  # files of one output end side by side
    assert told[4:] == names[2:]
    await made.discard()
    assert await staged_keys(store, FOLDER) == []


class Queries(Batches):
    """In the place of a database: batches of any query, and how many it makes at once."""

    def __init__(self) -> None:
        super().__init__([["DE"], ["FR"]])
        self.open = self.most = 0

    @asynccontextmanager
    async def batches(
        self, sql: str, *, schema: pa.Schema
    ) -> AsyncIterator[AsyncIterator[pa.RecordBatch]]:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            async with super().batches(sql, schema=schema) as batches:
                yield batches
        finally:
            self.open -= 1


@pytest.mark.asyncio
@pytest.mark.parametrize("at_once", [1, 2, 3])
async def test_side_by_side_the_same_files_come_in_the_same_order(
    tmp_path: Path, at_once: int
) -> None:
    path = tmp_path / "f.parquet"
    pq.write_table(pa.table([pa.array(["IT", "ES"])], schema=SCHEMA), path)
    data = DataFile(name="f", size_bytes=1, sha256="", row_count=2)
    stays = Survivors(
        files=((0, HeldFile(file=data, path=path, schema=SCHEMA)),),
        gone=None,
        schema=SCHEMA,
        splits=False,
    )
    outputs: list[TableOutput | Survivors] = [stays, query(), stays, stays]
    outputs += [query("deleted"), query()]
    store, database = MemoryStore(), Queries()
    with Workers(2) as workers:
        made = landing(store, workers, [])
        await made.land(cast("Database", database), outputs, at_once=at_once)
    assert [one.file.name for one in made.staged if one.file is not None] == [
        "part-g00000003-r-00000-00000.parquet",
        "part-g00000003-r-00002-00000.parquet",
        "part-g00000003-r-00003-00000.parquet",
        "part-g00000003-r-00005-00000.parquet",
        "part-g00000003-r-00008-00000.parquet",
        "_deleted/part-g00000003-r-00007-00000.parquet",
    ]
    assert database.most == 1  # DuckDB has memory for one
    await made.discard()


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [asyncio.CancelledError(), OSError("gone")], ids=repr)
async def test_a_reading_that_breaks_off_is_never_taken_for_a_whole_one(
    error: BaseException,
) -> None:
    """A library that cancels the task that reads ends it, and its task group says nothing."""
    store = MemoryStore()
    with Workers(2) as workers:
        made = landing(store, workers, [], row_group_rows=1, max_rows_per_file=1)
        with pytest.raises((RuntimeError, OSError), match=r"from within|gone"):
            await land(made, Batches([["DE"], ["FR"]], error), query())
    await made.discard()
    assert await staged_keys(store, FOLDER) == []
