"""What people read of a run of Silver, and of the plan of one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from bronze_engine.cli.printing.silver_text import print_silver_plan, print_silver_report
from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.curated import Curated, SilverInput, SilverPlan
from bronze_engine.model.report import RunReport

pytestmark = pytest.mark.unit

FIRST = date(2025, 1, 15)


def landed(days: int = 0, **fields: Any) -> SilverInput:
    usual = {"change": "new", "generation": 1, "rows": 10, "files": 1, "bytes": 100}
    return SilverInput(run_date=FIRST + timedelta(days=days), **{**usual, **fields})


def report(silver: Curated, **fields: Any) -> RunReport:
    usual: dict[str, Any] = {
        "rows": 1234,
        "generation": 3,
        "files": 2,
        "bytes_out": 2048,
        "seconds": 1.5,
    }
    return RunReport(
        layer="silver",
        pipeline="team.orders",
        system="team",
        entity="orders",
        run_date=FIRST,
        run="r3",
        attempt="a",
        status="committed",
        partition="lake/silver/team/orders",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        silver=silver,
        **{**usual, **fields},
    )


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in capsys.readouterr().out.splitlines():
        begin, _, rest = line.partition("  ")
        name = begin or name
        found[name] = f"{found[name]}\n{rest.strip()}" if name in found else rest.strip()
    return found


def test_a_merge_tells_what_became_of_rows_and_files(capsys: pytest.CaptureFixture[str]) -> None:
    made = Curated(
        mode="append",
        inputs=(landed(), landed(1, change="re-landed", generation=2, before=1)),
        pending=(landed(2),),
        records=20,
        changes=ChangeCounts(inserts=5, updates=6, deletes=7),
        kept_files=40,
        current_rows=1000,
    )
    print_silver_report(report(made, rejected=2, late_rows=1))
    told = printed(capsys)
    assert told["pipeline"] == "team.orders (silver)"
    assert told["committed"] == "generation 3, run r3"
    assert told["mode"].startswith("append: ")
    assert told["went in"] == (
        "2025-01-15: new, generation 1, 10 rows\n"
        "2025-01-16: re-landed, generation 2, before 1, 10 rows"
    )
    assert told["pending"] == "2025-01-17: not asked for; without a date all goes in"
    assert told["records"] == "20 (2 of them in quarantine) (1 late)"
    assert told["changes"] == "5 inserted, 6 updated, 7 deleted"
    assert told["rows"] == "1,234 (1,000 of them current)"
    assert told["bytes out"] == "2.0 KiB in 2 files; 40 files stand as they were"


def test_many_dates_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    again = [landed(days, change="again", before=1) for days in range(30)]
    inputs = (*again, landed(30), landed(31, change="gone", generation=None, before=1, rows=0))
    print_silver_report(report(Curated(mode="rebuild", inputs=inputs)))
    told = printed(capsys)
    assert told["went in"] == (
        "32 dates (1 new, 30 again, 1 gone) from 2025-01-15 to 2025-02-15, 310 rows"
    )
    assert "changes" not in told


def test_nothing_new_tells_of_no_work(capsys: pytest.CaptureFixture[str]) -> None:
    print_silver_report(report(Curated(mode=None, kept_files=2)))
    told = printed(capsys)
    assert told["committed"] == "nothing new: generation 3 stands"
    assert told["rows"] == "1,234"
    assert not {"mode", "went in", "records", "changes", "bytes out", "CPU seconds"} & set(told)


@pytest.mark.parametrize(
    ("mode", "committed", "commit"),
    [
        ("nothing", "r3", "nothing: generation 4 stands"),
        ("merge", "r3", "generation 4, in place of run r3"),
        ("rebuild", None, "generation 4, the first"),
    ],
)
def test_a_plan_says_which_generation_comes(
    mode: Any, committed: str | None, commit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = SilverPlan(
        pipeline="team.orders",
        table="lake/silver/team/orders",
        kind="state",
        history="full",
        deletes="hard",
        mode=mode,
        inputs=() if mode == "nothing" else (landed(),),
        files=3,
        bytes=4096,
        generation=4,
        committed=committed,
        notes=("a note",),
    )
    print_silver_plan(plan)
    told = printed(capsys)
    assert told["commit"] == commit
    assert told["keeps"] == "state, history full, deletes hard"
    assert told["note"] == "a note"
    assert told.get("reads") == (None if mode == "nothing" else "3 files, 4.0 KiB at most")
