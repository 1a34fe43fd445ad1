"""The display on real terminals: the table, the log above it, Ctrl-C once and twice."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from tests.integration.cli.command import (
    DATE,
    PARTITION,
    PIPELINE,
    Bronze,
    hidden,
    in_background,
    shop,
    start,
    url_of,
)
from tests.integration.cli.terminal import Screen, Terminal
from tests.integration.cli.test_signals import PLANTED
from tests.integration.http_server import Seen, Server, answer

pytestmark = pytest.mark.integration

RUN = ["-m", "bronze_engine", "run", PIPELINE, "--date", DATE]
BATCH = ["-m", "bronze_engine", "batch", "--date", DATE]

SECOND = """
[pipelines.team.items]
source = { type = "http", api = "shop", path = "/items", paginator = { type = "page" } }
"""


class Gate:
    """Serves two pages and then waits for `open`, page 3 of /x fails once before."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self._has_failed = False

    async def handle(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        page = int(seen.query.get("page", 1))
        if page == 3 and not self._has_failed:
            self._has_failed = True
            return answer({"error": "busy"}, status=503)
        while page >= 3 and not self.open.is_set():
            await SYSTEM_CLOCK.sleep(0.02)
        return answer([{"id": page}] if page < 4 else [])


@contextmanager
def gated() -> Iterator[tuple[Gate, Server]]:
    gate = Gate()
    with in_background(gate.handle) as server:
        try:
            yield gate, server
        finally:
            gate.open.set()


def shows(*patterns: str) -> Any:
    """Whether there is a line for each of these patterns."""

    def condition(screen: Screen) -> bool:
        return all(any(re.search(each, line) for line in screen.lines) for each in patterns)

    return condition


def test_a_table_is_shown_while_it_runs_and_then_it_is_gone(tmp_path: Path) -> None:
    shop(tmp_path)
    with gated() as (gate, server), Terminal([*RUN, *url_of(server)], tmp_path) as terminal:
        terminal.until(shows(r"^pipeline +state +rows +rows/s +ETA +bytes in +pages +retries"))
        terminal.until(shows(r"^team\.orders +reading +2 .* 2 +1$", r"^memory \d+ of 512 MiB"))
        assert not terminal.screen.has_cursor()
        lines = terminal.screen.lines
        (warning,) = (line for line in lines if " WARNING " in line)
        assert lines.index(warning) < next(
            number for number, line in enumerate(lines) if line.startswith("pipeline")
        )
        assert warning.endswith("for a date"), "a line of the log is whole, however long it is"
        gate.open.set()
        code, out, _ = terminal.end()
    assert code == 0
    assert re.search(r"^rows +3$", out, re.MULTILINE)
    assert terminal.screen.text.splitlines()[-1] == warning, "it is the last that is left"
    assert terminal.screen.has_cursor()


def test_the_files_have_the_lines_that_the_terminal_has_not(tmp_path: Path, bronze: Bronze) -> None:
    shop(tmp_path)
    with gated() as (gate, server):
        gate.open.set()
        with Terminal([*RUN, *url_of(server)], tmp_path) as terminal:
            assert terminal.end()[0] == 0
        assert " INFO " not in terminal.written
        assert "status 503" not in terminal.written, "the table counts retries"
        with Terminal([*RUN, *url_of(server), "-v"], tmp_path) as terminal:
            assert terminal.end()[0] == 0
        assert re.search(r" INFO .* committed generation 2 with 3 rows", terminal.screen.text)
    assert "committed generation 1 with 3 rows" in bronze.log()
    assert "status 503" in bronze.log()


def test_a_batch_has_a_row_a_pipeline_and_a_total(tmp_path: Path) -> None:
    shop(tmp_path, SECOND)
    with gated() as (gate, server), Terminal([*BATCH, *url_of(server)], tmp_path) as terminal:
        terminal.until(
            shows(
                r"^team\.items +reading +2 ",
                r"^team\.orders +reading +2 ",
                r"^total +4 ",
                r"^0 of 2 committed, 2 under way$",
            )
        )
        terminal.resize(44, 30)
        terminal.until(shows(r"^pipeline +state +rows$"))
        gate.open.set()
        code, out, _ = terminal.end()
    assert code == 0
    assert "2 of 2 runs, 6 rows" in out
    assert all(" WARNING " in line for line in terminal.screen.lines if line)


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        (["--json-log"], {}),
        ([], {"TERM": "dumb"}),
        ([], {"CI": "true"}),
    ],
)
def test_terminals_that_take_no_table_get_lines(
    options: list[str], environ: dict[str, str], tmp_path: Path
) -> None:
    shop(tmp_path)
    with gated() as (gate, server):
        gate.open.set()
        with Terminal([*RUN, *url_of(server), *options], tmp_path, environ=environ) as terminal:
            assert terminal.end()[0] == 0
    assert "committed generation 1 with 3 rows" in terminal.written
    assert "\x1b" not in terminal.written


