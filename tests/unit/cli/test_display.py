"""The table of the runs under way, as it looks at several widths."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from bronze_engine.cli.display.board import Board
from bronze_engine.cli.display.frame import STOPPING, Frame
from bronze_engine.engine import EngineStatistics
from bronze_engine.limits.breaker import BreakerState
from bronze_engine.limits.registry import GroupStatistics
from bronze_engine.model.batch import BatchRun
from bronze_engine.telemetry.events import (
    BackfillStarted,
    BatchRunEnded,
    BatchStarted,
    Event,
    PageFetched,
    RequestRetried,
    RowsWritten,
    RunPhase,
    RunRenamed,
    RunStarted,
)
from bronze_engine.testing import ManualClock
from tests.unit.cli.told import DAY, finished

pytestmark = pytest.mark.unit

WIDTHS = (60, 80, 120, 160)
COLUMNS = {
    60: "pipeline state rows rows/s",
    80: "pipeline state rows rows/s ETA bytes-in",
    120: "pipeline state rows rows/s ETA bytes-in pages retries breaker",
    160: "pipeline state rows rows/s ETA bytes-in pages retries in-flight tokens breaker",
}


def group(
    *, breaker: BreakerState = "closed", tokens: float | None = 4.5, paused: float = 0.0
) -> GroupStatistics:
    return GroupStatistics(
        group="shop",
        component="ApiExtractor",
        tokens=tokens,
        in_flight=7,
        limit=16,
        waiting=3,
        breaker=breaker,
        paused_seconds=paused,
    )


class Screen:
    """A board that is told things, on a clock of its own, and what a terminal shows of it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.board = Board(self.clock)
        self.group_of: Callable[[str], GroupStatistics | None] = lambda _: group()

    def tell(self, *events: Event) -> None:
        for event in events:
            self.board(event)

    def begin(self, name: str, *, day: str = DAY, run: str | None = None) -> None:
        run = run or name
        self.tell(
            RunStarted(pipeline=name, run_date=day, run=run),
            RunPhase(pipeline=name, run=run, phase="reading"),
        )

    def batch(self, *names: str, days: tuple[str, ...] = (DAY,)) -> None:
        runs = tuple((name, date.fromisoformat(day)) for day in days for name in names)
        self.tell(BatchStarted(batch="b", runs=runs))

    def page(self, run: str, records: int = 1000, total: int | None = None) -> None:
        self.tell(
            PageFetched(
                pipeline=run,
                run=run,
                page=1,
                records=records,
                bytes_in=300 * records,
                total_records=total,
            )
        )

    async def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            await self.clock.drive(self.clock.sleep(0.25))
            self.board.sample()

    def lines(self, width: int = 160, height: int = 40, *, is_stopping: bool = False) -> list[str]:
        statistics = EngineStatistics(
            running=1,
            waiting=0,
            memory_limit_bytes=512 * 1024**2,
            reserved_bytes=100 * 1024**2,
            pooled_bytes=20 * 1024**2,
            limit_groups=(group(),),
        )
        frame = Frame(
            board=self.board,
            statistics=statistics,
            group_of=self.group_of,
            is_stopping=is_stopping,
        )
        # As Drawn does: the last column and the last line are left free.
        lines = ["".join(each.text for each in line) for line in frame.lines(width - 1, height - 1)]
        assert all(len(line) < width for line in lines)
        assert len(lines) < height
        return lines

    def table(self, width: int = 160, height: int = 40) -> dict[str, dict[str, str]]:
        """The cells by name and title; titles and numbers end in the same place."""
        head, *lines = self.lines(width, height)
        ends = {match[0].strip(): match.end() for match in re.finditer(r"\S+( \S+)?", head)}
        ends["pipeline"] = head.index("state") - 2
        ends["state"] = head.index("rows") - 2 - 9 + len("rows")
        found: dict[str, dict[str, str]] = {}
        for line in lines:
            begin, cells = 0, {}
            for title, end in ends.items():
                cells[title] = line[begin:end].strip()
                begin = end
            found[cells.pop("pipeline")] = cells
        return found


def busy() -> Screen:
    """Twelve of 1,000 runs under way; numbers as long as they get."""
    screen = Screen()
    screen.batch(*(f"team.pipeline_{number:03}" for number in range(1000)))
    for number in range(12):
        name = f"team.pipeline_{number:03}"
        screen.begin(name)
        screen.page(name, 9_876_543, total=90_000_000)
    for number in range(12, 20):
        name = f"team.pipeline_{number:03}"
        screen.begin(name)
        screen.tell(finished(name, rows=123_456, pages=12_345, retries=123, bytes_in=10**9))
    for number in (20, 21):
        name = f"team.pipeline_{number:03}"
        screen.begin(name)
        screen.tell(finished(name, status="failed", code="RETRY001"))
    return screen


