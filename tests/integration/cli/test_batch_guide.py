"""docs/batch.md: its commands and its Python are run over the pipelines that it shows."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.documents import ROOT, Document
from tests.integration.cli.command import Bronze, Ran, in_background
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration

BATCH = Document("docs/batch.md")


def lines_of(section: str) -> list[list[str]]:
    """The arguments of each command that the section shows."""
    found = []
    for block in BATCH.blocks("sh", section):
        for line in block.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "bronze"
            found.append(arguments)
    return found


def test_what_the_guide_shows_is_what_happens(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"/people"}

    async def handle(seen: Seen, _: object) -> bytes:
        if seen.path in broken:
            return answer(status=503)
        return answer([{"id": 1}, {"id": 2}])

    def run(arguments: list[str]) -> Ran:
        return bronze(*arguments, "--set", "apis.crm.retry.backoff=1ms")

    (toml,) = BATCH.blocks("toml")
    (bronze.folder / "pipelines.toml").write_text(toml)
    with in_background(handle) as server:
        monkeypatch.setenv("SHOP_URL", server.url)
        monkeypatch.setenv("CRM_URL", server.url)
        (example,) = lines_of("An example")
        ran = run(example)
        assert ran.status == 1
        (shown,) = BATCH.blocks("text", "An example")
        assert shape(ran.out) == shape(shown.replace("http://127.0.0.1:8001", server.url))
        broken.clear()
        (again,) = lines_of("Running again what is missing")
        assert "1 of 1 runs" in run(again).out
        assert "0 of 0 runs" in run(again).out
        assert [count_of(run(each)) for each in lines_of("What is run")] == [3, 2, 2, 2, 2, 30, 3]
        assert sum(count_of(run(each)) for each in lines_of("Several copies")) == 3
        for each in lines_of("The report"):
            assert run(each).status == 0
        assert (bronze.folder / "batch.md").read_text().startswith("# Batch ")
        assert (bronze.folder / "batch.json").read_text().startswith("{")
        for each in lines_of("Who is late"):
            assert run(each).status == 0
        (python,) = BATCH.blocks("python")
        names: dict[str, Any] = {}
        exec(python, names)  # noqa: S102  # what the guide shows
        land: Callable[..., Any] = names["land"]
        assert asyncio.run(land("pipelines.toml", datetime.now(UTC).date())) == 0


def count_of(ran: Ran) -> int:
    """How many runs the command had."""
    found = re.search(r"of ([\d,]+) runs|([\d,]+) runs of", ran.out)
    assert found is not None, ran.err
    return int(found[1] or found[2])


def shape(out: str) -> list[str]:
    """The lines, without the ids and the seconds."""
    masked = re.sub(r"\d{8}T\d{9}Z-[0-9a-f]{6}", "ID", out)
    return [
        " ".join(line.split()) for line in masked.splitlines() if not line.startswith("seconds")
    ]


def test_the_cron_lines_are_commands(bronze: Bronze) -> None:
    (block,) = BATCH.blocks("cron")
    commands = re.findall(r"\.venv/bin/bronze (.*?)(?=;|$)", block, re.MULTILINE)
    assert len(commands) == 3
    (bronze.folder / "pipelines.toml").write_text("")
    for command in commands:
        arguments = shlex.split(command.replace(r"$(date -u -d yesterday +\%F)", "2025-01-15"))
        ran = bronze(*arguments)
        assert "No such option" not in ran.err
        assert "Error" not in ran.err, command


def test_links_lead_somewhere() -> None:
    for link in BATCH.links():
        name, _, anchor = link.partition("#")
        assert not name or (ROOT / "docs" / name).is_file()
        target = BATCH if not name else Document(f"docs/{name}")
        assert not anchor or anchor in target.anchors()


def test_lines_are_no_longer_than_elsewhere() -> None:
    prose = re.sub(r"```.*?```", "", BATCH.text, flags=re.DOTALL)
    lines = [line for line in prose.splitlines() if not line.startswith("|")]
    assert max(map(len, lines)) <= 140
