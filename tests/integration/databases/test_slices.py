"""Slices over real servers: by blocks, by a column, in chunks; and connections that break."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import ConfigError, QualityError
from bronze_engine.sources.postgres import slices
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import Event, FileStaged, RowsWritten
from tests.integration.databases.held import HeldStore, interrupted
from tests.integration.databases.landing import DAY, Landing
from tests.integration.postgres import Database, Session

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

ROWS = 20_000
WIDE = 300_000

TABLES = f"""
CREATE TABLE wide AS
SELECT i AS id, repeat(md5(i::text), 16) AS filler FROM generate_series(1, {WIDE}) AS i;
ANALYZE wide;
CREATE TABLE kinds AS
SELECT i AS id, (i % 7919)::smallint AS small, i * 1000000007::bigint AS big,
       (i / 7.0)::numeric(20,4) AS exact, date '2020-01-01' + i % 900 AS day,
       timestamptz '2024-01-01' + i * interval '37 s' AS at, timestamp '2024-01-01' + i
         * interval '11 s' AS naive, md5(i::text)::uuid AS uid, 'k' || md5(i::text) AS name,
       i / 3.0::float8 AS real, CASE WHEN i % 11 > 0 THEN i END AS hole, i % 3 = 0 AS flag
  FROM generate_series(1, {ROWS}) AS i;
