"""A folder in which a user follows the documents, and the APIs that they speak of."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, final

import pytest
from anyio.from_thread import start_blocking_portal

from bronze_engine.demo.process import DemoServer
from tests.documents import (
    README,
)
from tests.integration.cli.command import environment, in_background
from tests.integration.http_server import Seen, answer

__all__ = [
    "BINARIES",
    "DAY",
    "ORDERS",
    "ROWS",
    "TOKEN",
    "Shell",
    "demo",
    "demo_url",
    "shop",
    "shop_url",
]

DAY = date(2025, 1, 15)
ROWS = 2500
TOKEN = "canary-of-the-shop"
BINARIES = Path(sys.executable).parent

ORDERS = [
    {
        "id": number,
        "amount": 0.5,
        "updated_at": f"2025-01-14T00:{number // 60:02}:{number % 60:02}Z",
    }
    for number in range(1200)
]


@final
class Shell:
    """A folder in which a user works, with `bronze` on the path."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.environment = environment(
            PATH=f"{BINARIES}{os.pathsep}{os.environ['PATH']}", NO_PROXY="127.0.0.1", **variables
        )

    def __call__(self, command: str, *, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
        return done

    def manifest(self, pipeline: str, day: date = DAY) -> Any:
        partition = self.folder / "bronze" / pipeline.replace(".", "/") / f"dt={day}"
        return json.loads((partition / "_metadata.json").read_text())


@pytest.fixture(scope="module")
def demo_url() -> Iterator[str]:
    server = DemoServer(records=ROWS)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server) as url:
        yield url


@pytest.fixture
def demo(tmp_path: Path, demo_url: str) -> Shell:
    """A folder after `bronze init`."""
    text = files("bronze_engine.demo").joinpath("pipelines.toml").read_text()
    (tmp_path / "pipelines.toml").write_text(text)
    return Shell(tmp_path, DEMO_URL=demo_url)


async def shop_api(seen: Seen, _: asyncio.StreamWriter) -> bytes:
    """What the README's own pipeline reads."""
    if seen.headers.get("authorization") != f"Bearer {TOKEN}":
        return answer({"error": "who are you?"}, status=401)
    if seen.path != "/v2/orders":
        return answer({"error": "no such thing"}, status=404)
    since, until = seen.query.get("since", ""), seen.query.get("until", "9999")
    found = [order for order in ORDERS if since < str(order["updated_at"]) <= until]
    size = int(seen.query.get("per_page", 20))
    start = (int(seen.query.get("page", 1)) - 1) * size
    return answer({"data": {"items": found[start : start + size]}, "meta": {"total": len(found)}})


@pytest.fixture(scope="module")
def shop_url() -> Iterator[str]:
    with in_background(shop_api) as server:
        yield server.url


@pytest.fixture
def shop(tmp_path: Path, shop_url: str) -> Shell:
    """A folder with the README's own pipeline, and its API."""
    own = README.blocks("toml", "Land your own API")[0]
    (tmp_path / "pipelines.toml").write_text(own.replace("https://api.example.com", shop_url))
    (tmp_path / ".env").write_text(f"SHOP_TOKEN={TOKEN}\n")
    return Shell(tmp_path)
