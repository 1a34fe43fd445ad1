"""A keyset that is broken off goes on behind its last complete slice, to the same end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import StoreError
from bronze_engine.sources.postgres import plan
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import inject
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

ROWS = 5000
CHUNK = 100
SLICE = 500
SOURCE = f'table = "events"\nreading = "keyset"\nchunk_rows = {CHUNK}'
CURSOR = 'load = "incremental"\n[pipelines.team.orders.incremental]\ncursor = "at"'


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SLICE_ROWS", SLICE)


@pytest.fixture
def events(database: Database) -> Database:
    database.execute(
        "DROP TABLE IF EXISTS events;"
        "CREATE TABLE events AS SELECT i AS id, (i / 7.0)::numeric(20,4) AS exact,"
        " timestamptz '2024-01-01' + i * interval '1 s' AS at FROM generate_series(1, 5000) AS i"
    )
    return database


async def broken_off(folder: Path, database: Database, pipeline: str) -> Landing:
    """A landing whose run has failed in slice 4, with a store that works again."""
    inner = MemoryStore(SYSTEM_CLOCK)
    store = inject(
        inner,
        fault="fail_before",
        when=lambda method, key: (
            method == "seal" and re.search(r"-00004-\d+\.parquet", key) is not None
        ),
    )
    with pytest.raises(StoreError):
        await Landing(folder, database, SOURCE, pipeline=pipeline, store=store).run()
    return Landing(folder, database, SOURCE, pipeline=pipeline, store=inner)


@pytest.mark.parametrize("pipeline", ['primary_key = ["id"]', CURSOR], ids=["full", "incremental"])
async def test_it_reads_on_behind_the_last_slice(
    pipeline: str, events: Database, tmp_path: Path
) -> None:
    whole = Landing(tmp_path, events, SOURCE, pipeline=pipeline)
    await whole.run()
    landing = await broken_off(tmp_path, events, pipeline)
    if pipeline == CURSOR:  # the window was fixed when the run began
        events.execute("INSERT INTO events VALUES (9999, 1, '2024-01-09Z')")
    report = await landing.run()
    assert report.resumed_slices == 4
    assert report.rows == ROWS
    manifest, reference = await landing.manifest(), await whole.manifest()
    assert [file.sha256 for file in manifest.files] == [file.sha256 for file in reference.files]
    assert len(manifest.files) == ROWS // SLICE
    assert manifest.watermark == reference.watermark
    assert manifest.source.requests <= reference.source.requests + 2
    assert await landing.column("id") == list(range(1, ROWS + 1))
    assert await landing.unowned() == []


async def test_another_column_starts_afresh(events: Database, tmp_path: Path) -> None:
    landing = await broken_off(tmp_path, events, 'primary_key = ["id"]')
    events.execute("ALTER TABLE events ADD COLUMN note text DEFAULT 'x'")
    report = await landing.run()
    assert (report.resumed_slices, report.rows) == (0, ROWS)
    assert set(await landing.column("note")) == {"x"}
    assert await landing.unowned() == []
