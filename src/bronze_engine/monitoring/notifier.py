"""Who is told of what: events become messages, and no burst of them becomes as many.

Of the runs of a batch nothing is said until it has ended, and then one message, to each
notification about those of its pipelines. Runs by themselves (of `bronze run`, of a backfill, of
a service) are told as they end; those that end while the last message is younger than `interval`
are told together.
"""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Sequence
from typing import final

from bronze_engine.config.notify import Notify
from bronze_engine.errors import BronzeError
from bronze_engine.model.report import RunReport
from bronze_engine.notify.message import Message, message_of_batch, message_of_runs
from bronze_engine.notify.sender import Sender
from bronze_engine.telemetry.events import BatchFinished, BatchStarted, Event, RunFinished

__all__ = ["Notifier", "Told"]

Told = RunReport | BatchFinished
"""What may be told of."""

log = logging.getLogger(__name__)


@final
class Notifier:
    """Tells the messages of one notification. Implements `queue.Consumer`.

    What can't be sent is a warning: it decides nothing about a run.
    """

    def __init__(
        self, notify: Notify, sender: Sender, tags_of: Callable[[str], Sequence[str]]
    ) -> None:
        self._notify = notify
        self._sender = sender
        self._tags_of = tags_of
        self._batches: dict[str, frozenset[tuple[str, str]]] = {}
        """Those that are under way, each with its pipelines and dates."""

    def pick(self, event: Event, /) -> Told | None:
        match event:
            case BatchStarted():
                runs = ((pipeline, str(run_date)) for pipeline, run_date in event.runs)
                self._batches[event.batch] = frozenset(runs)
            case BatchFinished():
                self._batches.pop(event.batch, None)
                return event
            case RunFinished():
                if not any(_is_of(event.report, runs) for runs in self._batches.values()):
                    return event.report
            case _:
                pass
        return None

    async def take(self, items: Sequence[Told], /) -> None:
        for message in self.messages(items):
            try:
                await self._sender.send(message)
            except BronzeError as exc:
                log.warning(
                    "notify.%s did not take the news of %s: %s",
                    self._notify.name,
                    f"batch {message.batch}" if message.batch else message.runs[0].pipeline,
                    exc.message,
                )

    def messages(self, items: Sequence[Told]) -> list[Message]:
        """What is to be sent of these: one message for each batch, one for all runs."""
        reports = [
            item for item in items if isinstance(item, RunReport) and self._concerns(item.pipeline)
        ]
        reports = [
            report
            for report in reports
            if ("success" if report.status == "committed" else "failure") in self._notify.on
        ]
        found = [message_of_runs(reports)] if reports else []
        for item in items:
            if isinstance(item, BatchFinished):
                runs = [run for run in item.report.every if self._concerns(run.pipeline)]
                message = message_of_batch(item.report, runs)
                if runs and ("batch" in self._notify.on or message.outcome in self._notify.on):
                    found.append(message)
        return found

    def _concerns(self, pipeline: str) -> bool:
        notify = self._notify
        if notify.pipelines and not any(
            fnmatch.fnmatchcase(pipeline, pattern) for pattern in notify.pipelines
        ):
            return False
        return not notify.tags or not set(notify.tags).isdisjoint(self._tags_of(pipeline))


def _is_of(report: RunReport, runs: frozenset[tuple[str, str]]) -> bool:
    """Whether a batch with these pipelines and dates tells of it. A curated table is of no one
    date."""
    if report.layer == "silver":
        return any(report.pipeline == pipeline for pipeline, _ in runs)
    return (report.pipeline, str(report.run_date)) in runs
