"""What a message says: bounded, without secrets, of one run, of several, or of a batch."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from bronze_engine.config.notify_body import PLACEHOLDERS, fill
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.notify.message import (
    LISTED,
    fields_of,
    message_of_batch,
    message_of_runs,
    to_json,
)
from bronze_engine.notify.slack import slack_body
from bronze_engine.telemetry.redact import Redactor
from tests.unit.telemetry.reports import DAY, failed, report_of

pytestmark = pytest.mark.unit


def batch_of(*runs: BatchRun) -> BatchReport:
    return BatchReport(
        batch="b1",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        seconds=12.5,
        max_parallel=4,
        runs=runs,
    )


def test_one_run_is_told_with_its_report() -> None:
    message = message_of_runs([report_of()])
    assert message.event == "run"
    assert message.outcome == "success"
    assert message.summary == "team.orders 2025-01-15 committed 10 rows in 2.0 s"
    assert message.report is not None
    assert message.counts == {"committed": 1}


def test_several_runs_are_told_together_those_that_failed_first() -> None:
    message = message_of_runs([report_of("team.a"), failed("team.b"), report_of("team.c")])
    assert message.event == "runs"
    assert message.outcome == "failure"
    assert [note.pipeline for note in message.runs] == ["team.b", "team.a", "team.c"]
    assert message.report is None
    assert message.rows == 20
    assert message.summary == (
        "bronze: 1 of 3 runs did not commit (1 failed, AUTH001 x1): team.b 2025-01-15"
    )


def test_a_batch_is_bounded_whatever_its_size() -> None:
    runs = [
        BatchRun(
            pipeline="team.orders",
            run_date=DAY + timedelta(days=at),
            status="failed" if at % 2 else "committed",
            error_code="EXT001" if at % 2 else None,
            error="EXT001 " + "x" * 10_000 if at % 2 else None,
            rows=1,
        )
        for at in range(3000)
    ]
    message = message_of_batch(batch_of(*runs), runs)
    assert (message.event, message.batch, message.id) == ("batch", "b1", "b1")
    assert message.counts == {"committed": 1500, "failed": 1500}
    assert len(message.runs) == LISTED
    assert message.unlisted == 2950
    assert {note.status for note in message.runs} == {"failed"}
    assert len(message.summary) < 400
    assert "and 1495 more" in message.summary
    assert len(to_json(message, str)) < 50_000


def test_slack_tells_a_table_from_the_dates_that_it_is_made_of() -> None:
    date = BatchRun(
        pipeline="team.a", run_date=DAY, status="failed", error_code="EXT001", error="EXT001 <cut>"
    )
    table = BatchRun(
        layer="silver", pipeline="team.a", run_date=DAY, status="skipped", error="none landed"
    )
    message = message_of_batch(batch_of(date), [date, table])
    first, *lines = slack_body(message)["text"].splitlines()
    assert first.endswith("(1 failed, 1 skipped, EXT001 x1): team.a 2025-01-15, team.a silver")
    assert lines == [
        "• team.a 2025-01-15: EXT001 &lt;cut&gt;",
        "• team.a silver: none landed",
    ]


def test_skipped_and_left_runs_are_no_success() -> None:
    run = BatchRun(pipeline="team.a", run_date=DAY, status="skipped")
    assert message_of_batch(batch_of(run), [run]).outcome == "failure"
    done = BatchRun(pipeline="team.a", run_date=DAY, status="committed", rows=7)
    message = message_of_batch(batch_of(done), [done])
    assert message.outcome == "success"
    assert message.summary == "batch b1: all 1 runs committed, 7 rows"


def test_no_text_of_what_is_sent_holds_a_secret_and_numbers_stay_numbers() -> None:
    secrets = ["12345678", 'a"quoted\\secret', "pässwörd-1"]
    error = 'EXT001 GET http://x/?k=12345678 a"quoted\\secret pässwörd-1'
    report = failed(error=error, warnings=("12345678",), bytes_in=12345678)
    sent = to_json(message_of_runs([report]), Redactor(secrets))
    told = json.loads(sent)
    assert told["report"]["bytes_in"] == 12345678
    assert told["report"]["error"] == "EXT001 GET http://x/?k=*** *** ***"
    assert told["report"]["warnings"] == ["***"]
    assert told["summary"] == "team.orders 2025-01-15 failed: EXT001 GET http://x/?k=*** *** ***"


def test_each_placeholder_has_a_value_for_each_kind_of_message() -> None:
    run = BatchRun(pipeline="team.a", run_date=DAY, status="failed", error_code="EXT001")
    for message in (
        message_of_runs([report_of()]),
        message_of_runs([failed("team.a"), failed("team.b", code="EXT001")]),
        message_of_batch(batch_of(run), [run]),
    ):
        assert set(fields_of(message)) == set(PLACEHOLDERS)
    fields = fields_of(message_of_runs([failed("team.a"), failed("team.b", code="EXT001")]))
    assert fields["pipeline"] == "team.a, team.b"
    assert fields["code"] == "AUTH001, EXT001"
    assert fields["run_date"] == str(date(2025, 1, 15))


def test_a_body_is_filled_at_any_depth_and_its_braces_are_kept() -> None:
    body = {"a": ["{summary}", {"b": "{{{code}}}", "c": 1, "d": True}]}
    assert fill(body, {"summary": "{code}", "code": "X"}) == {
        "a": ["{code}", {"b": "{X}", "c": 1, "d": True}]
    }