@pytest.mark.parametrize("width", WIDTHS)
def test_columns_are_left_out_by_what_they_matter(width: int) -> None:
    head = busy().lines(width)[0]
    for title in ("bytes in", "in flight"):
        head = head.replace(title, title.replace(" ", "-"))
    assert " ".join(head.split()) == COLUMNS[width]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.asyncio
async def test_no_number_is_cut_at_any_width(width: int) -> None:
    screen = busy()
    await screen.wait(1)
    for number in range(12):
        screen.page(f"team.pipeline_{number:03}", 999_999)
    await screen.wait(1)
    cells = screen.table(width)["team.pipeline_000"]
    whole = screen.table(160)["team.pipeline_000"]
    assert cells.items() <= whole.items()
    assert whole == {
        "state": "reading",
        "rows": "10.9M",
        "rows/s": "571,428",
        "ETA": "2:18",
        "bytes in": "3.0 GiB",
        "pages": "2",
        "retries": "0",
        "in flight": "7/16",
        "tokens": "4.5",
        "breaker": "closed",
    }
    assert not any("…" in line for line in screen.lines(width) if line[:2] != "… ")


def test_no_size_is_too_small() -> None:
    screen = busy()
    screen.batch("a" * 300, days=("2025-01-01", "2025-01-02"))
    for width in (*range(1, 60), 70, 100, 139, 400):
        for height in (1, 2, 5, 24):
            screen.lines(width, height)
    assert len(screen.lines(160, 3000)) == 1002 + 3
    assert Screen().lines(160, 24) == []


def test_long_names_are_shortened_in_the_middle_where_columns_need_the_room() -> None:
    screen = Screen()
    name = "warehouse.customer_addresses_history_of_germany"
    screen.batch(name, "b.x")
    screen.begin(name)
    assert name in screen.lines(160)[1]
    row = screen.lines(80)[1]
    assert re.match(r"warehouse\.…of_germany  reading ", row)
    assert screen.lines(80)[0].split()[2:] == ["rows", "rows/s", "ETA", "bytes", "in"]


@pytest.mark.asyncio
async def test_the_total_line_adds_everything_up() -> None:
    screen = Screen()
    screen.batch("a.x", "b.x", "c.x", "d.x")
    screen.begin("a.x")
    screen.begin("b.x")
    screen.page("a.x", 1000)
    await screen.wait(2)
    screen.page("a.x", 3000)
    screen.page("b.x", 2000)
    screen.tell(
        RequestRetried(group="shop", pipeline="b.x", attempt=1, wait_seconds=1.0, reason="r"),
        RequestRetried(group="lake", attempt=1, wait_seconds=1.0, reason="r"),
    )
    await screen.wait(2)
    screen.tell(finished("a.x", rows=4000, pages=2, bytes_in=4000))
    screen.begin("c.x")
    screen.tell(finished("c.x", status="failed", code="EXT001"))
    table = screen.table()
    assert table["total"] == {
        "state": "",
        "rows": "6,000",
        "rows/s": "1,333",  # 5,000 since the first sample, 3.75 s ago
        "ETA": "",
        "bytes in": "589.8 KiB",
        "pages": "3",
        "retries": "2",
        "in flight": "",
        "tokens": "",
        "breaker": "",
    }
    assert table["b.x"]["retries"] == "1"
    assert screen.lines(160)[-1] == (
        "1 of 4 committed, 1 failed, 1 under way, 1 waiting · memory 120 of 512 MiB · elapsed 0:04"
    )
    assert screen.lines(80)[-2:] == [
        "1 of 4 committed, 1 failed, 1 under way, 1 waiting",
        "memory 120 of 512 MiB · elapsed 0:04",
    ]
    assert screen.lines(40)[-3:-1] == ["1 of 4 committed, 1 failed,", "1 under way, 1 waiting"]


@pytest.mark.parametrize(
    ("height", "rows", "rest"),
    [
        (6, 1, "… 2 failed, 11 under way, 978 waiting, 8 committed"),
        (16, 11, "… 2 failed, 1 under way, 978 waiting, 8 committed"),
        (18, 13, "… 1 failed, 978 waiting, 8 committed"),
        (24, 19, "… 978 waiting, 3 committed"),
        (40, 35, "… 965 waiting"),
    ],
)
def test_what_is_under_way_comes_first_then_what_failed(height: int, rows: int, rest: str) -> None:
    head, *lines = busy().lines(160, height)
    states = [line.split()[1] for line in lines[:rows]]
    order = ["reading"] * 12 + ["failed"] * 2 + ["committed"] * 8 + ["waiting"] * 978
    assert head.startswith("pipeline ")
    assert states == order[:rows]
    assert lines[rows] == rest
    assert lines[rows + 1].startswith("total ")


