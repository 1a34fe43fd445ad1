"""The service of docs/embedding.md, under a real uvicorn: runs, progress, cancelling, rows."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest
import uvicorn
from examples.service.app import service
from examples.service.rows import ARROW
from fastapi import FastAPI

from bronze_engine import load_config
from bronze_engine.clock import SYSTEM_CLOCK
from tests.integration.http_server import Seen, Server, answer, serve

pytestmark = pytest.mark.integration

CANARY = "canary-0123456789"
DAY = "2025-01-15"

CONFIG = """
[engine]
target = "lake"
log_dir = ""
memory_limit = "256MiB"
[apis.shop]
base_url = "{url}"
proxy = "none"
auth = {{ type = "api_key", key = "{key}" }}
retry = {{ attempts = 1 }}
concurrency = 4
[templates.paged.source]
type = "http"
api = "shop"
paginator = {{ type = "page" }}
"""


class Shop:
    """An API whose `/slow` waits to be let go behind its first page."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def __call__(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        number = int(seen.query.get("page", 1))
        match seen.path:
            case "/refused":
                return answer({"error": f"{seen.headers['x-api-key']} may not"}, status=403)
            case "/late" if number == 3:
                return answer({"error": "gone"}, status=410)
            case "/slow" if number > 1:
                await self.gate.wait()
            case "/mute":
                await self.gate.wait()
            case "/endless" | "/late":
                rows = [{"id": 100 * number + row, "pad": "x" * 2000} for row in range(100)]
                return answer(rows)
        return answer([{"id": 10 * number + row} for row in range(10)] if number < 4 else [])


class Served:
    def __init__(self, url: str, app: FastAPI, shop: Shop, upstream: Server) -> None:
        self.url = url
        self.app = app
        self.shop = shop
        self.upstream = upstream

    @property
    def pooled_bytes(self) -> int:
        pooled: int = self.app.state.engine.statistics().pooled_bytes
        return pooled

    @property
    def in_flight(self) -> int:
        groups = self.app.state.engine.statistics().limit_groups
        return sum(group.in_flight for group in groups)

    def asked(self, path: str) -> int:
        return sum(seen.path == path for seen in self.upstream.seen)


