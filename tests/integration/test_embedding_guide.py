"""docs/embedding.md and docs/plugins.md: their code is run, or is the examples' own."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from examples.service.app import _STATUS, service

from bronze_engine import (
    Engine,
    RunReport,
    load_config,
    open_engine,
    open_monitoring,
    open_table,
    testing,
)
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.plugins import AUTHS, SOURCES, STORES, TOKEN_STORES
from bronze_engine.plugins import CustomSource
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import Event, RunFinished
from tests.documents import ROOT, Document
from tests.integration.cli.command import in_background, paged
from tests.integration.http_server import serve

pytestmark = pytest.mark.integration

EMBEDDING = Document("docs/embedding.md")
PLUGINS = Document("docs/plugins.md")
DAY = date(2025, 1, 15)
PAGES = paged([{"id": 1}, {"id": 2}], [{"id": 3}])

CONFIG = """
[engine]
target = "lake"
log_dir = ""
[apis.shop]
base_url = "URL"
proxy = "none"
[pipelines.myteam.orders.source]
type = "http"
api = "shop"
path = "/orders"
paginator = { type = "page" }
"""


def configured(folder: Path, url: str) -> Path:
    path = folder / "pipelines.toml"
    path.write_text(CONFIG.replace("URL", url))
    return path


async def run_block(code: str, names: dict[str, Any]) -> None:
    """A block as the guide shows it, which may await at its top."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    found = eval(compile(code, "the guide", "exec", flags=flags), names)  # noqa: S307  # its own
    if inspect.isawaitable(found):
        await found


def test_the_smallest_program_lands_what_it_says(tmp_path: Path) -> None:
    (code,) = EMBEDDING.blocks("python", "The smallest program")
    with in_background(PAGES) as server:
        configured(tmp_path, server.url)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 rows in ")
    assert "lake/myteam/orders/dt=2025-01-15" in done.stdout


@pytest.mark.asyncio
async def test_streams_and_hooks_are_as_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (stream,) = EMBEDDING.blocks("python", "Rows without landing them")
    hook, monitored = EMBEDDING.blocks("python", "Hooks")
    async with serve(PAGES) as server:
        config = load_config(configured(tmp_path, server.url))
        names: dict[str, Any] = {
            "Engine": Engine,
            "Event": Event,
            "RunFinished": RunFinished,
            "config": config,
            "date": date,
            "open_engine": open_engine,
            "open_monitoring": open_monitoring,
        }
        await run_block(stream, names)
        async with open_engine(config) as engine:
            assert await names["total"](engine, DAY) == 3
        assert not (tmp_path / "lake/myteam").exists()
        await run_block(hook, names)
        assert capsys.readouterr().out == "myteam.orders committed 3\n"
        await run_block(monitored, names)


@pytest.mark.asyncio
async def test_a_table_is_curated_as_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = EMBEDDING.blocks("python", "Curated tables")
    async with serve(PAGES) as server:
        path = configured(tmp_path, server.url)
        more = '[pipelines.myteam.orders]\nprimary_key = ["id"]\n[pipelines.myteam.orders.silver]\n'
        path.write_text(path.read_text() + more)
        config = load_config(path)
        names: dict[str, Any] = {"Engine": Engine, "RunReport": RunReport, "date": date}
        await run_block(code, names)
        async with open_engine(config) as engine:
            report = await names["land_and_curate"](engine, DAY)
            assert (report.layer, report.rows) == ("silver", 3)
            assert capsys.readouterr().out == ""
            assert (await engine.plan_silver("myteam.orders")).mode == "nothing"
        table = open_table(config, "myteam.orders")
        assert table.count_rows() == 3


class QueueConfig(CustomSource, frozen=True, kw_only=True, tag="queue"):
    pass