def test_where_all_fit_they_stand_in_the_order_of_asking() -> None:
    screen = Screen()
    screen.batch("c.x", "a.x", "b.x")
    screen.begin("b.x")
    screen.begin("a.x")
    screen.tell(finished("a.x"))
    assert list(screen.table(80, 24))[:3] == ["c.x", "a.x", "b.x"]
    assert not any(line.startswith("…") for line in screen.lines(80, 24))


def test_states_say_what_holds_a_run_up() -> None:
    screen = Screen()
    names = [f"{letter}.x" for letter in "abcdefghij"]
    screen.batch(*names)
    for name in names[:8]:
        screen.begin(name)
    screen.group_of = {
        "a.x": group(breaker="open"),
        "b.x": group(paused=12.3),
        "c.x": group(breaker="half-open"),
    }.get
    screen.tell(
        RunPhase(pipeline="d.x", run="d.x", phase="waiting for memory"),
        RunPhase(pipeline="e.x", run="e.x", phase="publishing"),
        finished("f.x"),
        finished("g.x", status="failed", code="QUAL001"),
        finished("h.x", status="cancelled"),
        BatchRunEnded(
            batch="b",
            result=BatchRun(
                pipeline="i.x",
                run_date=date.fromisoformat(DAY),
                status="skipped",
                error_code="QUAL001",
            ),
        ),
    )
    states = {
        "a.x": "breaker open",
        "b.x": "paused 0:12",
        "c.x": "breaker half-op",
        "d.x": "needs memory",
        "e.x": "publishing",
        "f.x": "committed",
        "g.x": "failed QUAL001",
        "h.x": "stopped",
        "i.x": "skipped",
        "j.x": "waiting",
    }
    table = screen.table(80)
    assert {name: table[name]["state"] for name in names} == states
    wide = {"c.x": "breaker half-open", "d.x": "waiting for memory"}
    table = screen.table(160)
    assert {name: table[name]["state"] for name in names} == states | wide
    assert "1 of 10 committed, 1 failed, 1 skipped, 1 stopped, 5 under way, 1 waiting" in (
        screen.lines(80)
    )


@pytest.mark.asyncio
async def test_speed_is_smoothed_over_seconds_and_falls_to_nothing() -> None:
    screen = Screen()
    screen.begin("a.x")
    await screen.wait(1)
    speeds: list[str] = []
    for _ in range(10):
        screen.tell(RowsWritten(pipeline="a.x", run="a.x", rows=10_000 * (len(speeds) + 1)))
        await screen.wait(1)
        speeds.append(screen.table()["a.x"]["rows/s"])
    assert speeds[5:] == ["10,000"] * 5, "each second has one group, and none of them shows"
    await screen.wait(6)
    assert screen.table()["a.x"]["rows/s"] == "0"


def test_runs_that_are_done_keep_no_samples() -> None:
    """Of a batch of thousands they would take as much memory as a small one."""
    board = Board(ManualClock())
    board(RunStarted(pipeline="a.x", run_date=DAY, run="a.x"))
    (view,) = board.active
    for seconds in range(3):
        view.sample(float(seconds))
        view.write(10 * seconds)
    assert view.speed.per_second > 0
    board(finished("a.x"))
    assert view.speed.per_second == view.reading.per_second == 0.0


@pytest.mark.asyncio
async def test_the_time_left_is_told_where_the_source_tells_its_total() -> None:
    screen = Screen()
    for name in ("known.x", "unknown.x", "parents.x"):
        screen.begin(name)
        screen.page(name, 0, total=None if name == "unknown.x" else 60_000)
    for number in range(10):
        await screen.wait(1)
        for name in ("known.x", "unknown.x", "parents.x"):
            total = {"unknown.x": None, "parents.x": 100 * number}.get(name, 60_000 + number)
            screen.page(name, 1000, total=total)
    table = screen.table()
    assert table["known.x"]["ETA"] == "0:50"
    assert table["unknown.x"]["ETA"] == ""
    assert table["parents.x"]["ETA"] == "", "totals of chains are none of the run"
    screen.tell(RunPhase(pipeline="known.x", run="known.x", phase="publishing"))
    assert screen.table()["known.x"]["ETA"] == ""


@pytest.mark.asyncio
async def test_what_a_resumed_run_has_already_is_no_speed() -> None:
    screen = Screen()
    screen.begin("a.x", run="new")
    screen.tell(RunRenamed(pipeline="a.x", run_date=DAY, run="old", before="new"))
    await screen.wait(2)
    screen.tell(RowsWritten(pipeline="a.x", run="old", rows=1_000_000))
    await screen.wait(2)
    cells = screen.table()["a.x"]
    assert (cells["rows"], cells["rows/s"]) == ("1,000,000", "0")
    screen.tell(RowsWritten(pipeline="a.x", run="old", rows=1_004_000))
    await screen.wait(2)
    assert 0 < int(screen.table()["a.x"]["rows/s"].replace(",", "")) <= 2000
    screen.tell(finished("a.x", run="old", rows=1_004_000))
    assert screen.table()["a.x"]["state"] == "committed"


