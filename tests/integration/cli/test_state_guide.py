"""docs/state.md: its commands are run, in their order, over the pipeline that it shows."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.documents import Document
from tests.integration.cli.command import Bronze, in_background
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration

STATE = Document("docs/state.md")
STATUS = {"": 0, "STATE001": 7}


def test_what_the_guide_shows_is_what_happens(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toml,) = STATE.blocks("toml")
    (bronze.folder / "pipelines.toml").write_text(toml)
    rows = 3

    async def handle(seen: Seen, _: object) -> bytes:
        since = int(seen.query.get("since", 0))
        found = [{"id": at, "seq": at, "price": at * 2} for at in range(since + 1, rows + 1)]
        return answer(found if seen.query.get("page", "1") == "1" else [])

    with in_background(handle) as server:
        monkeypatch.setenv("SHOP_URL", server.url)
        for day in (1, 2, 3, 4):
            bronze.well("run", "myteam.orders", "--date", f"2025-01-{day:02}")
            rows += 3
        commands = [line for block in STATE.blocks("sh") for line in block.splitlines()]
        outputs = {}
        for line in commands:
            command, _, code = line.partition("#")
            program, *arguments = shlex.split(command)
            assert program == "bronze"
            ran = bronze(*arguments)
            assert ran.status == STATUS[code.strip()], (line, ran.err)
            outputs[command.strip()] = ran.out
    shown = outputs["bronze show myteam.orders --date 2025-01-02 --rows 3 --columns id,price"]
    assert shown.splitlines()[-4:] == ["id  price", "4   8", "5   10", "6   12"]
    data = outputs["bronze diff myteam.orders --date 2025-01-01 --date 2025-01-02 --data"]
    assert "only 2025-01-01  3 keys" in data
    history = outputs["bronze history myteam.orders"]
    assert history.splitlines()[1].split()[4:6] == ["committed,", "override"]


def test_links_lead_somewhere() -> None:
    for link in STATE.links():
        name, _, anchor = link.partition("#")
        assert not name or (Path(STATE.path).parent / name).is_file()
        assert not anchor or name or anchor in STATE.anchors()


def test_lines_are_no_longer_than_elsewhere() -> None:
    assert max(map(len, STATE.text.splitlines())) <= 140
