"""`bronze state` and `bronze history` over a chain of days."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any, final

import pytest

from tests.integration.cli.command import PIPELINE, Bronze, in_background, shop, url_of
from tests.integration.http_server import Seen, Server, answer

pytestmark = pytest.mark.integration

CHAIN = """
[pipelines.team.orders.incremental]
cursor = "id"
cursor_type = "integer"
start_param = "since"
"""
HINT = "lake/_state/team/orders.json"


@final
class Days:
    """A shop whose orders have rising numbers, and the days on which they are landed."""

    def __init__(self, bronze: Bronze, server: Server, rows: list[int]) -> None:
        self.bronze = bronze
        self.rows = rows
        self._options = url_of(server)

    def run(self, day: int, *, rows: int = 0, status: int = 0) -> Any:
        self.rows[0] += rows
        ran = self.bronze("run", PIPELINE, "--date", f"2025-01-{day:02}", "--json", *self._options)
        assert ran.status == status, ran.err
        return ran.json

    def state(self, *arguments: str) -> Any:
        command, *options = arguments
        return self.bronze.well("state", command, PIPELINE, *options, "--json").json

    def refused(self, *arguments: str, status: int = 7) -> str:
        command, *options = arguments
        ran = self.bronze("state", command, PIPELINE, *options)
        assert ran.status == status
        assert ran.out == ""
        (error,) = ran.errors
        return error


@pytest.fixture
def days(bronze: Bronze) -> Iterator[Days]:
    shop(bronze.folder, CHAIN, keys='load = "incremental"')
    rows = [0]

    async def handle(seen: Seen, _: object) -> bytes:
        since = int(seen.query.get("since", 0))
        is_first = int(seen.query.get("page", 1)) == 1
        return answer([{"id": at} for at in range(since + 1, rows[0] + 1)] if is_first else [])

    with in_background(handle) as server:
        yield Days(bronze, server, rows)


def test_days_are_landed_shown_set_back_broken_and_rebuilt(days: Days) -> None:
    bronze = days.bronze
    assert days.state("show")["newest"] is None
    for day in (1, 2, 3):
        days.run(day, rows=3)
    shown = days.state("show")
    assert (shown["watermark"], shown["dates"], shown["agrees"]) == ("9", 3, True)
    text = bronze.well("state", "show", PIPELINE).out
    assert "2025-01-03, generation 1, epoch 1" in text
    assert "id in (6, 9]" in text

    error = days.refused("set", "--watermark", "4")
    assert error.startswith("STATE001 4 moves the watermark of team.orders backwards")
    assert "ends at 9" in error
    assert "they land twice" in error
    ahead = days.refused("set", "--watermark", "40")
    assert ahead.startswith("STATE001 40 puts the watermark of team.orders ahead of its data")
    assert "CFG001" in days.refused("set", "--watermark", "four", status=2)
    assert "CFG001" in days.refused("set", status=2)
    told = bronze.well(
        "state", "set", PIPELINE, "--watermark", "4", "--force", "--why", "they were wrong"
    ).out
    assert "after 4" in told
    assert days.state("show")["override"]["status"] == "pending"
    report = days.run(4, rows=1)
    assert (report["rows"], report["watermark"]["low"]) == (6, "4")
    used = days.state("show")["override"]
    assert (used["status"], used["used_by"]["run"]) == ("used", report["run"])
    manifest = json.loads(
        (bronze.folder / "lake/team/orders/dt=2025-01-04/_metadata.json").read_text()
    )
    assert manifest["override"]["why"] == "they were wrong"
    assert "@" in manifest["override"]["who"]

    hint = (bronze.folder / HINT).read_text()
    shutil.rmtree(bronze.folder / "lake/_state")
    assert "bronze state rebuild" in bronze.well("state", "show", PIPELINE).out
    assert days.run(5, rows=1)["watermark"]["low"] == "10"
    shutil.rmtree(bronze.folder / "lake/team/orders/dt=2025-01-05")
    gone = days.run(6, status=7)
    assert (gone["status"], gone["error_code"]) == ("failed", "STATE001")
    assert "at 11" in gone["error"]
    assert "ends with 2025-01-04, at 10" in gone["error"]
    rebuilt = days.state("rebuild")
    assert (rebuilt["before"]["run_date"], rebuilt["after"]["run_date"]) == (
        "2025-01-05",
        "2025-01-04",
    )
    assert (bronze.folder / HINT).read_text() == hint
    assert "nothing" in bronze.well("state", "rebuild", PIPELINE).out
    assert days.run(6)["rows"] == 1


def test_a_reset_reads_everything_again_as_an_epoch(days: Days) -> None:
    days.run(1, rows=3)
    assert "from 3 (2025-01-01) to the beginning" in days.refused("reset")
    assert "as a new epoch" in days.bronze.well("state", "reset", PIPELINE, "--force").out
    assert days.state("set", "--withdraw")["kind"] == "reset"
    assert days.bronze.well("state", "set", PIPELINE, "--withdraw").out.startswith("there was no")
    days.state("reset", "--force")
    assert days.run(2, rows=1)["rows"] == 4
    assert days.state("show")["newest"]["epoch"] == 2


def test_a_pipeline_without_a_chain_has_no_watermark_to_set(bronze: Bronze) -> None:
    shop(bronze.folder)
    ran = bronze("state", "set", PIPELINE, "--watermark", "1")
    assert ran.status == 2
    assert "each run loads everything" in ran.err


def test_the_history_has_runs_that_failed_and_those_whose_report_is_lost(days: Days) -> None:
    bronze = days.bronze
    assert bronze.well("history", PIPELINE).out == f"no run of {PIPELINE} is known\n"
    first = days.run(1, rows=2)
    failed = bronze("run", PIPELINE, "--date", "2025-01-02", "--json")  # no server there
    assert failed.status == 9
    second = days.run(2, rows=2)
    again = days.run(1)
    runs = bronze.well("history", PIPELINE, "--json").json["runs"]
    assert [each["run"] for each in runs] == [
        again["run"],
        second["run"],
        failed.json["run"],
        first["run"],
    ]
    assert [each["status"] for each in runs] == ["committed", "committed", "failed", "committed"]
    assert [each["is_current"] for each in runs] == [True, True, False, False]
    assert (runs[2]["code"], runs[2]["generation"]) == ("RETRY001", None)
    assert runs[1]["window"]["low"] == "2"
    assert [each["rows"] for each in runs] == [2, 2, 0, 2]
    assert len(bronze.well("history", PIPELINE, "--limit", "2", "--json").json["runs"]) == 2
    table, _, faults = bronze.well("history", PIPELINE).out.partition("\n\n")
    assert len(table.splitlines()) == 5
    assert faults == f"{failed.json['run']}  {failed.json['error']}\n"
    dated = bronze.well("history", PIPELINE, "--date", "2025-01-02", "--json").json["runs"]
    assert [each["run"] for each in dated] == [second["run"], failed.json["run"]]

    shutil.rmtree(bronze.folder / "lake/_runs")
    lost = bronze.well("history", PIPELINE, "--json").json["runs"]
    # Of an older generation nothing says when: it stands below the one after it.
    assert [each["run"] for each in lost] == [again["run"], first["run"], second["run"]]
    assert lost[0]["rows"] == 2
    assert not lost[0]["has_report"]
    text = bronze.well("history", PIPELINE).out.splitlines()
    assert text[0].split() == [
        *("started", "date", "run", "status", "generation", "rows", "rejected"),
        *("files", "bytes", "seconds", "window"),
    ]
    assert "2*" in text[1]
    assert bronze("history", PIPELINE, "--limit", "0").status == 2


def test_a_report_that_cannot_be_read_is_told_and_the_others_are_listed(days: Days) -> None:
    report = days.run(1, rows=2)
    folder = days.bronze.folder / "lake/_runs/team/orders/2025-01-01"
    (folder / "broken.json").write_text("{")
    ran = days.bronze.well("history", PIPELINE, "--json")
    assert [each["run"] for each in ran.json["runs"]] == [report["run"]]
    assert "broken.json is no run report" in ran.err
