"""The report of a batch in Markdown, for a pull request or a chat."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from bronze_engine.model.batch import BatchReport, BatchRun, BatchStatus

__all__ = ["NEXT_STEPS", "to_markdown"]

_MARKUP: Final = re.compile(r"[\\`*\[\]<>|~]|_(?![A-Za-z0-9])|(?<![A-Za-z0-9])_")
"""What would be markup; an underscore within a name is none."""

SHOWN: Final = 10
"""Rows of the slowest and of the largest runs."""

FAILED_SHOWN: Final = 100
"""A comment on a pull request takes 65,536 characters."""

MESSAGE_CHARACTERS: Final = 300

NEXT_STEPS: Final = {
    "CFG001": "correct the configuration; a retry fails again",
    "AUTH001": "renew the credential; a retry fails again",
    "EXT001": "see whether the source answers, then retry",
    "PAGE001": "retry once; the pages do not add up",
    "STG001": "see whether the store answers, then retry",
    "STATE001": "retry once the other run has ended",
    "QUAL001": "look at the rejected records; a retry fails again",
    "RETRY001": "retry once the source has recovered",
}
"""What docs/operations.md says of each code, in a few words."""


def to_markdown(report: BatchReport, *, is_kept: bool = True) -> str:
    """Totals, what failed and why, the slowest runs and the largest. Ends with a newline.

    What is missing can be run by the report that is kept in the store, and not without it.
    Texts of servers can't break a table, and run no markup. Mask the report first.
    """
    lines = [f"# Batch {report.batch}: {_verdict(report)}", ""]
    lines += _table(["what", "how many"], _totals(report))
    lines += _failed(report)
    lines += _unrun(report)
    committed = report.with_status("committed")
    if is_kept and any(run.status != "committed" for run in report.every):
        lines += ["", f"To run these again: `bronze batch --retry-failed {report.batch}`"]
    if len(committed) > 1:
        slowest = sorted(committed, key=lambda run: -run.seconds)[:SHOWN]
        lines += ["", "## Slowest", ""]
        lines += _runs_table(slowest)
        largest = sorted(committed, key=lambda run: -run.rows)[:SHOWN]
        lines += ["", "## Most rows", ""]
        lines += _runs_table(largest)
    if report.warnings:
        lines += ["", "## Warnings", "", *(f"- {_text(each)}" for each in report.warnings)]
    return "\n".join(lines) + "\n"


def _verdict(report: BatchReport) -> str:
    parts = [(report.runs, "runs committed"), (report.tables, "tables up to date")]
    told = [f"{_share(runs)} {what}" for runs, what in parts if runs]
    return ", ".join(told) or "nothing to run"


def _share(runs: Sequence[BatchRun]) -> str:
    good = sum(run.status == "committed" for run in runs)
    return f"all {good:,}" if good == len(runs) else f"{good:,} of {len(runs):,}"


def _totals(report: BatchReport) -> list[list[str]]:
    committed = report.with_status("committed")
    rows = [
        ["committed", f"{len(committed):,}"],
        *([status, f"{count:,}"] for status, count in _counts(report.runs)),
        ["rows", f"{sum(run.rows for run in committed):,}"],
        ["seconds", f"{report.seconds:,.1f}"],
        ["runs at once, at most", str(report.max_parallel)],
        ["began", f"{report.started_at:%Y-%m-%d %H:%M:%S} UTC"],
    ]
    if report.tables:
        made = sum(run.status == "committed" for run in report.tables)
        told = [f"{made:,} of {len(report.tables):,} up to date"]
        told += [f"{count:,} {status}" for status, count in _counts(report.tables)]
        rows.append(["curated tables", ", ".join(told)])
    if report.shard is not None:
        rows.append(["shard", report.shard])
    if report.retry_of is not None:
        rows.append(["retry of", report.retry_of])
    return rows


def _counts(runs: Sequence[BatchRun]) -> list[tuple[BatchStatus, int]]:
    """Of those that did not commit: in which way, and how many."""
    statuses = Counter(run.status for run in runs)
    bad: tuple[BatchStatus, ...] = ("failed", "skipped", "left")
    return [(status, statuses[status]) for status in bad if statuses[status]]


def _failed(report: BatchReport) -> list[str]:
    failed = [run for run in report.every if run.status == "failed"]
    if not failed:
        return []
    codes = Counter(run.error_code or "" for run in failed)
    lines = ["", "## Failed", ""]
    lines += _table(
        ["code", "runs", "next step"],
        [
            [code, f"{count:,}", NEXT_STEPS.get(code, "look at the log, and report it")]
            for code, count in codes.most_common()
        ],
    )
    lines.append("")
    lines += _table(
        ["pipeline", "date", "code", "message"],
        [
            [run.pipeline, _date(run), run.error_code or "", run.message]
            for run in failed[:FAILED_SHOWN]
        ],
    )
    if len(failed) > FAILED_SHOWN:
        lines += ["", f"and {len(failed) - FAILED_SHOWN:,} more."]
    return lines


def _unrun(report: BatchReport) -> list[str]:
    runs = [run for run in report.every if run.status in ("skipped", "left")]
    if not runs:
        return []
    lines = ["", "## Not run", ""]
    lines += _table(
        ["pipeline", "date", "status", "why"],
        [[run.pipeline, _date(run), run.status, run.message] for run in runs[:FAILED_SHOWN]],
    )
    if len(runs) > FAILED_SHOWN:
        lines += ["", f"and {len(runs) - FAILED_SHOWN:,} more."]
    return lines


def _runs_table(runs: Iterable[BatchRun]) -> list[str]:
    return _table(
        ["pipeline", "date", "rows", "seconds"],
        [[run.pipeline, str(run.run_date), f"{run.rows:,}", f"{run.seconds:,.1f}"] for run in runs],
    )


def _date(run: BatchRun) -> str:
    return str(run.run_date) if run.layer == "bronze" else "silver"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(map(_text, row))} |" for row in rows),
    ]


def _text(text: str) -> str:
    """On one line, short, and taken as it stands."""
    line = " ".join(text.split())
    if len(line) > MESSAGE_CHARACTERS:
        line = f"{line[:MESSAGE_CHARACTERS]}…"
    return _MARKUP.sub(r"\\\g<0>", line)