@pytest.mark.asyncio
async def test_own_types_are_handed_over_as_shown(tmp_path: Path, monkeypatch: Any) -> None:
    (code,) = EMBEDDING.blocks("python", "Your own sources, stores and clock")
    store = MemoryStore()

    @asynccontextmanager
    async def opened(_config: object, _resources: object) -> AsyncIterator[MemoryStore]:
        yield store

    text = CONFIG.partition("[pipelines")[0]
    text += '[pipelines.myteam.orders.source]\ntype = "queue"\n'
    (tmp_path / "pipelines.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    queue = testing.ScriptedSource([[testing.page(1, {"id": 1})]])
    names: dict[str, Any] = {
        "QueueConfig": QueueConfig,
        "QueueSource": lambda: queue,
        "clock": SYSTEM_CLOCK,
        "date": date,
        "load_config": load_config,
        "open_engine": open_engine,
        "opened": opened,
    }
    await run_block(code, names)
    assert await store.get("myteam/orders/dt=2025-01-15/_metadata.json") is not None


@pytest.mark.asyncio
async def test_the_test_that_is_shown_passes(tmp_path: Path) -> None:
    (code,) = EMBEDDING.blocks("python", "In your tests")
    names: dict[str, Any] = {
        "PIPELINES": CONFIG.replace("URL", "http://127.0.0.1:9"),
        "Path": Path,
        "ScriptedSource": testing.ScriptedSource,
        "date": date,
        "load_config": load_config,
        "nothing_left": testing.nothing_left,
        "open_engine": open_engine,
        "page": testing.page,
    }
    await run_block(code, names)
    await names["test_orders_land"](tmp_path)


def test_the_services_code_is_what_is_shown() -> None:
    files = {
        path.name: textwrap.dedent(path.read_text())
        for path in (ROOT / "examples/service").glob("*.py")
    }
    blocks = EMBEDDING.blocks("python", "A service")
    assert len(blocks) == 3
    for block in blocks:
        lines = [line.strip() for line in block.splitlines()]
        found = [
            name
            for name, text in files.items()
            if "\n".join(lines) in "\n".join(line.strip() for line in text.splitlines())
        ]
        assert len(found) == 1, block


def test_its_tables_are_what_the_service_does(tmp_path: Path) -> None:
    shown = {
        tuple(cell.strip(" `") for cell in line.strip("|").split("|"))
        for line in EMBEDDING.section("Errors").splitlines()
        if line.startswith("| `")
    }
    assert shown == {(code, str(int(status))) for code, status in _STATUS.items()}
    app = service(load_config(configured(tmp_path, "http://127.0.0.1:9")))
    section = EMBEDDING.section("A service")
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            route = path.replace("{run_id}", "{id}")
            assert f"| `{method.upper()} {route}" in section


def test_the_plug_ins_that_are_shown_are_the_examples() -> None:
    package = ROOT / "examples/third_party"
    (toml, sh) = (PLUGINS.blocks("toml")[0], PLUGINS.blocks("sh")[0])
    written = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"]
    assert tomllib.loads(toml)["project"]["entry-points"] == written
    source = (package / "src/bronze_mailbox/mbox.py").read_text()
    (table,) = PLUGINS.blocks("python", "Its table")
    assert table in source
    (check,) = PLUGINS.blocks("python", "The checks")
    assert check in (package / "tests/test_bronze_mailbox.py").read_text()
    for line in sh.splitlines():
        assert line in (package / "README.md").read_text()


def test_the_kinds_and_the_checks_are_all_there() -> None:
    section = PLUGINS.section("How one is found")
    for group in (SOURCES, STORES, AUTHS, TOKEN_STORES):
        assert f"| `{group}` |" in section
    for name in testing.__all__:
        if name.endswith("_CHECKS"):
            assert f"| `{name}` |" in PLUGINS.section("The checks")


@pytest.mark.parametrize("document", [EMBEDDING, PLUGINS], ids=lambda each: each.path.name)
def test_its_links_lead_somewhere(document: Document) -> None:
    for link in document.links():
        name, _, anchor = link.partition("#")
        target = Document(f"docs/{name}") if name else document
        assert not anchor or anchor in target.anchors(), link
