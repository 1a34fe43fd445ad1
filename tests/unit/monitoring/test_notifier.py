"""Who is told of what: by outcome, by pipeline, and one message where many runs end at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from bronze_engine.clock import Clock
from bronze_engine.config.notify import CommandNotify
from bronze_engine.errors import RetryError
from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.monitoring.notifier import Notifier, Told
from bronze_engine.monitoring.queue import hook_of, open_queue
from bronze_engine.notify.message import Message
from bronze_engine.telemetry.events import BatchFinished, BatchStarted
from bronze_engine.testing.clock import ManualClock
from tests.unit.telemetry.reports import DAY, failed, finished, report_of

pytestmark = pytest.mark.unit


class Inbox:
    """Takes messages; the first `refusals` are not taken."""

    def __init__(self, refusals: int = 0) -> None:
        self.messages: list[Message] = []
        self._refusals = refusals

    async def send(self, message: Message, /) -> None:
        if self._refusals:
            self._refusals -= 1
            raise RetryError("nobody there")
        self.messages.append(message)


TAGS = {"team.orders": ("daily",), "other.orders": ("weekly", "big")}


def notifier(inbox: Inbox, **options: Any) -> Notifier:
    config = CommandNotify(name="ops", command=("x",), **options)
    return Notifier(config, inbox, lambda name: TAGS.get(name, ()))


def told_of(items: Sequence[Told], **options: Any) -> list[list[str]]:
    """The pipelines of each message."""
    messages = notifier(Inbox(), **options).messages(items)
    return [sorted(note.pipeline for note in message.runs) for message in messages]


@pytest.mark.parametrize(
    ("on", "pipelines"),
    [
        (("failure",), [["team.b", "team.c"]]),
        (("success",), [["team.a"]]),
        (("success", "failure"), [["team.a", "team.b", "team.c"]]),
        (("batch",), []),
    ],
)
def test_runs_are_told_by_how_they_ended(on: tuple[str, ...], pipelines: list[list[str]]) -> None:
    runs = [report_of("team.a"), failed("team.b"), failed("team.c", status="cancelled")]
    assert told_of(runs, on=on) == pipelines


def test_of_failures_alone_is_told_where_nothing_is_said() -> None:
    assert told_of([report_of()]) == []
    assert told_of([failed()]) == [["team.orders"]]


@pytest.mark.parametrize(
    ("options", "pipelines"),
    [
        ({"pipelines": ("team.*",)}, [["team.orders"]]),
        ({"pipelines": ("other.orders",)}, [["other.orders"]]),
        ({"tags": ("big", "none")}, [["other.orders"]]),
        ({"tags": ("daily",), "pipelines": ("other.*",)}, []),
        ({"pipelines": ("TEAM.*",)}, []),
    ],
)
def test_pipelines_are_chosen_by_name_and_tag(
    options: dict[str, Any], pipelines: list[list[str]]
) -> None:
    assert told_of([failed("team.orders"), failed("other.orders")], **options) == pipelines


def batch_finished(*statuses: Any) -> BatchFinished:
    runs = tuple(
        BatchRun(pipeline=f"team.p{at}", run_date=DAY, status=status)
        for at, status in enumerate(statuses)
    )
    report = BatchReport(
        batch="b1",
        started_at=datetime(2025, 1, 15, tzinfo=UTC),
        seconds=1.0,
        max_parallel=1,
        runs=runs,
    )
    return BatchFinished(batch="b1", report=report)


@pytest.mark.parametrize(
    ("on", "statuses", "count"),
    [
        (("failure",), ("committed", "failed"), 1),
        (("failure",), ("committed", "committed"), 0),
        (("failure",), ("committed", "left"), 1),
        (("success",), ("committed", "committed"), 1),
        (("success",), ("committed", "failed"), 0),
        (("batch",), ("committed", "failed"), 1),
        (("batch",), ("committed",), 1),
        (("success", "failure", "batch"), ("committed", "failed"), 1),
    ],
)
def test_a_batch_is_one_message(on: tuple[str, ...], statuses: tuple[str, ...], count: int) -> None:
    assert len(told_of([batch_finished(*statuses)], on=on)) == count


def test_of_a_batch_each_is_told_what_concerns_it() -> None:
    batch = batch_finished("committed", "failed", "failed")
    assert told_of([batch], pipelines=("team.p2",)) == [["team.p2"]]
    assert told_of([batch], pipelines=("team.p0",)) == []
    assert told_of([batch], pipelines=("team.p0",), on=("batch",)) == [["team.p0"]]
    assert told_of([batch], pipelines=("nobody.*",), on=("batch",)) == []


async def told(inbox: Inbox, clock: Clock, events: Sequence[Any], **options: Any) -> None:
    one = notifier(inbox, **options)
    async with open_queue(one.take, name="ops", clock=clock, interval_seconds=10) as queue:
        hook = hook_of(one, queue)
        for event in events:
            hook(event)


@pytest.mark.asyncio
async def test_a_thousand_runs_of_a_batch_are_one_message_and_runs_beside_it_another() -> None:
    inbox = Inbox()
    names = [f"team.p{at}" for at in range(1000)]
    days = tuple((name, DAY) for name in names)
    beside = failed("team.p0", run_date=date(2025, 1, 16))
    events = [
        BatchStarted(batch="b1", runs=days),
        *(finished(failed(name)) for name in names),
        finished(beside),
        batch_finished(*["failed"] * 1000),
        finished(failed("team.p0")),
    ]
    await told(inbox, ManualClock(), events)
    assert [(each.event, each.counts) for each in inbox.messages] == [
        ("runs", {"failed": 2}),
        ("batch", {"failed": 1000}),
    ]


@pytest.mark.asyncio
async def test_a_batch_tells_of_its_curated_tables_whatever_date_they_count() -> None:
    inbox = Inbox()
    table = failed("team.p0", layer="silver", run_date=date(2025, 3, 1))
    ended = batch_finished("committed")
    result = BatchRun(
        layer="silver",
        pipeline="team.p0",
        run_date=DAY,
        status="failed",
        error_code="QUAL001",
        error="QUAL001 late",
        rows=700,
    )
    report = msgspec.structs.replace(ended.report, tables=(result,))
    events = [
        BatchStarted(batch="b1", runs=(("team.p0", DAY),)),
        finished(table),
        BatchFinished(batch="b1", report=report),
        finished(table),
    ]
    await told(inbox, ManualClock(), events)
    beside = "team.p0 silver failed: AUTH001 the key was refused"
    summaries = [each.summary for each in inbox.messages]
    assert sorted(summaries) == [
        "batch b1: 1 of 2 runs did not commit (1 failed, QUAL001 x1): team.p0 silver",
        beside,
    ]
    (batch,) = (each for each in inbox.messages if each.event == "batch")
    assert [note.layer for note in batch.runs] == ["silver", "bronze"]


@pytest.mark.asyncio
async def test_a_message_that_is_not_taken_is_a_warning_and_the_next_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox = Inbox(refusals=1)
    with caplog.at_level(logging.WARNING):
        await told(inbox, ManualClock(), [finished(failed()), batch_finished("failed")])
    assert [each.event for each in inbox.messages] == ["batch"]
    assert caplog.messages == ["notify.ops did not take the news of team.orders: nobody there"]
