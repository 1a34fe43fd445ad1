"""A run that a signal ends keeps what it has landed, and the next command goes on from there."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from datetime import datetime, timedelta
from typing import final

import pytest

from tests.documents import Document
from tests.integration.cli.command import (
    DATE,
    PARTITION,
    PIPELINE,
    Bronze,
    hidden,
    in_background,
    start,
    tree,
    url_of,
)
from tests.integration.http_server import Seen, answer

pytestmark = pytest.mark.integration

TIME = Document("docs/time.md")
WINDOWS = 24
STOPS_AT = 5
CHECKPOINT = f"lake/_state/team/orders.dt={DATE}.checkpoint"

CONFIG = """
[engine]
target = "lake"
log_dir = ""
[apis.shop]
base_url = "http://127.0.0.1:1"
proxy = "none"
[pipelines.team.orders]
load = "incremental"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
[pipelines.team.orders.incremental]
cursor = "at"
window = "date"
step = "1h"
steps_per_slice = 1
start_param = "since"
end_param = "until"
"""


@final
class Windows:
    """An API of one row a window, which at first leaves the sixth without an answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_slow = True

    async def __call__(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        since = seen.query["since"]
        self.asked.append(since)
        if self.is_slow and len(self.asked) > STOPS_AT:
            await asyncio.Event().wait()
        at = datetime.fromisoformat(since) + timedelta(minutes=10)
        return answer([{"id": at.hour, "at": at.isoformat(), "updated_at": at.isoformat()}])


def test_sigterm_keeps_what_was_landed(bronze: Bronze) -> None:
    folder, api = bronze.folder, Windows()
    (folder / "pipelines.toml").write_text(CONFIG)
    run = ("run", PIPELINE, "--date", DATE, "--json")
    with in_background(api) as server:
        process = start(["-m", "bronze_engine", *run, *url_of(server)], folder)
        deadline = time.monotonic() + 60
        while len(api.asked) <= STOPS_AT:
            assert time.monotonic() < deadline
            time.sleep(0.01)  # noqa: TID251  # another process's doing
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 143
        assert json.loads(out)["status"] == "cancelled"
        visible = [path for path in tree(folder / "lake") if "/." not in f"/{path}"]
        assert not [path for path in visible if path.startswith("team/")]
        assert not [path for path in hidden(folder) if path.endswith((".lease", ".lock"))]
        assert (folder / CHECKPOINT).exists()
        assert len(list((folder / PARTITION).iterdir())) == STOPS_AT

        plan = bronze.well(*run, "--dry-run", *url_of(server)).json
        assert plan["slices"] == ["24 steps, 64 side by side, 1 a slice"]
        assert f"was broken off with {STOPS_AT} slices landed" in plan["notes"][-1]
        looked = bronze.well("gc", PIPELINE, "--delete", "--json").json
        assert looked["garbage"] == []
        api.is_slow = False
        asked = len(api.asked)
        ran = bronze.well(*run, *url_of(server))
        assert len(api.asked) - asked == WINDOWS - STOPS_AT
        assert ran.json["resumed_slices"] == STOPS_AT
        assert ran.json["rows"] == WINDOWS
        assert f"is resumed from slice {STOPS_AT} (at 2025-01-15T05:00:00Z to" in ran.err
        assert f"; {STOPS_AT} rows kept" in ran.err
        assert hidden(folder) == []
        assert not (folder / CHECKPOINT).exists()


def test_the_guides_example_lands_in_slices_of_an_hour(
    bronze: Bronze, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Windows()
    api.is_slow = False
    (bronze.folder / "pipelines.toml").write_text("\n".join(TIME.blocks("toml")))
    with in_background(api) as server:
        monkeypatch.setenv("SHOP_URL", server.url)
        report = bronze.well("run", "myteam.events", "--date", DATE, "--json").json
    assert len(api.asked) == 96
    assert report["files"] == 24


def test_no_resume_starts_afresh(bronze: Bronze) -> None:
    api = Windows()
    api.is_slow = False
    (bronze.folder / "pipelines.toml").write_text(CONFIG)
    run = ("run", PIPELINE, "--date", DATE)

    async def breaks(seen: Seen, writer: asyncio.StreamWriter) -> bytes:
        if len(api.asked) == STOPS_AT:
            return answer({"error": "gone"}, status=410)
        return await api(seen, writer)

    with in_background(breaks) as server:
        assert bronze(*run, *url_of(server)).status == 4
    with in_background(api) as server:
        ran = bronze.well(*run, "--no-resume", "--json", *url_of(server))
        assert ran.json["resumed_slices"] == 0
        assert len(api.asked) == STOPS_AT + WINDOWS
        assert "starts afresh: it was told not to resume" in ran.err
    assert hidden(bronze.folder) == []
