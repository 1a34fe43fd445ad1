"""Results as people read them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from bronze_engine.cli.printing import text
from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.manifest import SchemaChange
from bronze_engine.model.report import FileFault, RunPlan, RunReport, VerifyReport
from bronze_engine.model.window import Window

pytestmark = pytest.mark.unit


def report(**fields: Any) -> RunReport:
    values: dict[str, Any] = {
        "pipeline": "team.orders",
        "system": "team",
        "entity": "orders",
        "run_date": date(2025, 1, 15),
        "run": "r1",
        "attempt": "a1",
        "status": "committed",
        "generation": 3,
        "partition": "/lake/team/orders/dt=2025-01-15",
        "started_at": datetime(2025, 1, 15, tzinfo=UTC),
        "seconds": 2.0,
    }
    return RunReport(**{**values, **fields})


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Lines by their first column; lines of a longer value are joined by `|`."""
    lines: dict[str, str] = {}
    name = ""
    width = 0
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("  "):
            lines[name] += f"|{line[width:]}"
            continue
        name = line.split("  ")[0]
        width = len(line) - len(line[len(name) :].lstrip())
        lines[name] = line[width:]
    return lines


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_sizes(count: int, said: str) -> None:
    assert text.size(count) == said


def test_a_report_of_changes_says_what_they_did(capsys: pytest.CaptureFixture[str]) -> None:
    text.print_report(report(changes=ChangeCounts(inserts=1200, deletes=3)))
    assert printed(capsys)["changes"] == "1,200 inserts, 0 updates, 3 deletes"


def test_a_report_shows_what_is_there_and_no_empty_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text.print_report(report(rows=1000))
    lines = printed(capsys)
    assert lines["rows"] == "1,000"
    assert lines["seconds"] == "2.00 (500 rows/s)"
    assert lines["committed"] == "generation 3, run r1"
    assert lines.keys().isdisjoint({"window", "columns", "warnings", "degraded"})


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"pages": 3, "requests": 4, "retries": 1}, "3 (4 requests, 1 retries)"),
        ({"pages": 3, "requests": 3, "captured_pages": 2}, "3 (3 requests, 0 retries; 2 captured)"),
        ({"pages": 2}, "2"),
    ],
)
def test_pages_are_told_with_their_requests_where_there_are_any(
    counts: dict[str, int], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text.print_report(report(**counts))
    assert printed(capsys)["pages"] == said


def test_a_report_shows_what_wants_attention(capsys: pytest.CaptureFixture[str]) -> None:
    text.print_report(
        report(
            rows=1,
            rejected=2,
            late_rows=3,
            watermark=Window(column="at", type="integer", low=None, high="9"),
            schema_changes=(
                SchemaChange(change="added", column="x", detail=""),
                SchemaChange(change="variant", column="y", detail="1 value"),
            ),
            warnings=("one", "two"),
            degraded=("three",),
        )
    )
    lines = printed(capsys)
    assert lines["rows"] == "1 (2 more in quarantine) (3 at or below the low watermark)"
    assert lines["window"] == "at in (the beginning, 9]"
    assert lines["columns"] == "added x|variant y 1 value"
    assert lines["warnings"] == "one|two"
    assert lines["degraded"] == "three"


def test_a_plan_names_what_it_would_replace(capsys: pytest.CaptureFixture[str]) -> None:
    for committed, said in ((None, "the first"), ("r0", "in place of run r0")):
        text.print_plan(
            RunPlan(
                pipeline="team.orders",
                run_date=date(2025, 1, 15),
                load="full",
                partition="/lake/p",
                files="part-{run}.parquet",
                first="GET http://shop/x",
                slices=("a", "b"),
                window=Window(column="at", type="integer", low="3"),
                limits={"rate": "5/s", "retry": "5"},
                generation=2,
                committed=committed,
            )
        )
        lines = printed(capsys)
        assert lines["commit"] == f"generation 2, {said}"
        assert lines["slices"] == "a|b"
        assert lines["limits"] == "rate: 5/s|retry: 5"
        assert lines["window"] == "at in (3, open]"
        assert "note" not in lines


def test_a_verification_lists_its_faults(capsys: pytest.CaptureFixture[str]) -> None:
    text.print_verify(
        VerifyReport(
            partition="p",
            generation=1,
            run="r",
            files=2,
            rows=3,
            bytes=4,
            faults=(FileFault(path="a", fault="missing"), FileFault(path="b", fault="3 bytes")),
            unlisted=("c",),
        )
    )
    lines = printed(capsys)
    assert lines["verdict"] == "2 faults"
    assert lines["faults"] == "a: missing|b: 3 bytes"
    assert lines["unlisted"] == "c"


def test_columns_are_as_wide_as_their_longest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    text.print_table(["a", "bb"], [["long", ""], ["x", "y"]])
    assert capsys.readouterr().out == "a     bb\nlong\nx     y\n"


def test_what_came_from_elsewhere_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    text.print_pairs([("why", "one\ntwo \x1b[2J"), ("", "x")])
    text.print_table(["column"], [["a\rb"]])
    assert capsys.readouterr().out.splitlines() == [
        "why  one",
        r"     two \x1b[2J",
        "     x",
        "column",
        r"a\rb",
    ]


ROWS = [
    [
        "shop.orders",
        "failed",
        "one two three four `bronze run shop.orders` lands it: http://h/a-long/path",
    ],
    ["shop.items", "skipped", ""],
]


@pytest.mark.parametrize(
    ("is_terminal", "columns", "widths"),
    [(True, 60, 60), (True, 40, None), (False, 60, None)],
)
def test_on_a_terminal_messages_stand_below_each_other(
    is_terminal: bool,
    columns: int,
    widths: int | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    text.print_table(["pipeline", "status", "message"], ROWS)
    out = capsys.readouterr().out
    if widths is None:
        assert ROWS[0][2] in out
        return
    assert out.splitlines() == [
        "pipeline     status   message",
        "shop.orders  failed   one two three four",
        "                      `bronze run shop.orders` lands it:",
        "                      http://h/a-long/path",
        "shop.items   skipped",
    ]


def test_a_table_without_a_row_is_its_header(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    text.print_table(["name", "tags"], [])
    assert capsys.readouterr().out == "name  tags\n"