def test_the_terminal_is_as_wide_as_it_is_whatever_variables_say(tmp_path: Path) -> None:
    shop(tmp_path)
    environ = {"COLUMNS": "200", "LINES": "5", "TTY_INTERACTIVE": "0", "TTY_COMPATIBLE": "0"}
    with (
        gated() as (gate, server),
        Terminal([*RUN, *url_of(server)], tmp_path, columns=60, environ=environ) as terminal,
    ):
        terminal.until(shows(r"^pipeline +state +rows +rows/s +ETA$"))
        gate.open.set()
        assert terminal.end()[0] == 0
    assert "pipeline" not in terminal.screen.text


def test_no_color_is_respected(tmp_path: Path) -> None:
    shop(tmp_path)
    with (
        gated() as (gate, server),
        Terminal([*RUN, *url_of(server)], tmp_path, environ={"NO_COLOR": "1"}) as terminal,
    ):
        terminal.until(shows(r"^team\.orders +reading +2 "))
        gate.open.set()
        assert terminal.end()[0] == 0
    assert not re.search(r"\x1b\[[\d;]*3\d[\d;]*m", terminal.written)


def test_without_a_terminal_no_code_is_written(tmp_path: Path) -> None:
    shop(tmp_path)
    with gated() as (gate, server):
        gate.open.set()
        process = start([*RUN, *url_of(server)], tmp_path)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "committed generation 1 with 3 rows" in err
    assert "\x1b" not in err


def test_what_only_looks_shows_no_table(tmp_path: Path) -> None:
    shop(tmp_path)
    command = ["-m", "bronze_engine", "history", PIPELINE]
    with Terminal(command, tmp_path) as terminal:
        assert terminal.end()[0] == 0
    assert terminal.written == ""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_stops_a_batch_and_its_report_comes(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    shop(tmp_path, SECOND)
    with (
        gated() as (_, server),
        Terminal([*BATCH, "--json", *url_of(server)], tmp_path) as terminal,
    ):
        terminal.until(shows(r"^team\.items +reading +2 ", r"^team\.orders +reading +2 "))
        pressed = terminal.press_ctrl_c() if number == signal.SIGINT else terminal.send(number)
        code, out, seconds = terminal.end(pressed)
    assert code == status
    assert seconds < 5
    assert {run["status"] for run in json.loads(out)["runs"]} == {"left"}
    assert f"WARNING {number.name}: stopping" in terminal.screen.text
    assert "pipeline" not in terminal.screen.text
    assert terminal.screen.has_cursor()
    assert hidden(tmp_path / "lake") == []


def test_a_terminal_that_closes_stops_the_run_and_nothing_is_left(tmp_path: Path) -> None:
    """The shell on it sends a second SIGHUP, which must not cut the cleaning up short."""
    shop(tmp_path)
    small = ["--set", "output.row_group_rows=1", "--set", "output.max_rows_per_file=1"]
    with (
        gated() as (_, server),
        Terminal([*RUN, *small, *url_of(server)], tmp_path) as terminal,
    ):
        terminal.until(shows(r"^team\.orders +reading +2 "))
        assert hidden(tmp_path / "lake"), "its lease at the least"
        terminal.close()
        terminal.send(signal.SIGHUP)
        assert terminal.process.wait(60) == 129
    assert hidden(tmp_path / "lake") == []
    (report,) = (tmp_path / "lake/_runs").rglob("*.json")
    assert json.loads(report.read_bytes())["status"] == "cancelled"
    (log_file,) = (tmp_path / "logs").iterdir()
    assert "WARNING SIGHUP: stopping; what was committed stays as it is" in log_file.read_text()


def test_the_display_says_that_it_stops_and_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    shop(tmp_path)
    with gated() as (gate, server):
        gate.open.set()
        script = PLANTED.format(
            name="publish",
            wait="await SYSTEM_CLOCK.sleep(60)",
            arguments=[*RUN[2:], *url_of(server)],
        )
        with Terminal(["-c", script], tmp_path) as terminal:
            terminal.until(shows(r"^team\.orders +publishing "))
            terminal.press_ctrl_c()
            terminal.until(
                shows(r"WARNING SIGINT: stopping", r"^stopping: press Ctrl-C again to stop at once")
            )
            assert not terminal.screen.has_cursor()
            code, out, seconds = terminal.end(terminal.press_ctrl_c())
    assert (code, out) == (130, "")
    assert seconds < 5
    assert not list((tmp_path / "lake/_runs").rglob("*.json")), "it had time for a report"
    assert terminal.screen.has_cursor()
    assert terminal.written.rstrip().endswith("\x1b[?25h")
    assert terminal.screen.lines[-1] == "", "the shell's prompt has a line of its own"
    assert not (tmp_path / PARTITION / "_metadata.json").exists()