CREATE TABLE measured (LIKE kinds);
INSERT INTO measured SELECT * FROM kinds;
ANALYZE measured;
"""  # noqa: S608


@pytest.fixture(scope="module")
def tables(database: Database) -> Database:
    database.execute(TABLES)
    return database


async def rows_by_slice(landing: Landing) -> list[int]:
    """How many rows each slice landed; together they must be the table, each row once."""
    await landing.run()
    ids = await landing.column("id")
    assert sorted(ids) == list(range(1, len(ids) + 1))
    counts: dict[str, int] = {}
    for file in (await landing.manifest()).files:
        piece = file.name.split("-")[3]
        counts[piece] = counts.get(piece, 0) + file.row_count
    return [counts[piece] for piece in sorted(counts)]


@pytest.mark.parametrize("table", ["kinds", "measured"])
@pytest.mark.parametrize(
    "column", ["id", "small", "big", "exact", "day", "at", "naive", "uid", "hole"]
)
async def test_ranges_of_a_column_are_balanced_and_hold_each_row_once(
    column: str, table: str, tables: Database, tmp_path: Path
) -> None:
    source = f'table = "{table}"\npartition_column = "{column}"\npartitions = 5'
    counts = await rows_by_slice(Landing(tmp_path, tables, source))
    assert sum(counts) == ROWS
    assert len(counts) == 5
    assert max(counts) < 0.4 * ROWS


@pytest.mark.parametrize("column", ["name", "real", "flag"])
async def test_what_has_no_steps_is_cut_by_statistics(
    column: str, tables: Database, tmp_path: Path
) -> None:
    source = f'partition_column = "{column}"\npartitions = 4\ntable = '
    counts = await rows_by_slice(Landing(tmp_path / "with", tables, f'{source}"measured"'))
    assert sum(counts) == ROWS
    assert len(counts) == (2 if column == "flag" else 4)
    blind = Landing(tmp_path / "without", tables, f'{source}"kinds"')
    tables.execute("DELETE FROM pg_statistic WHERE starelid = 'kinds'::regclass")
    with pytest.raises(ConfigError, match=f"'{column}' is of the type.*run ANALYZE"):
        await blind.run()


async def test_blocks_cut_a_table_evenly(tables: Database, tmp_path: Path) -> None:
    counts = await rows_by_slice(Landing(tmp_path, tables, 'table = "wide"\npartitions = 6'))
    assert sum(counts) == WIDE
    assert len(counts) == 6
    assert max(counts) < 1.2 * min(counts)


async def test_partitions_and_inheritance_are_cut_by_blocks_too(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        """
        CREATE TABLE leaves (id int, filler text) PARTITION BY RANGE (id);
        CREATE TABLE leaf1 PARTITION OF leaves FOR VALUES FROM (0) TO (1000);
        CREATE TABLE leaf2 PARTITION OF leaves FOR VALUES FROM (1000) TO (9001);
        INSERT INTO leaves SELECT i, repeat('x', 200) FROM generate_series(1, 9000) i;
        CREATE TABLE elder (id int, filler text); CREATE TABLE younger () INHERITS (elder);
        INSERT INTO elder SELECT i, repeat('x', 200) FROM generate_series(1, 500) i;
        INSERT INTO younger SELECT i, repeat('x', 200) FROM generate_series(501, 7000) i;
        """
    )
    for table, rows in (("leaves", 9000), ("elder", 7000)):
        source = f'table = "{table}"\npartitions = 4'
        counts = await rows_by_slice(Landing(tmp_path / table, database, source))
        assert sum(counts) == rows
        assert len(counts) == 4
        assert max(counts) < 0.4 * rows


async def test_a_view_is_cut_by_a_column_and_not_by_blocks(
    tables: Database, tmp_path: Path
) -> None:
    tables.execute("CREATE OR REPLACE VIEW seen AS SELECT * FROM kinds WHERE id <= 5000")
    source = 'table = "seen"\npartitions = 3'
    with pytest.raises(ConfigError, match=r"public\.seen is a view.*partition_column"):
        await Landing(tmp_path / "blocks", tables, source).run()
    landing = Landing(tmp_path / "column", tables, f'{source}\npartition_column = "id"')
    assert await rows_by_slice(landing) == [1666, 1666, 1668]
    query = 'query = "SELECT id, at FROM seen"\npartition_column = "at"\npartitions = 2'
    assert len(await rows_by_slice(Landing(tmp_path / "query", tables, query))) == 2


async def test_auto_is_a_slice_for_each_gibibyte(
    tables: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = Landing(tmp_path / "one", tables, 'table = "wide"')
    assert len(await rows_by_slice(landing)) == 1
    monkeypatch.setattr(slices, "SLICE_BYTES", 64 * 1024**2)
    landing = Landing(tmp_path / "more", tables, 'table = "wide"')
    assert len(await rows_by_slice(landing)) == 3
    landing = Landing(tmp_path / "where", tables, 'table = "wide"\nwhere = "id < 10"')
    assert len(await rows_by_slice(landing)) == 1


async def test_the_first_run_of_a_cursor_is_cut_as_a_table_and_what_follows_by_what_is_new(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "SLICE_BYTES", 400_000)
    insert = "INSERT INTO growing SELECT i, repeat('x', 90) FROM generate_series({}, {}) AS i"
    database.execute("CREATE TABLE growing (id bigint NOT NULL, filler text)")
    database.execute(f"{insert.format(1, 8000)}; ANALYZE growing")
    cursor = '[pipelines.team.orders.incremental]\ncursor = "id"\ncursor_type = "integer"'
    for name, source, counts in (
        ("auto", "", [3, 1]),
        ("column", 'partition_column = "id"\npartitions = 4', [4, 4]),
    ):
        landing = Landing(
            tmp_path / name,
            database,
            f'table = "growing"\n{source}',
            pipeline=f'load = "incremental"\n{cursor}',
        )
        found = [len(await rows_by_slice(landing))]
        database.execute(insert.format(8001, 9000))
        await landing.run(DAY + timedelta(days=1))
        files = (await landing.manifest(DAY + timedelta(days=1))).files
        found.append(len(files))
        assert sum(file.row_count for file in files) == 1000
        assert max(file.row_count for file in files) <= 1000 // len(files) + 1
        database.execute("DELETE FROM growing WHERE id > 8000")
        assert found == counts


async def test_all_slices_see_one_instant(tables: Database, tmp_path: Path) -> None:
    tables.execute(
        "CREATE TABLE busy AS SELECT i AS id, 1 AS epoch FROM generate_series(1, 9000) i"
    )
    changed = False

    def change(event: Event) -> None:
        nonlocal changed
        if isinstance(event, RowsWritten) and not changed:
            changed = True
            tables.execute("UPDATE busy SET epoch = 2; INSERT INTO busy VALUES (9001, 2)")

    landing = Landing(
        tmp_path,
        tables,
        'table = "busy"\npartition_column = "id"\npartitions = 8\nparallel = 2',
        hooks=[change],
    )
    assert sum(await rows_by_slice(landing)) == 9000
    assert changed
    assert set(await landing.column("epoch")) == {1}


@pytest.mark.parametrize("most", [1, 2])
async def test_a_run_reads_with_what_connections_there_are(
    most: int, tables: Database, tmp_path: Path
) -> None:
    source = 'table = "wide"\npartitions = 5\nparallel = 4'
    landing = Landing(tmp_path, tables, source, connection=f"max_connections = {most}")
    assert len(await rows_by_slice(landing)) == 5


@pytest.mark.parametrize("key", ['["id"]', '["day", "uid"]', '["name"]', '["small", "id"]'])
async def test_chunks_by_a_key_hold_each_row_once(
    key: str, tables: Database, tmp_path: Path
) -> None:
    source = 'table = "measured"\nreading = "keyset"\nchunk_rows = 1500'
    landing = Landing(tmp_path, tables, source, pipeline=f"primary_key = {key}")
    assert await rows_by_slice(landing) == [ROWS]
    assert (await landing.manifest()).source.requests == ROWS // 1500 + 1


async def test_chunks_keep_equal_keys_together_and_end_where_rows_end(
    database: Database, tmp_path: Path
) -> None:
    database.execute(
        "CREATE TABLE twins AS SELECT i AS id, i / 100 AS pair FROM generate_series(1, 1000) i"
    )
    source = 'table = "twins"\nreading = "keyset"\nchunk_rows = 250'
    landing = Landing(tmp_path, database, source, pipeline='primary_key = ["pair"]')
    assert await rows_by_slice(landing) == [1000]
    database.execute("UPDATE twins SET pair = NULL WHERE id = 5")
    with pytest.raises(QualityError, match="1 rows have a NULL in the key"):
        await landing.run()


async def test_chunks_by_the_cursor_of_an_incremental_run(tables: Database, tmp_path: Path) -> None:
    landing = Landing(
        tmp_path,
        tables,
        'table = "kinds"\nreading = "keyset"\nchunk_rows = 3000',
        pipeline='load = "incremental"\n[pipelines.team.orders.incremental]\ncursor = "at"',
    )
    assert await rows_by_slice(landing) == [ROWS]


@pytest.mark.parametrize(
    ("source", "readers", "chosen", "told"),
    [
        ("partitions = 1", 1, 0, "the run starts over"),
        ("partitions = 4\nparallel = 4", 4, 0, "the run starts over"),
        ("partitions = 4\nparallel = 4", 4, -1, "reading"),
        ('reading = "keyset"\nchunk_rows = 100_000', 1, 0, "again"),
    ],
    ids=["alone", "leader", "follower", "keyset"],
)
async def test_a_slice_whose_connection_breaks_is_read_again_and_no_row_twice(
    source: str,
    readers: int,
    chosen: int,
    told: str,
    tables: Database,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = HeldStore(MemoryStore(SYSTEM_CLOCK))
    landing = Landing(
        tmp_path, tables, f'table = "wide"\n{source}', pipeline='primary_key = ["id"]', store=store
    )

    def end_one(sessions: list[Session]) -> None:
        """The first of them has taken the snapshot."""
        tables.execute(f"SELECT pg_terminate_backend({sessions[chosen].pid})")

    await interrupted(landing, store, tables, end_one, at_once=readers)
    ids = await landing.column("id")
    assert sorted(ids) == list(range(1, WIDE + 1))
    assert told in caplog.text
    assert ("starts over" in caplog.text) == ("starts over" in told)
    assert await landing.unowned() == []


async def test_a_leader_that_goes_when_all_is_read_does_no_harm(
    tables: Database, tmp_path: Path
) -> None:
    ended = []

    def end_the_idle(event: Event) -> None:
        if isinstance(event, FileStaged):
            ended.extend(
                tables.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE state = 'idle in transaction' AND datname = current_database()"
                )
            )

    landing = Landing(tmp_path, tables, 'table = "kinds"', hooks=[end_the_idle])
    assert await rows_by_slice(landing) == [ROWS]
    assert ended == [("t",)]
