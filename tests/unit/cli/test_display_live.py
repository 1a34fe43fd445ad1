"""The display as a task beside the work: it never harms a run, and takes itself back."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from rich.console import Console

from bronze_engine.cli.display.live import FRAME_SECONDS, LiveTable
from bronze_engine.cli.display.picture import Picture
from bronze_engine.cli.display.terminal import takes_tables
from bronze_engine.engine import Engine
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import RunPhase, RunStarted
from bronze_engine.telemetry.log import setup_logging
from bronze_engine.testing import ManualClock, ScriptedSource
from tests.unit.cli.told import DAY, finished
from tests.unit.run.harness import NAME, config_of, opened

pytestmark = pytest.mark.unit

SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"


class Bench:
    """A display on a terminal that is a string, over an engine that does nothing."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.folder = folder
        self.file = io.StringIO()
        self.console = Console(file=self.file, force_terminal=True, width=80, height=20)
        self.write: Callable[[str], None] | None = None
        self.display = LiveTable(self.clock, self.console, self.divert)

    @contextmanager
    def divert(self, write: Callable[[str], None]) -> Iterator[None]:
        self.write = write
        try:
            yield
        finally:
            self.write = None

    @asynccontextmanager
    async def showing(self) -> AsyncIterator[Engine]:
        async with (
            opened(
                config_of(folder=self.folder),
                ScriptedSource([]),
                store=MemoryStore(self.clock),
                clock=self.clock,
            ) as engine,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(self.display.show, engine)
            yield engine
            tasks.cancel_scope.cancel()

    def begin(self) -> None:
        self.display(RunStarted(pipeline=NAME, run_date=DAY, run="r"))
        self.display(RunPhase(pipeline=NAME, run="r", phase="reading"))

    async def frame(self) -> str:
        """What the next frame writes."""
        before = len(self.file.getvalue())
        await self.clock.drive(self.clock.sleep(FRAME_SECONDS))
        await self.clock.settle()
        return self.file.getvalue()[before:]


@pytest.mark.asyncio
async def test_nothing_is_drawn_before_a_run_begins(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.showing():
        for _ in range(3):
            assert await bench.frame() == ""
        assert bench.write is None, "the log goes where it always does"
        bench.begin()
        frame = await bench.frame()
        assert HIDE in frame
        assert "team.orders  " in frame
    assert bench.file.getvalue()[len(frame) :].count(SHOW) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("taken", "pause"), [(0.0, FRAME_SECONDS), (0.002, FRAME_SECONDS), (0.01, 1.0), (0.5, 2.0)]
)
async def test_frames_that_cost_more_are_drawn_less_often(
    taken: float, pause: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    drawn: list[float] = []

    def draw(_: LiveTable) -> None:
        drawn.append(bench.clock.monotonic())
        bench.clock._elapsed += taken

    monkeypatch.setattr(LiveTable, "_draw", draw)
    async with bench.showing():
        bench.begin()
        for _ in range(100):
            await bench.clock.drive(bench.clock.sleep(0.1))
            await bench.clock.settle()
    gaps = [after - before for before, after in pairwise(drawn)]
    assert len(gaps) >= 3
    assert max(gaps) == pytest.approx(pause + taken, abs=0.11)


@pytest.mark.asyncio
async def test_lines_of_the_log_are_written_above_with_the_next_frame(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.showing():
        bench.begin()
        await bench.frame()
        assert bench.write is not None
        long = "WARNING " + "x" * 200
        bench.write("WARNING one\n")
        bench.write(f"{long}\n")
        frame = await bench.frame()
        assert f"WARNING one\n{long}\n" in frame, "none of them is broken, in whatever width"
        assert frame.index("WARNING one") < frame.index("pipeline")
        assert "WARNING" not in await bench.frame()
        bench.write("WARNING last\n")
    end = bench.file.getvalue()
    assert end.endswith("WARNING last\n")
    assert bench.write is None


@pytest.mark.asyncio
async def test_that_it_stops_is_said_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.showing():
        bench.display.stopping()
        assert bench.file.getvalue() == "", "where nothing is shown there is nothing to add"
        bench.begin()
        assert "stopping: press Ctrl-C again" in await bench.frame()
    bench = Bench(tmp_path)
    async with bench.showing():
        bench.begin()
        assert "stopping" not in await bench.frame()
        bench.display.stopping()
        assert "stopping: press Ctrl-C again" in bench.file.getvalue()


@pytest.mark.asyncio
async def test_a_display_that_fails_harms_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("bronze_engine.cli.display.frame.Frame.lines", broken)
    async with bench.showing():
        bench.begin()
        await bench.frame()
        bench.display(finished(NAME, run="r"))
        await bench.clock.settle()
    assert "the display failed, and the runs go on without it" in caplog.text
    assert bench.write is None
    assert SHOW in bench.file.getvalue()


@pytest.mark.asyncio
async def test_a_terminal_that_is_gone_ends_the_display_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path)
    async with bench.showing():
        bench.begin()
        await bench.frame()
        bench.file.close()
        await bench.clock.drive(bench.clock.sleep(FRAME_SECONDS))
        await bench.clock.settle()
        assert bench.write is None
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.asyncio
async def test_a_narrower_terminal_takes_back_what_it_has_broken(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.showing():
        bench.begin()
        wide = await bench.frame()
        lengths = [len(line) for line in _visible(wide).split("\n")]
        bench.console.width = 30
        narrow = await bench.frame()
        # Those below the first, once more for each line that one was broken into.
        broken = sum((length - 1) // 30 for length in lengths)
        assert broken > 0
        assert narrow.count("\x1b[1A") == broken + len(lengths) - 1
        bench.console.width = 80
        assert (await bench.frame()).count("\x1b[1A") == len(lengths) - 1


def _visible(text: str) -> str:
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]|\r", "", text)


@pytest.mark.asyncio
async def test_a_picture_is_of_the_moment_when_a_third_is_done(tmp_path: Path) -> None:
    clock = ManualClock()
    picture = Picture(clock)
    async with opened(
        config_of(folder=tmp_path), ScriptedSource([]), store=MemoryStore(clock), clock=clock
    ) as engine:
        for name in ("a.x", "b.x", "c.x", "d.x", "e.x", "f.x"):
            picture(RunStarted(pipeline=name, run_date=DAY, run=name))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(picture.watch, engine)
            await clock.drive(clock.sleep(3))
            picture(finished("a.x", rows=12))
            await clock.drive(clock.sleep(3))
            picture(finished("b.x", status="failed", code="EXT001"))
            await clock.drive(clock.sleep(3))
    svg = picture.svg().replace("&#160;", " ")
    assert svg.startswith("<svg ")
    assert "failed EXT001" in svg
    assert "1 of 6 committed, 1 failed, 4 under way" in svg
    assert "elapsed 0:06" in svg
    assert "http" not in svg.replace("http://www.w3.org/", "").replace(
        "https://www.textualize.io", ""
    ), "it asks no other site for anything"


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "takes"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_which_terminals_take_tables(environ: dict[str, str], takes: bool) -> None:
    assert takes_tables(_Tty(), environ) is takes
    assert not takes_tables(io.StringIO(), environ)


def test_the_log_gives_its_lines_away_and_takes_them_back(tmp_path: Path) -> None:
    stream = io.StringIO()
    taken: list[str] = []
    logger = logging.getLogger("bronze_engine.test")
    with setup_logging(
        level="DEBUG",
        log_file=tmp_path / "log",
        secrets=["hush"],
        clock=ManualClock(),
        stream=stream,
    ) as logs:
        with logs.diverted(taken.append, level=logging.WARNING, without=["bronze_engine.often"]):
            logging.getLogger("bronze_engine.often").warning("for the file")
            logger.info("for the file")
            logger.warning("of hush\nand more")
        logging.getLogger("bronze_engine.often").info("back")
    assert taken == ["2025-01-15 00:00:00.000 WARNING of ***\n  | and more\n"]
    assert stream.getvalue() == "2025-01-15 00:00:00.000 INFO back\n"
    assert len((tmp_path / "log").read_text().splitlines()) == 4
