"""The command line as tests use it: within this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import msgspec
import pytest
from anyio.from_thread import start_blocking_portal

from bronze_engine.cli.main import main
from tests.integration.http_server import Handler, Seen, Server, answer, serve

__all__ = [
    "DATE",
    "PARTITION",
    "PIPELINE",
    "Bronze",
    "Ran",
    "environment",
    "hidden",
    "in_background",
    "paged",
    "shop",
    "start",
    "tree",
    "url_of",
]

PIPELINE = "team.orders"
DATE = "2025-01-15"
PARTITION = f"lake/team/orders/dt={DATE}"

SHOP = """\
[engine]
target = "lake"

[apis.shop]
base_url = "http://127.0.0.1:1"
proxy = "none"

[apis.shop.retry]
backoff = "1ms"

[pipelines.team.orders]

[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/x"

[pipelines.team.orders.source.paginator]
type = "page"
"""
"""One pipeline that reads pages of bare lists until an empty one. The API is set by `url_of`."""


class Ran(msgspec.Struct, frozen=True):
    """How one command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """Messages of the ERROR lines, with what stands below them."""
        whole = self.err.replace("\n  | ", "\u2028")
        marked = (line.split(" ", 3) for line in whole.split("\n") if " ERROR " in line)
        return [
            message.replace("\u2028", "\n") for _, _, level, message in marked if level == "ERROR"
        ]


@final
class Bronze:
    """Runs commands in this process, in a folder of their own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, *self._capsys.readouterr())

    def well(self, *arguments: str) -> Ran:
        """A command that must succeed."""
        ran = self(*arguments)
        assert ran.status == 0, ran.err
        return ran

    def log(self) -> str:
        """All that stands in log_dir."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("logs/*.log")))


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would configure us."""
    ours = ("BRONZE_", "DEMO_", "LAKE")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


def start(arguments: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """A Python process in `folder` that nobody's signals reach but ours."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@contextmanager
def in_background(handler: Handler) -> Iterator[Server]:
    """`http_server.serve` in a thread of its own, while this thread runs a command."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve(handler)) as server,
    ):
        yield server


def shop(folder: Path, text: str = "", *, keys: str = "") -> None:
    """Write a pipelines.toml with one pipeline, which has more `keys`, and more tables."""
    head = "[pipelines.team.orders]\n"
    (folder / "pipelines.toml").write_text(SHOP.replace(head, f"{head}{keys}\n") + text)


def url_of(server: Server | str) -> list[str]:
    """The options that point the API of `shop` at a server."""
    return ["--set", f"apis.shop.base_url={server if isinstance(server, str) else server.url}"]


def paged(*pages: Any) -> Handler:
    """Serves `pages` by number, from 1, and empty lists past their end."""

    async def handle(seen: Seen, _: object) -> bytes:
        number = int(seen.query.get("page", 1))
        return answer(pages[number - 1] if number <= len(pages) else [])

    return handle


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def hidden(folder: Path) -> list[str]:
    """Temporaries, locks and leases below a folder."""
    return [path for path in tree(folder) if "/." in f"/{path}" or path.endswith(".lease")]
