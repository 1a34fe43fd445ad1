"""Our own sources pass the checks that third parties' must pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bronze_engine.config.api import Api
from bronze_engine.config.auths.auth import ApiKeyAuth
from bronze_engine.config.files.place import place_of_files
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.config.http.paginator import CursorPaginator, PagePaginator, Paginator
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.errors import ExtractError
from bronze_engine.sources.files.source import FilesSourceType
from bronze_engine.sources.http.source import HttpSourceType
from bronze_engine.testing import (
    SOURCE_CHECKS,
    Pause,
    ScriptedSource,
    SourceCheck,
    SourceFactory,
    SourceSubject,
    name_of,
    page,
)
from tests.integration.http_server import Seen, answer, serve

pytestmark = pytest.mark.integration

CANARY = "canary-0123456789"
ROWS = [{"id": number, "name": f"row {number}"} for number in range(40)]
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
        script,
    ],
    ids=["pages", "cursors", "script"],
)
async def test_contract(check: SourceCheck, make: SourceFactory) -> None:
    await check(make)


@pytest.mark.asyncio
@CHECKS
async def test_contract_of_files(check: SourceCheck, tmp_path: Path) -> None:
    await check(partial(folder_of_files, tmp_path))
