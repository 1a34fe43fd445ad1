"""docs/time.md: its commands and its Python are run over the pipeline that it shows."""

from __future__ import annotations

import asyncio
import shlex
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bronze_engine import read_manifest
from tests.documents import Document
from tests.integration.cli.command import Bronze, in_background
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration

TIME = Document("docs/time.md")
FIRST = datetime(2024, 12, 30, tzinfo=UTC)
ROWS = [
    {"id": number, "updated_at": (FIRST + timedelta(hours=number)).isoformat()}
    for number in range(40 * 24)
]


async def handle(seen: Seen, _: object) -> bytes:
    since, until = (datetime.fromisoformat(seen.query[key]) for key in ("since", "until"))
    found = [row for row in ROWS if since < datetime.fromisoformat(str(row["updated_at"])) < until]
    return answer(found if seen.query.get("page", "1") == "1" else [])


def test_what_the_guide_shows_is_what_happens(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml, _ = TIME.blocks("toml")
    (bronze.folder / "pipelines.toml").write_text(toml)
    (commands,) = TIME.blocks("sh")
    with in_background(handle) as server:
        monkeypatch.setenv("SHOP_URL", server.url)
        for line in commands.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "bronze"
            report = bronze.well(*arguments, "--json").json
            if "--dry-run" in arguments:
                assert {each["why"] for each in report} == {"not committed"}
                continue
            assert {each["status"] for each in report["dates"]} == {"committed"}
            assert {each["rows"] for each in report["dates"]} == {24}
        (python,) = TIME.blocks("python")
        names: dict[str, Any] = {}
        exec(python, names)  # noqa: S102  # what the guide shows
        assert asyncio.run(names["january"]("pipelines.toml")) == 0
    manifest = read_manifest(bronze.folder / "lake", "myteam.orders", date(2025, 1, 30))
    assert manifest.watermark is not None
    assert manifest.watermark.low == "2025-01-29T23:00:00Z"
    assert manifest.generation == 2  # once by each command; Python has skipped it


def test_links_lead_somewhere() -> None:
    for link in TIME.links():
        name, _, anchor = link.partition("#")
        assert not name or (Path(TIME.path).parent / name).is_file()
        assert not anchor or name or anchor in TIME.anchors()


def test_lines_are_no_longer_than_elsewhere() -> None:
    assert max(map(len, TIME.text.splitlines())) <= 140
