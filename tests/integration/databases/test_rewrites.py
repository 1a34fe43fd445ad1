"""Tables that are emptied, filled anew or altered while a run begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, final

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.sources.postgres import source
from bronze_engine.sources.postgres.bounds import Piece
from bronze_engine.sources.postgres.pool import Claim
from bronze_engine.sources.postgres.slices import plan_pieces
from bronze_engine.sources.postgres.snapshot import Settings, Snapshot, open_snapshot
from tests.integration.databases.held import until
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

GOODS: Final = """
DROP TABLE IF EXISTS goods;
CREATE TABLE goods (id bigint PRIMARY KEY, amount bigint NOT NULL, note text);
INSERT INTO goods SELECT i, i FROM generate_series(1, 1000) AS i;
"""
FILLED_ANEW: Final = "TRUNCATE goods; INSERT INTO goods SELECT i, i FROM generate_series(1, 1000) i"
ALTERED: Final = "ALTER TABLE goods ALTER amount TYPE double precision"
DROPPED: Final = "ALTER TABLE goods DROP COLUMN note"
KEYED: Final = 'primary_key = ["id"]'

changes = pytest.mark.parametrize(
    "change", [FILLED_ANEW, ALTERED, DROPPED], ids=["filled", "altered", "dropped"]
)


@final
class Other:
    """Another client in the middle of a transaction."""

    def __init__(self, process: object) -> None:
        self._in, self._out = process.stdin, process.stdout  # type: ignore[attr-defined]

    def begin(self, sql: str) -> None:
        self._in.write(f"{sql};\n\\echo done\n".encode())
        self._in.flush()

    def say(self, sql: str) -> None:
        """Returns when it is done."""
        self.begin(sql)
        self.end()

    def end(self) -> None:
        """Returns when what was begun is done."""
        assert self._out.readline() == b"done\n"


@contextmanager
def other(database: Database) -> Iterator[Other]:
    with database.server.session(database.name) as process:
        client = Other(process)
        client.say("BEGIN")
        yield client


def waiting(database: Database) -> list[object]:
    """Who waits for a lock on a table."""
    return list(
        database.execute(
            "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND locktype = 'relation' AND datname = current_database()"
        )
    )


async def landed_whole(landing: Landing) -> bool:
    return sorted(await landing.column("amount")) == list(range(1, 1001))


@changes
@pytest.mark.parametrize("reading", ["snapshot", "keyset"])
async def test_what_is_being_rewritten_as_a_run_begins_lands_whole(
    database: Database, tmp_path: Path, change: str, reading: str
) -> None:
    database.execute(GOODS)
    landing = Landing(tmp_path, database, f'table = "goods"\nreading = "{reading}"', pipeline=KEYED)
    with other(database) as client:
        client.say(change)
        task = asyncio.create_task(landing.run())
        await until(lambda: waiting(database), task)
        client.say("COMMIT")
        await task
    assert await landed_whole(landing)


@changes
@pytest.mark.parametrize("what", ['table = "goods"', 'query = "SELECT * FROM goods"'])
async def test_what_is_rewritten_behind_the_snapshot_is_read_in_a_newer_one(
    database: Database,
    tmp_path: Path,
    change: str,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    database.execute(GOODS)
    coming = [change]

    @asynccontextmanager
    async def overtaken(claim: Claim, settings: Settings) -> AsyncIterator[Snapshot]:
        async with open_snapshot(claim, settings) as snapshot:
            if coming:
                database.execute(f"BEGIN; {coming.pop()}; COMMIT")
            yield snapshot

    monkeypatch.setattr(source, "open_snapshot", overtaken)
    landing = Landing(tmp_path, database, what)
    await landing.run()
    assert await landed_whole(landing)
    assert "; the run starts over" in caplog.text


async def test_a_partition_that_is_filled_anew_behind_the_snapshot_is_noticed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(
        "CREATE TABLE days (day int, amount bigint) PARTITION BY LIST (day);"
        "CREATE TABLE days_1 PARTITION OF days FOR VALUES IN (1);"
        "CREATE TABLE days_2 PARTITION OF days FOR VALUES IN (2);"
        "INSERT INTO days SELECT 1 + i % 2, i FROM generate_series(1, 1000) AS i"
    )
    coming = ["TRUNCATE days_2; INSERT INTO days SELECT 2, i FROM generate_series(1, 999, 2) AS i"]

    @asynccontextmanager
    async def overtaken(claim: Claim, settings: Settings) -> AsyncIterator[Snapshot]:
        async with open_snapshot(claim, settings) as snapshot:
            if coming:
                database.execute(f"BEGIN; {coming.pop()}; COMMIT")
            yield snapshot

    monkeypatch.setattr(source, "open_snapshot", overtaken)
    landing = Landing(tmp_path, database, 'table = "days"')
    await landing.run()
    assert await landed_whole(landing)


async def test_who_is_waited_for_may_alter_the_table(database: Database, tmp_path: Path) -> None:
    database.execute(GOODS)
    incremental = (
        'load = "incremental"\n[pipelines.team.orders.incremental]\n'
        'cursor = "id"\ncursor_type = "integer"'
    )
    landing = Landing(tmp_path, database, 'table = "goods"', pipeline=incremental)
    with other(database) as client:
        client.say("SET lock_timeout = '10s'; CREATE TABLE written (id int)")
        task = asyncio.create_task(landing.run())
        xmin = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_snapshot_xmin%' AND pid <> "
        await until(lambda: database.execute(f"{xmin}pg_backend_pid()"), task)
        await SYSTEM_CLOCK.sleep(0.1)
        client.say("TRUNCATE goods; INSERT INTO goods SELECT i, i FROM generate_series(1, 1000) i")
        client.say("COMMIT")
        await task
    assert await landed_whole(landing)


async def test_who_waits_to_alter_the_table_leaves_the_reading_to_the_leader(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(GOODS)
    landing = Landing(
        tmp_path,
        database,
        'table = "goods"\npartition_column = "id"\npartitions = 5\nparallel = 5',
        connection='lock_timeout = "500ms"',
    )
    with other(database) as client:

        async def overtaken(*arguments: Any, **options: Any) -> tuple[Piece, ...]:
            client.begin(ALTERED)
            await until(lambda: waiting(database))
            return await plan_pieces(*arguments, **options)

        monkeypatch.setattr(source, "plan_pieces", overtaken)
        report = await landing.run()
        client.end()
    assert report.files == 5
    assert await landed_whole(landing)
