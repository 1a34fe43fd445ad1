"""Reading from a standby, where queries must give way to what is replayed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import ExtractError
from bronze_engine.store.memory import MemoryStore
from tests.integration.databases.held import HeldStore, interrupted
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database, PostgresServer, Session, serve

pytestmark = [pytest.mark.integration, pytest.mark.asyncio, pytest.mark.slow]

ROWS = 200_000


@pytest.fixture(scope="module")
def primary() -> Iterator[Database]:
    with serve() as server:
        database = server.create_database()
        database.execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, pad text, at timestamptz DEFAULT now());"
            "INSERT INTO orders SELECT i, repeat('x', 600) FROM generate_series(1, 200000) AS i;"
            "VACUUM ANALYZE orders"
        )
        yield database


@pytest.fixture(scope="module")
def standby(primary: Database) -> Iterator[PostgresServer]:
    with serve(primary=primary.server, max_standby_streaming_delay="0") as server:
        yield server


@pytest.fixture
def replica(standby: PostgresServer, primary: Database) -> Database:
    return Database(standby, primary.name)


@pytest.mark.parametrize(
    "source",
    [
        'table = "orders"',
        'table = "orders"\npartition_column = "id"\npartitions = 4',
        'table = "orders"\npartitions = 4',
    ],
    ids=["one slice", "by column", "by blocks"],
)
async def test_a_standby_is_read_like_any_server(
    source: str, replica: Database, tmp_path: Path
) -> None:
    landing = Landing(tmp_path, replica, source)
    assert (await landing.run()).rows == ROWS
    assert pc.count_distinct((await landing.table()).column("id")).as_py() == ROWS


async def test_a_query_has_the_types_of_its_columns_on_a_standby(
    replica: Database, tmp_path: Path
) -> None:
    query = "SELECT id, (id / 3.0)::numeric(12,4) AS third FROM orders WHERE id < 4"
    landing = Landing(tmp_path, replica, f'query = "{query}"')
    await landing.run()
    third = (await landing.table()).column("third")
    assert str(third.type) == "decimal128(12, 4)"
    assert sorted(map(str, third.to_pylist())) == ["0.3333", "0.6667", "1.0000"]


async def test_a_conflict_with_recovery_reads_again_what_is_there_then(
    primary: Database, replica: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = HeldStore(MemoryStore(SYSTEM_CLOCK))
    landing = Landing(tmp_path, replica, 'table = "orders"', store=store)

    def clean_up(_: list[Session]) -> None:
        primary.execute("DELETE FROM orders WHERE id <= 1000")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            # Rows that autovacuum still looks at are left to the next VACUUM; what one has
            # written is sent when somebody commits, or seconds later.
            primary.execute("VACUUM orders; DROP TABLE IF EXISTS sent; CREATE TABLE sent ()")
            for _attempt in range(10):
                if [each.state for each in replica.sessions()] == ["idle in transaction (aborted)"]:
                    return
        raise AssertionError(replica.sessions())

    report = await interrupted(landing, store, replica, clean_up)
    ids = (await landing.table()).column("id")
    assert report.rows == len(ids) == ROWS - 1000
    assert pc.min(ids).as_py() == 1001
    assert "40001" in caplog.text
    assert "the run starts over" in caplog.text


async def test_an_incremental_load_from_a_standby_needs_a_lag(
    replica: Database, tmp_path: Path
) -> None:
    table = 'load = "incremental"\n[pipelines.team.orders.incremental]\ncursor = "at"\n'
    bare = Landing(tmp_path / "bare", replica, 'table = "orders"', pipeline=table)
    with pytest.raises(ExtractError, match="is a standby"):
        await bare.run()


@pytest.mark.parametrize("kind", ["timestamp", "date"])
async def test_with_a_lag_both_kinds_of_time_go_on(
    replica: Database, tmp_path: Path, kind: str
) -> None:
    old = f"(at - interval '3 days')::{kind}{'tz' if kind == 'timestamp' else ''}"
    table = (
        'load = "incremental"\n[pipelines.team.orders.incremental]\ncursor = "old"\n'
        f'cursor_type = "{kind}"\nlag = "1h"\n'
    )
    query = f"SELECT id, {old} AS old FROM orders WHERE id > {ROWS - 9}"  # noqa: S608
    landing = Landing(tmp_path, replica, f'query = "{query}"', pipeline=table)
    assert (await landing.run()).rows == 9