def test_dates_stand_in_the_rows_where_there_are_several() -> None:
    screen = Screen()
    days = (date(2025, 1, 1), date(2025, 1, 2))
    screen.tell(BackfillStarted(pipeline="team.orders", run_dates=days))
    screen.begin("team.orders", day="2025-01-02", run="b")
    screen.tell(
        RequestRetried(
            group="shop", pipeline="team.orders", attempt=1, wait_seconds=1.0, reason="r"
        )
    )
    head, first, second, *_ = screen.lines(80)
    assert head.split()[:3] == ["pipeline", "date", "state"]
    assert first.split() == ["team.orders", "2025-01-01", "waiting"]
    assert second.split()[:3] == ["team.orders", "2025-01-02", "reading"]
    screen.begin("team.orders", day="2025-01-01", run="a")
    screen.tell(
        RequestRetried(
            group="shop", pipeline="team.orders", attempt=1, wait_seconds=1.0, reason="r"
        )
    )
    lines = screen.lines(160)
    assert [line.split()[6] for line in lines[1:3]] == ["0", "1"]
    assert lines[3].split()[-1] == "2", "which date the second was of is not known"


def test_one_run_has_no_total() -> None:
    screen = Screen()
    screen.begin("team.orders")
    head, row, last = screen.lines(80)
    assert head.startswith("pipeline     state ")
    assert row.startswith("team.orders  reading ")
    assert last == "memory 120 of 512 MiB · elapsed 0:00"


def test_that_it_stops_is_said_below() -> None:
    screen = Screen()
    screen.begin("team.orders")
    assert screen.lines(80, is_stopping=True)[-1] == STOPPING
    assert "press Ctrl-C again" in screen.lines(60, is_stopping=True)[-1]


def test_a_run_that_is_begun_again_is_counted_once() -> None:
    screen = Screen()
    screen.batch("a.x", "b.x")
    screen.begin("a.x", run="1")
    screen.tell(finished("a.x", run="1", rows=500))
    screen.begin("a.x", run="2")
    screen.tell(finished("a.x", run="2", rows=700))
    assert screen.table()["total"]["rows"] == "700"
    assert "1 of 2 committed, 1 waiting" in screen.lines(80)


def test_the_guide_names_every_column() -> None:
    guide = (Path(__file__).parents[3] / "docs/operations.md").read_text(encoding="utf-8")
    section = guide.partition("## The display")[2].partition("## ")[0]
    named = [
        name.strip()
        for row in re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)[1:]
        for name in row.split(",")
    ]
    head = busy().lines(160)[0].split("  ")
    assert ["pipeline", *named] == [title.strip() for title in head if title.strip()]


def test_a_curated_table_has_a_line_of_its_own_and_its_rows_count_once() -> None:
    screen = Screen()
    screen.batch("team.a", days=(DAY, "2025-01-16"))
    screen.begin("team.a", run="r1")
    screen.tell(finished("team.a", run="r1", rows=1000))
    screen.begin("team.a", run="r2", day="2025-01-16")
    screen.tell(finished("team.a", run="r2", rows=500, day="2025-01-16"))
    # What it counts is known in the end, and is another date than that of its beginning.
    screen.tell(
        RunStarted(layer="silver", pipeline="team.a", run_date="2026-01-01", run="s"),
        RunPhase(pipeline="team.a", run="s", phase="merging"),
        RowsWritten(pipeline="team.a", run="s", rows=700),
    )
    assert screen.board.rows == 1500
    lines = [line.split() for line in screen.lines() if line.startswith("team.a")]
    assert lines[0][:3] == ["team.a", DAY, "committed"]
    assert lines[2][:4] == ["team.a", "silver", "merging", "700"]
    screen.tell(finished("team.a", run="s", rows=1200, day="2025-01-16", layer="silver"))
    assert not screen.board.active
    assert screen.board.rows == 1500
    assert screen.board.count("committed") == 3
    assert any(line.startswith("team.a silver") and "1,200" in line for line in screen.lines())
    # A second run of it takes the place of the first.
    screen.tell(RunStarted(layer="silver", pipeline="team.a", run_date=DAY, run="t"))
    screen.tell(finished("team.a", run="t", status="failed", code="QUAL001", layer="silver"))
    assert screen.board.rows == 1500
    assert screen.board.count("failed") == 1
    assert screen.board.total == 3
