"""What a notification says: of one run, of several, or of a batch.

A message has a bound: of many runs it lists those that did not commit, fifty at most, and counts
the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, Final, Literal

import msgspec

from bronze_engine.model.batch import BatchReport, BatchRun
from bronze_engine.model.report import RunReport

__all__ = ["Message", "RunNote", "fields_of", "message_of_batch", "message_of_runs", "to_json"]

LISTED: Final = 50
_NAMED: Final = 5
"""So many pipelines, dates or codes are named in one line."""
_ERROR_CHARACTERS: Final = 500
"""Of an error in a summary, and among others; its report has all of it."""


class RunNote(msgspec.Struct, frozen=True, kw_only=True):
    """One run in few words."""

    layer: Literal["bronze", "silver"] = "bronze"
    """`silver`: it made the pipeline's curated table."""
    pipeline: str
    run_date: date
    run: str | None
    status: str
    """As in the reports: committed, failed, cancelled; of a batch also skipped and left."""
    code: str | None = None
    error: str | None = None
    rows: int = 0
    seconds: float = 0.0

    @property
    def what(self) -> str:
        """As people call it: the pipeline with its date, or with its table."""
        return f"{self.pipeline} {self.run_date if self.layer == 'bronze' else self.layer}"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, as JSON. It says more in later versions, never less."""

    format_version: int = 1
    event: Literal["run", "runs", "batch"]
    id: str
    """The same for each attempt to send it: whoever keeps messages can know them again."""
    outcome: Literal["success", "failure"]
    """`success`: everything that it tells of committed."""
    summary: str
    """One line for people."""
    batch: str | None = None
    counts: dict[str, int]
    """Runs by status."""
    rows: int
    """Those that were committed."""
    seconds: float
    runs: tuple[RunNote, ...]
    """Those that did not commit first."""
    unlisted: int = 0
    """Further runs."""
    report: RunReport | None = None
    """Of an event `run`: all that is known."""


def message_of_runs(reports: Sequence[RunReport]) -> Message:
    """Of one run, or of those that ended while the last message was young."""
    if len(reports) == 1:
        (report,) = reports
        return _message(
            [_note(report)], event="run", id=report.attempt, seconds=report.seconds, report=report
        )
    notes = [_note(report) for report in reports]
    seconds = sum(report.seconds for report in reports)
    return _message(notes, event="runs", id=reports[0].attempt, seconds=seconds)


def message_of_batch(report: BatchReport, runs: Sequence[BatchRun]) -> Message:
    """Of a batch, as far as it concerns these of its runs."""
    notes = [
        RunNote(
            layer=run.layer,
            pipeline=run.pipeline,
            run_date=run.run_date,
            run=run.run,
            status=run.status,
            code=run.error_code,
            error=run.error,
            rows=run.rows,
            seconds=run.seconds,
        )
        for run in runs
    ]
    return _message(
        notes, event="batch", id=report.batch, seconds=report.seconds, batch=report.batch
    )


def _note(report: RunReport) -> RunNote:
    return RunNote(
        layer=report.layer,
        pipeline=report.pipeline,
        run_date=report.run_date,
        run=report.run,
        status=report.status,
        code=report.error_code,
        error=report.error,
        rows=report.rows,
        seconds=report.seconds,
    )


def _message(
    notes: Sequence[RunNote],
    *,
    event: Literal["run", "runs", "batch"],
    id: str,  # noqa: A002  # as the field is called
    seconds: float,
    batch: str | None = None,
    report: RunReport | None = None,
) -> Message:
    bad = [note for note in notes if note.status != "committed"]
    good = [note for note in notes if note.status == "committed"]
    listed = [*bad, *good][:LISTED]
    if event != "run":
        listed = [_shortened(note) for note in listed]
    # A curated table's have been told of as they landed.
    rows = sum(note.rows for note in good if note.layer == "bronze" or event == "run")
    counts = Counter(note.status for note in notes)
    if event == "run":
        summary = _summary_of_run(notes[0])
    else:
        name = f"batch {batch}" if batch is not None else "bronze"
        summary = f"{name}: {_summary_of_runs(bad, counts, rows)}"
    return Message(
        event=event,
        id=id,
        outcome="failure" if bad else "success",
        summary=" ".join(summary.split()),
        batch=batch,
        counts=dict(counts),
        rows=rows,
        seconds=round(seconds, 3),
        runs=tuple(listed),
        unlisted=len(notes) - len(listed),
        report=report,
    )


def _shortened(note: RunNote) -> RunNote:
    error = None if note.error is None else note.error[:_ERROR_CHARACTERS]
    return msgspec.structs.replace(note, error=error)


def _summary_of_run(note: RunNote) -> str:
    what = note.what
    if note.status == "committed":
        return f"{what} committed {note.rows:,} rows in {note.seconds:.1f} s"
    why = (note.error or note.code or "")[:_ERROR_CHARACTERS]
    return f"{what} {note.status}: {why}" if why else f"{what} {note.status}"


def _summary_of_runs(bad: Sequence[RunNote], counts: Counter[str], rows: int) -> str:
    committed = counts["committed"]
    if not bad:
        return f"all {committed} runs committed, {rows:,} rows"
    told = [f"{counts[status]} {status}" for status in sorted(counts) if status != "committed"]
    codes = Counter(note.code for note in bad if note.code)
    shown = "".join(f", {code} x{count}" for code, count in codes.most_common(_NAMED))
    names = _several(note.what for note in bad)
    return (
        f"{len(bad)} of {sum(counts.values())} runs did not commit"
        f" ({', '.join(told)}{shown}): {names}"
    )


def _several(texts: Iterator[str]) -> str:
    """The first few, and how many more there are."""
    unique = list(dict.fromkeys(texts))
    more = f" and {len(unique) - _NAMED} more" if len(unique) > _NAMED else ""
    return ", ".join(unique[:_NAMED]) + more


def fields_of(message: Message) -> dict[str, str]:
    """The message as flat texts, for placeholders and variables. Of several runs the names,
    dates and codes of those that did not commit, if any, stand side by side."""
    bad = [note for note in message.runs if note.status != "committed"]
    told = bad or message.runs
    one = message.runs[0] if len(message.runs) == 1 else None
    return {
        "summary": message.summary,
        "event": message.event,
        "outcome": message.outcome,
        "id": message.id,
        "pipeline": _several(note.pipeline for note in told),
        "run_date": _several(str(note.run_date) for note in told),
        "run": (one.run if one is not None else None) or "",
        "batch": message.batch or "",
        "status": _several(note.status for note in told),
        "code": _several(note.code for note in told if note.code),
        "error": (one.error if one is not None else None) or "",
        "rows": str(message.rows),
        "seconds": f"{message.seconds:g}",
    }


def to_json(value: Any, hide: Callable[[str], str]) -> bytes:
    """JSON in which every text has passed `hide`: before encoding, for once it is escaped a
    secret no longer looks like itself."""
    return msgspec.json.encode(_hidden(msgspec.to_builtins(value), hide))


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    match value:
        case str():
            return hide(value)
        case dict():
            return {_hidden(key, hide): _hidden(item, hide) for key, item in value.items()}
        case list() | tuple():
            return [_hidden(item, hide) for item in value]
        case _:
            return value