@contextmanager
def under_uvicorn(app: FastAPI) -> Iterator[str]:
    """In a thread, with a loop of its own; ended as SIGTERM ends it."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # whoever comes before uvicorn is up waits for it
        config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Served]]:
    shop = Shop()
    async with serve(shop) as upstream:
        tables = "".join(
            f'[pipelines.team.{name}]\nextends = "paged"\nsource.path = "/{name}"\n'
            for name in ("orders", "slow", "refused", "endless", "late", "mute")
        )
        path = folder / "pipelines.toml"
        path.write_text(CONFIG.format(url=upstream.url, key=CANARY) + tables)
        app = service(load_config(path, environ={}))
        with under_uvicorn(app) as url:
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
                assert (await client.get("/health")).status_code == 200
                yield client, Served(url, app, shop, upstream)


async def until(condition: Any) -> None:
    async with SYSTEM_CLOCK.timeout(10):
        while not condition():
            await SYSTEM_CLOCK.sleep(0.01)


async def over(client: httpx.AsyncClient, location: str) -> dict[str, Any]:
    async with SYSTEM_CLOCK.timeout(10):
        while (run := (await client.get(location)).json())["state"] == "running":
            await SYSTEM_CLOCK.sleep(0.01)
    found: dict[str, Any] = run
    return found


@pytest.mark.asyncio
async def test_a_run_is_begun_watched_and_lands(tmp_path: Path) -> None:
    async with running(tmp_path) as (client, served):
        begun = await client.post("/runs", params={"pipeline": "team.slow", "run_date": DAY})
        assert begun.status_code == 202
        location = begun.headers["Location"]
        assert (await client.get(location)).json()["state"] == "running"
        assert (await client.get("/health")).json()["running"] == 1
        # The lease is held, and says so.
        again = await client.post("/runs", params={"pipeline": "team.slow", "run_date": DAY})
        assert again.status_code == 409
        assert again.headers["content-type"] == "application/problem+json"
        assert again.json()["code"] == "STATE001"
        served.shop.gate.set()
        run = await over(client, location)
        assert (run["state"], run["rows"], run["phase"]) == ("committed", 30, "over")
        assert (tmp_path / "lake/team/slow" / f"dt={DAY}" / "_metadata.json").exists()


@pytest.mark.asyncio
async def test_a_run_is_cancelled_and_leaves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as (client, served):
        begun = await client.post("/runs", params={"pipeline": "team.slow", "run_date": DAY})
        run = (await client.delete(begun.headers["Location"])).json()
        assert run["state"] == "cancelled"
        assert (await client.get("/health")).json()["running"] == 0
        assert not (tmp_path / "lake/team").exists()
        hidden = [path for path in (tmp_path / "lake").rglob(".*") if path.is_file()]
        assert hidden == []
        served.shop.gate.set()
        begun = await client.post("/runs", params={"pipeline": "team.slow", "run_date": DAY})
        assert (await over(client, begun.headers["Location"]))["state"] == "committed"


@pytest.mark.asyncio
async def test_runs_under_way_are_cancelled_when_the_service_ends(tmp_path: Path) -> None:
    async with running(tmp_path) as (client, _):
        begun = await client.post("/runs", params={"pipeline": "team.slow", "run_date": DAY})
        assert begun.status_code == 202
    assert not (tmp_path / "lake/team").exists()
    assert [path for path in (tmp_path / "lake").rglob(".*") if path.is_file()] == []


@pytest.mark.asyncio
async def test_faults_are_problems_without_secrets(tmp_path: Path) -> None:
    async with running(tmp_path) as (client, _):
        params = {"pipeline": "team.refused", "run_date": DAY}
        begun = await client.post("/runs", params=params)
        run = await over(client, begun.headers["Location"])
        assert run["state"] == "failed"
        assert run["problem"]["code"] in ("AUTH001", "EXT001")
        asked = await client.get("/pipelines/team.refused/rows", params={"run_date": DAY})
        assert asked.status_code == 502
        assert asked.headers["content-type"] == "application/problem+json"
        assert "***" in asked.json()["detail"] or "may not" not in asked.json()["detail"]
        assert CANARY not in f"{run} {asked.text}"
        unknown = await client.get("/pipelines/team.none/rows", params={"run_date": DAY})
        assert (unknown.status_code, unknown.json()["title"]) == (404, "Not Found")
        assert (await client.get("/runs/none")).status_code == 404


@pytest.mark.asyncio
async def test_rows_come_as_ndjson_or_arrow(tmp_path: Path) -> None:
    async with running(tmp_path) as (client, served):
        where, params = "/pipelines/team.orders/rows", {"run_date": DAY}
        lines = await client.get(where, params=params)
        assert lines.headers["content-type"] == "application/x-ndjson"
        rows = [msgspec.json.decode(line) for line in lines.content.splitlines()]
        assert [row["id"] for row in rows] == list(range(10, 40))
        arrow = await client.get(where, params=params, headers={"Accept": ARROW})
        table = pa.ipc.open_stream(arrow.content).read_all()
        assert table.column("id").to_pylist() == list(range(10, 40))
        assert served.pooled_bytes == 0
        assert not (tmp_path / "lake/team").exists()  # nothing is landed


@pytest.mark.asyncio
async def test_a_fault_behind_the_first_batch_breaks_the_answer_off(tmp_path: Path) -> None:
    async with running(tmp_path) as (client, served):
        async with client.stream("GET", "/pipelines/team.late/rows?run_date=" + DAY) as got:
            assert got.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                await got.aread()
        assert served.pooled_bytes == 0
        assert (await client.get("/health")).status_code == 200


@pytest.mark.asyncio
async def test_a_client_that_takes_nothing_holds_the_source_and_one_that_goes_ends_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as (client, served):
        async with client.stream("GET", "/pipelines/team.endless/rows?run_date=" + DAY) as got:
            assert got.status_code == 200
            asked = -1
            async with SYSTEM_CLOCK.timeout(30):
                while asked != served.asked("/endless"):  # until nothing comes for half a second
                    asked = served.asked("/endless")
                    await SYSTEM_CLOCK.sleep(0.5)
            assert asked * 200_000 < 64 * 2**20  # a quarter of the budget
        await until(lambda: served.pooled_bytes == 0)
        asked = served.asked("/endless")
        await SYSTEM_CLOCK.sleep(0.2)
        assert served.asked("/endless") == asked
        assert (await client.get("/health")).status_code == 200


@pytest.mark.asyncio
async def test_a_client_that_goes_before_the_first_batch_ends_the_reading(tmp_path: Path) -> None:
    async with running(tmp_path) as (client, served):
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/pipelines/team.mute/rows", params={"run_date": DAY}, timeout=0.5)
        assert served.asked("/mute") == 1
        await until(lambda: served.in_flight == 0)
        assert served.pooled_bytes == 0
