"""Our own sources pass the checks that third parties' must pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest

from bronze_engine.config.api import Api
from bronze_engine.config.auths.auth import ApiKeyAuth
from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.postgres import PostgresSourceConfig
from bronze_engine.config.files.place import place_of_files
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.config.http.paginator import CursorPaginator, PagePaginator, Paginator
from bronze_engine.config.incremental import Incremental
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import ExtractError
from bronze_engine.sources.files.source import FilesSourceType
from bronze_engine.sources.http.source import HttpSourceType
from bronze_engine.sources.postgres.source import PostgresSourceType
from bronze_engine.testing import (
    SOURCE_CHECKS,
    Pause,
    ScriptedSource,
    SourceCheck,
    SourceFactory,
    SourceSubject,
    asked,
    name_of,
    page,
)
from tests.integration.http_server import Seen, answer, serve
from tests.integration.postgres import Database, database, postgres

pytestmark = pytest.mark.integration

CANARY = "canary-0123456789"
ROWS = [{"id": number, "name": f"row {number}"} for number in range(40)]
__all__ = ["database", "postgres"]  # fixtures

CHECKS = pytest.mark.parametrize("check", SOURCE_CHECKS, ids=name_of)


@asynccontextmanager
async def paged_api(paginator: Paginator) -> AsyncIterator[SourceSubject]:
    """Four pages; what is broken answers 400 and tells the key that it was asked with."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/broken":
            return answer({"error": f"no such thing, {seen.headers['x-api-key']}"}, status=400)
        if "cursor" in seen.query or not seen.query.get("page"):
            start = int(seen.query.get("cursor") or 0)
        else:
            start = 10 * (int(seen.query["page"]) - 1)
        more = start + 10 if start + 10 < len(ROWS) else None
        value = {"items": ROWS[start : start + 10], "next": more and str(more)}
        return answer(value, headers={"Date": "Wed, 15 Jan 2025 10:00:00 GMT"})

    async with serve(handle) as server:
        api = Api(
            name="shop",
            base_url=server.url,
            proxy="none",
            auth=ApiKeyAuth(key=Secret(CANARY)),
        )
        config = HttpSourceConfig(api=api, path="/things", records="items", paginator=paginator)
        yield SourceSubject(
            source_type=HttpSourceType(),
            config=config,
            broken=msgspec.structs.replace(config, path="/broken"),
            secrets=(CANARY,),
        )


@asynccontextmanager
async def dated_api() -> AsyncIterator[SourceSubject]:
    """A window of five days, a day a slice, each of two pages."""
    rows = [
        {"id": number, "at": f"2025-01-{10 + number // 24:02}T{number % 24:02}:30:00Z"}
        for number in range(5 * 24)
    ]

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.path == "/broken":
            return answer({"error": "no"}, status=400)
        low, high = (seen.query[key].replace("+00:00", "Z") for key in ("since", "until"))
        found = [row for row in rows if low <= str(row["at"]) < high]
        start = 12 * (int(seen.query["page"]) - 1)
        headers = {"Date": "Wed, 15 Jan 2025 10:00:00 GMT"}
        return answer(found[start : start + 12], headers=headers)

    incremental = Incremental(
        cursor="at",
        step=Duration(86400),
        steps_per_slice=1,
        start_param="since",
        end_param="until",
    )
    request = asked(
        load="incremental",
        incremental=incremental,
        low="2025-01-10T00:00:00Z",
        read_from="2025-01-10T00:00:00Z",
        cap="2025-01-15T00:00:00Z",
    )
    async with serve(handle) as server:
        api = Api(name="shop", base_url=server.url, proxy="none")
        config = HttpSourceConfig(api=api, path="/things", paginator=PagePaginator())
        yield SourceSubject(
            source_type=HttpSourceType(),
            config=config,
            broken=msgspec.structs.replace(config, path="/broken"),
            request=request,
        )


@asynccontextmanager
async def table_of_rows(dsn: str) -> AsyncIterator[SourceSubject]:
    connection = PostgresConnection(name="db", dsn=Secret(dsn))
    config = PostgresSourceConfig(connection=connection, table="things", partitions=3)
    yield SourceSubject(
        source_type=PostgresSourceType(),
        config=config,
        broken=msgspec.structs.replace(config, table="nothing"),
        secrets=(dsn, unquote(urlsplit(dsn).password or "")),
        cuts_by_arrival=True,  # of COPY's chunks; its columns are those of the table
    )


def files_of(folder: Path, pattern: str) -> FilesSourceConfig:
    config = FilesSourceConfig(url=pattern, format="ndjson")
    place = place_of_files(
        pattern,
        store=LocalStoreConfig(name="disk", path=str(folder)),
        api=None,
        open_place=lambda *_: None,
        absolute=lambda text: folder / text,
        path=(),
        faults=[],
    )
    assert place is not None
    return msgspec.structs.replace(config, places=(place,))


@asynccontextmanager
async def folder_of_files(folder: Path) -> AsyncIterator[SourceSubject]:
    for name in ("a", "b", "c"):
        lines = (b'{"id": %d, "file": "%s"}\n' % (row, name.encode()) for row in range(30))
        (folder / f"{name}.ndjson").write_bytes(b"".join(lines))
    yield SourceSubject(
        source_type=FilesSourceType(),
        config=files_of(folder, "*.ndjson"),
        broken=files_of(folder, "missing/*.ndjson"),
    )


@asynccontextmanager
async def script() -> AsyncIterator[SourceSubject]:
    steps = [page(1, {"id": 1}, {"id": 2}), Pause(), page(2, {"id": 3})]

    def reading(_request: Any) -> Any:
        return [steps, [page(1, {"id": 4})], []]

    source = ScriptedSource(reading, token="fixed")
    broken = ScriptedSource([[ExtractError("cut off")]])
    yield SourceSubject(source_type=Either(source, broken), config="whole", broken="broken")


class Either:
    """A scripted source takes its faults from a script, and not from a configuration."""

    def __init__(self, whole: ScriptedSource, broken: ScriptedSource) -> None:
        self._sources = {"whole": whole, "broken": broken}

    def floor_bytes(self, config: str, /) -> int:
        return self._sources[config].floor_bytes(config)

    def slices_at_once(self, config: str, /) -> int:
        return self._sources[config].slices_at_once(config)

    def open(self, config: str, *args: Any) -> Any:
        return self._sources[config].open(config, *args)


@pytest.mark.asyncio
@CHECKS
@pytest.mark.parametrize(
    "make",
    [
        partial(paged_api, PagePaginator()),
        partial(paged_api, CursorPaginator(cursor_path="next")),
        dated_api,
        script,
    ],
    ids=["pages", "cursors", "days", "script"],
)
async def test_contract(check: SourceCheck, make: SourceFactory) -> None:
    await check(make)


@pytest.mark.asyncio
@CHECKS
async def test_contract_of_files(check: SourceCheck, tmp_path: Path) -> None:
    await check(partial(folder_of_files, tmp_path))


@pytest.mark.asyncio
@CHECKS
async def test_contract_of_postgres(check: SourceCheck, database: Database) -> None:
    database.execute(
        "CREATE TABLE IF NOT EXISTS things AS SELECT g AS id, md5(g::text) AS name"
        " FROM generate_series(1, 3000) g"
    )
    await check(partial(table_of_rows, database.dsn))
