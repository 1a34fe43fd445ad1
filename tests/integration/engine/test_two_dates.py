"""Two processes on two dates of one chain: the first stands still until its lease has run out."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from bronze_engine import load_config, open_engine, open_partition
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.publish import lease
from bronze_engine.testing import ScriptedSource, page

pytestmark = pytest.mark.integration

NAME = "team.orders"
FIRST, SECOND = date(2025, 1, 15), date(2025, 1, 16)
FENCED = f"lake/team/orders/dt={FIRST}/_metadata.json"
LEASE_SECONDS = 0.3

CONFIG = """
[engine]
target = "lake"
log_dir = ""
[apis.shop]
base_url = "http://127.0.0.1:9"
[pipelines.team.orders]
load = "incremental"
[pipelines.team.orders.source]
type = "http"
api = "shop"
path = "/orders"
[pipelines.team.orders.incremental]
cursor = "seq"
cursor_type = "integer"
initial = "0"
"""

STOPPING = f"""\
import asyncio, os, signal, sys
from datetime import date
from bronze_engine import BronzeError, load_config, open_engine
from bronze_engine.publish import lease
from bronze_engine.testing import ScriptedSource, page

lease.LEASE_SECONDS = {LEASE_SECONDS}
lease.RENEW_SECONDS = {LEASE_SECONDS / 3}

def script(request):
    os.kill(os.getpid(), signal.SIGSTOP)
    return [[page(1, *({{"seq": seq}} for seq in range(1, 4)))]]

async def land():
    config = load_config("pipelines.toml", environ={{}})
    async with open_engine(config, sources={{"http": ScriptedSource(script)}}) as engine:
        try:
            await engine.run("team.orders", run_date=date(2025, 1, 15))
        except BronzeError as exc:
            print(exc)
            return exc.exit_code
    return 0

sys.exit(asyncio.run(land()))
"""
"""A run of the first date whose process stops once its window is planned."""


async def land(folder: Path, day: date, rows: int) -> None:
    source = ScriptedSource(
        lambda request: [
            [page(1, *({"seq": seq} for seq in range(int(request.low or 0) + 1, rows + 1)))]
        ]
    )
    config = load_config(folder / "pipelines.toml", environ={})
    async with open_engine(config, sources={"http": source}) as engine:
        await engine.run(NAME, run_date=day, wait_seconds=20)


def seqs(folder: Path, day: date) -> list[int]:
    return [row["seq"] for row in open_partition(folder / "lake", NAME, day).to_table().to_pylist()]


def test_of_two_processes_on_two_dates_the_one_that_stood_still_commits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", LEASE_SECONDS)
    (tmp_path / "pipelines.toml").write_text(CONFIG)
    first = subprocess.Popen(
        [sys.executable, "-c", STOPPING], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        _, status = os.waitpid(first.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        asyncio.run(land(tmp_path, SECOND, rows=5))
        assert seqs(tmp_path, SECOND) == [1, 2, 3, 4, 5]
        os.kill(first.pid, signal.SIGCONT)
        out, _ = first.communicate(timeout=60)
    finally:
        first.kill()
    assert first.returncode == 7, out
    assert "nothing of this run was published" in out
    assert seqs(tmp_path, SECOND) == [1, 2, 3, 4, 5]
    void = decode_manifest((tmp_path / FENCED).read_bytes(), FENCED)
    assert (void.status, void.files) == ("void", ())
    asyncio.run(land(tmp_path, FIRST, rows=5))  # it ends where the second begins: with nothing
    assert seqs(tmp_path, FIRST) == []
