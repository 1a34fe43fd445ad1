"""Behind proxies that do not send a row a message, and before what is no PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bronze_engine.errors import ExtractError
from tests.integration.databases.cutter import cutting
from tests.integration.databases.landing import Landing
from tests.integration.postgres import Database
from tests.unit.run.harness import cut_groups

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


@pytest.fixture(scope="module")
def rows(database: Database) -> Database:
    database.execute(
        "CREATE TABLE t AS SELECT i AS id, md5(i::text) AS note, NULLIF(i % 3, 0) AS third,"
        " decode('00030000000400000001ffffffff', 'hex') AS false_start"
        " FROM generate_series(1, 5000) i"
    )
    return database


def behind(folder: Path, database: Database, port: int, source: str = "") -> Landing:
    """The table `t`, through a proxy."""
    dsn = database.dsn.replace(f":{database.server.port}/", f":{port}/")
    return Landing(
        folder,
        database,
        f'table = "t"\n{source}',
        dsn=f"{dsn}?sslmode=disable",
        pipeline='primary_key = ["id"]',
    )


@pytest.mark.parametrize("size", [7, 1000, 65_536])
@pytest.mark.parametrize("source", ["", 'reading = "keyset"\nchunk_rows = 1300'])
async def test_rows_that_are_cut_are_found_one_after_another(
    size: int,
    source: str,
    rows: Database,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if size == 7:
        cut_groups(monkeypatch, 1)  # or what belongs together might be together again by chance
    async with cutting(rows.server.port, bytes, size) as port:
        landing = behind(tmp_path, rows, port, source)
        report = await landing.run()
    assert report.rows == 5000
    table = await landing.table()
    assert sorted(await landing.column("id")) == list(range(1, 5001))
    assert table.column("third").null_count == 1666
    if size == 7:
        assert "a proxy that cuts messages" in caplog.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data.replace(b"PGCOPY", b"MYCOPY"), "begins with b'MYCOPY"),
        (
            lambda data: data.replace(b"\0\4\0\0\0\4", b"\0\5\0\0\0\4"),
            "4 columns was expected, and 5",
        ),
        (lambda data: data.removesuffix(b"\xff\xff"), "no COPY"),
    ],
    ids=["header", "count", "trailer"],
)
async def test_what_is_no_copy_says_what_came(
    change: Callable[[bytes], bytes], told: str, rows: Database, tmp_path: Path
) -> None:
    async with cutting(rows.server.port, change, 1 << 20) as port:
        landing = behind(tmp_path, rows, port)
        with pytest.raises(ExtractError, match="no COPY in PostgreSQL's binary format") as caught:
            await landing.run()
    assert told in str(caught.value)
    assert await landing.unowned() == []
