"""A command as a real process: what it is given, what it is not, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK, Clock
from bronze_engine.config.notify import CommandNotify
from bronze_engine.config.units import Duration, Secret
from bronze_engine.errors import ConfigError, ExtractError
from bronze_engine.notify.command import Command
from bronze_engine.notify.message import message_of_runs
from bronze_engine.testing.clock import ManualClock
from tests.unit.telemetry.reports import failed, report_of

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

TELL = """
import json, os, pathlib, sys
told = {"message": json.load(sys.stdin), "environment": dict(os.environ), "arguments": sys.argv[1:]}
pathlib.Path("told.json").write_text(json.dumps(told))
"""


def command(
    folder: Path,
    code: str,
    *arguments: str,
    secrets: frozenset[str] = frozenset(),
    clock: Clock = SYSTEM_CLOCK,
    **options: Any,
) -> Command:
    config = CommandNotify(name="tool", command=(sys.executable, "-c", code, *arguments), **options)
    variables = {"PATH": os.environ["PATH"], "SHOP_TOKEN": "CANARY-token", "HOME": str(folder)}
    return Command(config, clock, folder, lambda: secrets, variables)


async def test_it_gets_the_message_on_stdin_and_few_variables(tmp_path: Path) -> None:
    tool = command(
        tmp_path,
        TELL,
        "$HOME; rm -rf /",
        env={"KEY": Secret("its-own-key")},
        secrets=frozenset({"CANARY-token"}),
    )
    await tool.send(message_of_runs([failed(error="AUTH001 CANARY-token\nwas refused")]))
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["arguments"] == ["$HOME; rm -rf /"]
    assert told["message"]["report"]["error"] == "AUTH001 ***\nwas refused"
    environment = told["environment"]
    assert environment["BRONZE_PIPELINE"] == "team.orders"
    assert environment["BRONZE_RUN_DATE"] == "2025-01-15"
    assert environment["BRONZE_STATUS"] == "failed"
    assert environment["BRONZE_CODE"] == "AUTH001"
    assert environment["BRONZE_ERROR"] == "AUTH001 *** was refused"
    assert environment["KEY"] == "its-own-key"
    assert environment["HOME"] == str(tmp_path)
    assert "SHOP_TOKEN" not in environment
    assert "CANARY" not in json.dumps(told)


async def test_what_it_says_is_in_the_log_at_debug(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="bronze_engine"):
        await command(tmp_path, "print('sent'); import sys; print('well', file=sys.stderr)").send(
            message_of_runs([report_of()])
        )
    lines = [record for record in caplog.records if "notify.tool" in record.message]
    assert sorted(record.message.rpartition(": ")[2] for record in lines) == ["sent", "well"]
    assert {record.levelno for record in lines} == {logging.DEBUG}


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
async def test_one_that_fails_says_so(tmp_path: Path, code: str) -> None:
    tool = command(tmp_path, code, attempts=1)
    with pytest.raises(ExtractError, match=r"failed 1 times, at last with status (3|-9); -v logs"):
        await tool.send(message_of_runs([report_of()]))


FAILS_TWICE = """
import pathlib, sys
tries = pathlib.Path("tries")
count = len(tries.read_text()) if tries.exists() else 0
tries.write_text("x" * (count + 1))
sys.exit(count < 2)
"""


async def test_one_that_fails_twice_is_run_a_third_time(tmp_path: Path) -> None:
    clock = ManualClock()
    tool = command(tmp_path, FAILS_TWICE, clock=clock)
    sending = asyncio.create_task(tool.send(message_of_runs([report_of()])))
    while not sending.done():
        await asyncio.sleep(0.02)  # noqa: TID251  # a real process ends
        if any(waiting.kind == "sleep" for waiting in clock.waiting):
            await clock.step()
    await sending
    assert (tmp_path / "tries").read_text() == "xxx"
    assert clock.monotonic() == pytest.approx(0.5 + 1.0)


async def test_one_that_is_not_there_says_so(tmp_path: Path) -> None:
    config = CommandNotify(name="tool", command=(str(tmp_path / "none"),))
    tool = Command(config, SYSTEM_CLOCK, tmp_path, frozenset, {})
    with pytest.raises(ConfigError, match=r"tool: none can't be started \(No such file"):
        await tool.send(message_of_runs([report_of()]))


HANG = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid}")
time.sleep(600)
"""


def is_gone(pid: int) -> bool:
    """Also of a zombie, whose parent is the init of a container that reaps late."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(") ")[2][0] == "Z"


async def pids_in(folder: Path) -> list[int]:
    """Of the command and its child, once both run."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        file = folder / "pids"
        if file.exists() and (text := file.read_text()):
            return [int(pid) for pid in text.split()]
        await asyncio.sleep(0.02)  # noqa: TID251  # a real process starts
    raise AssertionError("it never started")


async def gone(pids: list[int]) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if all(map(is_gone, pids)):
            return True
        await asyncio.sleep(0.02)  # noqa: TID251
    return False


async def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    tool = command(tmp_path, HANG, timeout=Duration(2))
    sending = asyncio.create_task(tool.send(message_of_runs([report_of()])))
    pids = await pids_in(tmp_path)
    with pytest.raises(ExtractError, match=r"was killed after 2 s; raise notify\.tool\.timeout"):
        await sending
    assert await gone(pids)


async def test_cancelled_it_leaves_no_process(tmp_path: Path) -> None:
    tool = command(tmp_path, HANG)
    sending = asyncio.create_task(tool.send(message_of_runs([report_of()])))
    pids = await pids_in(tmp_path)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await gone(pids)


async def test_one_that_reads_nothing_and_says_much_ends_all_the_same(tmp_path: Path) -> None:
    tool = command(tmp_path, "print('x' * 5_000_000)", timeout=Duration(30))
    await tool.send(message_of_runs([report_of(warnings=("w" * 1_000_000,))]))
