"""The report of a batch: its exit status, its Markdown, and what it hides."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from bronze_engine.batch.dates import check_range, days_from
from bronze_engine.batch.markdown import NEXT_STEPS, to_markdown
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchReport, BatchRun, BatchStatus
from bronze_engine.model.report import RunReport
from tests.documents import exit_statuses
from tests.unit.batch.reports import DAY, committed, failed, left, report_of
from tests.unit.run.harness import load_text

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        ([], 0),
        ([committed("t.a")], 0),
        ([committed("t.a"), failed("t.b")], 1),
        ([failed("t.a"), failed("t.b")], 4),
        ([failed("t.a"), failed("t.b", "CFG001")], 1),
        ([failed("t.a", "RETRY001"), left("t.b")], 9),
        ([committed("t.a"), left("t.b")], 1),
        ([left("t.a")], 1),
        ([failed("t.a", "BRONZE")], 70),
    ],
)
def test_the_exit_status_is_one_where_some_failed(runs: list[BatchRun], status: int) -> None:
    assert report_of(*runs).exit_code == status


def test_what_was_skipped_does_not_hide_the_code_of_what_failed() -> None:
    skipped = msgspec.structs.replace(failed("t.b", "AUTH001"), status="skipped")
    assert report_of(failed("t.a", "AUTH001"), skipped).exit_code == 3
    assert report_of(committed("t.c"), failed("t.a", "AUTH001"), skipped).exit_code == 1


def test_a_report_survives_json() -> None:
    report = report_of(committed("t.a"), failed("t.b"), left("t.c"), shard="0/4")
    assert msgspec.json.decode(msgspec.json.encode(report), type=BatchReport) == report


def test_secrets_are_masked_in_every_text() -> None:
    told = RunReport(
        pipeline="t.a",
        system="t",
        entity="a",
        run_date=DAY,
        run="r",
        attempt="a",
        status="failed",
        error="EXT001 hunter2",
        partition="p",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        seconds=1.0,
        warnings=("hunter2",),
        degraded=("hunter2",),
    )
    run = msgspec.structs.replace(failed("t.a", message="said hunter2"), report=told)
    report = report_of(run, committed("t.b"), warnings=("hunter2",))
    masked = report.masked(lambda text: text.replace("hunter2", "***"))
    assert b"hunter2" in msgspec.json.encode(report)
    assert b"hunter2" not in msgspec.json.encode(masked)
    assert [each.status for each in masked.runs] == ["failed", "committed"]


def test_markdown_tells_totals_failures_and_the_next_step() -> None:
    report = report_of(
        committed("t.fast", rows=5, seconds=0.5),
        committed("t.slow", rows=1_000, seconds=90),
        failed("t.b", "AUTH001", "401"),
        failed("t.c", "AUTH001", "401"),
        failed("t.d", "EXT001", "cut off"),
        left("t.e"),
        shard="1/4",
        retry_of="20250114T061500000Z-000000",
        warnings=("odd",),
    )
    told = to_markdown(report).splitlines()
    assert told[0] == "# Batch 20250115T061500000Z-3f9c1a: 2 of 6 runs committed"
    for line in (
        "| rows | 1,005 |",
        "| shard | 1/4 |",
        "| retry of | 20250114T061500000Z-000000 |",
        "| AUTH001 | 2 | renew the credential; a retry fails again |",
        "| t.d | 2025-01-15 | EXT001 | cut off |",
        "| t.e | 2025-01-15 | left |  |",
        "To run these again: `bronze batch --retry-failed 20250115T061500000Z-3f9c1a`",
        "- odd",
    ):
        assert line in told
    assert "--retry-failed" not in to_markdown(report, is_kept=False)
    slowest = told[told.index("## Slowest") :]
    assert slowest[4] == "| t.slow | 2025-01-15 | 1,000 | 90.0 |"


def test_markdown_counts_tables_apart_from_runs() -> None:
    tables = (committed("t.a"), failed("t.b"), left("t.c"))
    told = to_markdown(report_of(committed("t.a"), left("t.b"), tables=tables)).splitlines()
    assert told[0].endswith(": 1 of 2 runs committed, 1 of 3 tables up to date")
    assert told[4:7] == ["| committed | 1 |", "| left | 1 |", "| rows | 1 |"]
    assert "| curated tables | 1 of 3 up to date, 1 failed, 1 left |" in told
    (heading,) = to_markdown(report_of(tables=tables[:1])).splitlines()[:1]
    assert heading.endswith(": all 1 tables up to date")


def test_markdown_of_a_batch_that_went_well_is_short() -> None:
    told = to_markdown(report_of(committed("t.a")))
    assert told.startswith("# Batch 20250115T061500000Z-3f9c1a: all 1 runs committed\n")
    assert "##" not in told
    assert "retry" not in told


def test_markdown_shows_ten_of_the_slowest_and_a_hundred_of_the_failed() -> None:
    many = [committed(f"t.c{number}", seconds=number) for number in range(30)]
    many += [failed(f"t.f{number}") for number in range(130)]
    told = to_markdown(report_of(*many))
    slowest = told.partition("## Slowest")[2].partition("## Most rows")[0]
    assert re.findall(r"t\.c(\d+)", slowest) == [str(number) for number in range(29, 19, -1)]
    assert "| t.f99 |" in told
    assert "| t.f100 |" not in told
    assert "and 30 more." in told
    assert len(told) < 65_536


def test_a_server_s_text_breaks_no_table_and_runs_no_markup() -> None:
    message = "a|b\n<img src=x> `c` [l](u) *x* __y__ a_b " + "z" * 1_000
    told = to_markdown(report_of(failed("t.a_b", message=message)))
    (line,) = [line for line in told.splitlines() if line.startswith("| t.a_b |")]
    assert len(re.findall(r"(?<!\\)\|", line)) == 5
    assert r"a\|b \<img src=x\> \`c\` \[l\](u) \*x\* \_\_y\_\_ a_b z" in line
    assert line.endswith("z… |")


def test_every_code_has_a_next_step() -> None:
    assert set(NEXT_STEPS) == {code for _, code in exit_statuses()}


def test_every_status_is_told() -> None:
    runs = [
        BatchRun(pipeline=f"t.{status}", run_date=DAY, status=status)
        for status in get_args(BatchStatus)
    ]
    told = to_markdown(report_of(*runs))
    for status in get_args(BatchStatus):
        assert f"| {status} | 1 |" in told


def test_a_range_has_its_dates() -> None:
    days = days_from(date(2025, 1, 30), date(2025, 2, 1), today=date(2025, 2, 1))
    assert days == (date(2025, 1, 30), date(2025, 1, 31), date(2025, 2, 1))
    with pytest.raises(ConfigError, match="there is no date"):
        days_from(date(2025, 2, 1), date(2025, 1, 31), today=date(2025, 2, 1))
    with pytest.raises(ConfigError, match="2025-02-02 is after today, 2025-02-01"):
        days_from(date(2025, 2, 1), date(2025, 2, 2), today=date(2025, 2, 1))


RANGED = """
[apis.shop]
base_url = "http://127.0.0.1:9"
[defaults.source]
type = "http"
api = "shop"
path = "/x"
[templates.cursor]
load = "incremental"
incremental = { cursor = "at" }
[pipelines.t.all]
[pipelines.t.every]
[pipelines.t.named]
source = { path = "/x/{run_date}" }
[pipelines.t.chain]
extends = "cursor"
[pipelines.t.dated]
extends = "cursor"
incremental = { window = "date", start_param = "from", end_param = "to" }
[pipelines.t.broken]
source = { path = "${NOT_SET}" }
"""


def test_a_range_is_refused_for_all_that_have_no_dates(tmp_path: Path) -> None:
    config = load_text(RANGED, folder=tmp_path)
    with pytest.raises(ConfigError) as refused:
        check_range(config, config.names)
    assert str(refused.value).startswith("CFG001 t.all, t.every would land today's data")
    (warning,) = check_range(config, ["t.named", "t.chain", "t.dated", "t.broken"])
    assert warning.startswith("t.chain: of the dates of a chain only the first")
    assert check_range(config, ["t.named", "t.dated"]) == ()


def test_what_is_refused_is_named_in_a_line_however_many_it_are(tmp_path: Path) -> None:
    text = RANGED + "".join(f"[pipelines.t.p{number}]\n" for number in range(300))
    config = load_text(text, folder=tmp_path)
    with pytest.raises(ConfigError, match=r"^CFG001 t\.all, .* and 292 more would land") as refused:
        check_range(config, config.names)
    assert len(str(refused.value)) < 500
    told = refused.value.context["pipelines"]
    assert isinstance(told, list)
    assert len(told) == 302
