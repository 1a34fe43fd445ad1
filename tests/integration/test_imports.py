"""What is slow to import is imported in a worker: the event loop does not stand still for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from bronze_engine.demo.process import DemoServer
from tests.integration.cli.command import environment

pytestmark = pytest.mark.integration

SCRIPT = """
import asyncio, json, sys, threading
from datetime import date

found = {}

class Watch:
    def find_spec(self, name, path=None, target=None):
        found.setdefault(name, threading.current_thread() is threading.main_thread())

from bronze_engine import load_config, open_engine

async def main():
    config = load_config("pipelines.toml", environ={"DEMO_URL": sys.argv[2]})
    async with open_engine(config) as engine:
        sys.meta_path.insert(0, Watch())
        await engine.run(sys.argv[1], run_date=date(2025, 1, 15))

asyncio.run(main())
print(json.dumps(found))
"""


@pytest.fixture
def demo_url() -> Iterator[str]:
    server = DemoServer(records=2000)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server) as url:
        yield url


def imported_by(pipeline: str, folder: Path, url: str = "") -> dict[str, bool]:
    """What its run imports, and whether on the loop, below a folder with a pipelines.toml."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, pipeline, url],
        cwd=folder,
        env=environment(NO_PROXY="127.0.0.1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, bool] = json.loads(done.stdout)
    return found


def test_a_run_imports_clients_in_workers_only_and_no_pandas(tmp_path: Path, demo_url: str) -> None:
    text = files("bronze_engine.demo").joinpath("pipelines.toml").read_text()
    (tmp_path / "pipelines.toml").write_text(text)
    on_the_loop = imported_by("demo.changes", tmp_path, demo_url)
    heavy = ("aiohttp", "httpx")
    assert {name: on_the_loop[name] for name in heavy} == dict.fromkeys(heavy, False)
    assert {"duckdb", "deltalake", "pyiceberg"}.isdisjoint(on_the_loop)  # no table is made
    assert "pandas" not in on_the_loop  # pyarrow imports it for the first Python value it is given


def test_a_run_of_local_files_imports_no_http_client(tmp_path: Path) -> None:
    """It was most of what a small one of them cost: a fifth of a CPU second."""
    (tmp_path / "prices.csv").write_text("id,price\n1,2.50\n")
    (tmp_path / "pipelines.toml").write_text(
        """
        [pipelines.shop.prices.source]
        type = "files"
        url = "prices.csv"
        format = "csv"
        """
    )
    imported = imported_by("shop.prices", tmp_path)
    assert "bronze_engine.sources.files.source" in imported
    assert {"aiohttp", "httpx", "pandas"}.isdisjoint(imported)


def test_json_lines_with_dates_and_long_numbers_land_without_pandas(tmp_path: Path) -> None:
    """It was a third of what a file of 30 MB cost, where pandas is installed."""
    lines = [
        f'{{"id": {at}, "day": "2025-01-15", "price": {at / 7}, "tiny": 0.0}}' for at in range(3000)
    ]
    (tmp_path / "prices.ndjson").write_text("\n".join(lines))
    (tmp_path / "pipelines.toml").write_text(
        """
        [pipelines.shop.prices.source]
        type = "files"
        url = "prices.ndjson"
        format = "ndjson"

        [pipelines.shop.prices.schema.columns]
        day = "date"
        """
    )
    assert "pandas" not in imported_by("shop.prices", tmp_path)


def modules_of(script: str, *arguments: str) -> set[str]:
    """What a process has imported by the end of a script."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{script}\nprint('--', *sys.modules)", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.rpartition("--")[2].split())


def test_the_command_imports_no_pandas_and_no_client_before_it_needs_them() -> None:
    """Every command pays for it: pandas is a third of a second and 45 MB where it is installed."""
    modules = modules_of("import bronze_engine.cli.main")
    assert "bronze_engine.engine" in modules
    assert {"pandas", "pyarrow.dataset", "aiobotocore", "azure", "asyncpg"}.isdisjoint(modules)
    assert {"duckdb", "deltalake", "pyiceberg"}.isdisjoint(modules)


def test_a_command_imports_no_other_and_nothing_that_draws() -> None:
    """What a run from cron pays for at each start, and uses none of: a tenth of a CPU second."""
    modules = modules_of(
        "import contextlib\n"
        "from bronze_engine.cli.main import main\n"
        "with contextlib.suppress(SystemExit):\n    main(sys.argv[1:])\n",
        *("run", "--help"),
    )
    assert "bronze_engine.cli.commands.run" in modules
    assert modules.isdisjoint(
        f"bronze_engine.cli.commands.{name}" for name in ("batch", "tune", "demo")
    )
    assert {"rich.console", "bronze_engine.cli.display.live"}.isdisjoint(modules)


def test_the_command_does_without_that_of_httpx() -> None:
    """It draws answers in colours: 0.08 CPU seconds where click is installed, as it is here."""
    script = (
        "import contextlib, bronze_command\n"
        "with contextlib.suppress(SystemExit):\n    bronze_command.main()\n"
        "import httpx, bronze_engine.sources.http.source\n"
        "assert sys.modules['httpx._main'] is None\n"
    )
    modules = modules_of(script, "--version")
    assert "httpx" in modules
    assert {"click", "pygments", "rich.syntax"}.isdisjoint(modules)
