"""A run of Silver, and the plan of one, as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bronze_engine.cli.printing import text
from bronze_engine.model.curated import Curated, SilverInput, SilverPlan
from bronze_engine.model.report import RunReport

__all__ = ["print_silver_plan", "print_silver_report"]

SHOWN: Final = 5
"""Run dates that are listed one by one; a month of them is a line."""

_MODES: Final = {
    "append": "append: all that came is newer than what the table had of it",
    "recompute": "recompute: some keys were made anew from Bronze",
    "rebuild": "rebuild: all of it was made anew",
}
_PLANS: Final = {
    "nothing": "nothing: the table has all that Bronze has",
    "merge": "append where all that came is newer than what the table has of it, else recompute",
    "recompute": "recompute: some keys are made anew from Bronze",
    "rebuild": "rebuild: all of it is made anew",
}


def print_silver_report(report: RunReport) -> None:
    """The summary of a run of Silver that committed, or had nothing to commit."""
    made = report.silver or Curated(mode=None)
    changes = made.changes
    text.print_pairs(
        [
            ("pipeline", f"{report.pipeline} (silver)"),
            ("table", report.partition),
            ("committed", _committed(report, made)),
            ("newest date", f"{report.run_date}" if report.generation else ""),
            ("mode", _MODES[made.mode] if made.mode else ""),
            ("went in", _inputs(made.inputs)),
            ("pending", _pending(made.pending)),
            ("records", _records(report, made)),
            (
                "changes",
                ""
                if changes is None
                else f"{changes.inserts:,} inserted, {changes.updates:,} updated,"
                f" {changes.deletes:,} deleted",
            ),
            ("rows", _rows(report, made)),
            ("bytes in", text.size(report.bytes_in) if report.bytes_in else ""),
            ("bytes out", _bytes_out(report, made)),
            ("seconds", f"{report.seconds:.2f}"),
            ("CPU seconds", f"{report.cpu_seconds:.2f}" if made.mode else ""),
            ("peak memory", text.size(report.peak_rss_bytes) if made.mode else ""),
            ("columns", "\n".join(text.change(each) for each in report.schema_changes)),
            ("quality", "\n".join(map(text.verdict, report.quality))),
            ("warnings", "\n".join(report.warnings)),
            ("degraded", "\n".join(report.degraded)),
        ]
    )


def print_silver_plan(plan: SilverPlan) -> None:
    """What a run of Silver would do."""
    before = f"in place of run {plan.committed}" if plan.committed else "the first"
    commit = f"generation {plan.generation}, {before}"
    if plan.mode == "nothing":
        commit = f"nothing: generation {plan.generation} stands" if plan.committed else "nothing"
    text.print_pairs(
        [
            ("pipeline", f"{plan.pipeline} (silver)"),
            ("table", plan.table),
            ("keeps", f"{plan.kind}, history {plan.history}, deletes {plan.deletes}"),
            ("mode", _PLANS[plan.mode]),
            ("goes in", _inputs(plan.inputs)),
            ("pending", _pending(plan.pending)),
            (
                "reads",
                f"{text.files(plan.files)}, {text.size(plan.bytes)} at most"
                if plan.mode != "nothing"
                else "",
            ),
            ("commit", commit),
            ("note", "\n".join(plan.notes)),
        ]
    )


def _committed(report: RunReport, made: Curated) -> str:
    if report.generation is None:
        return "nothing: Bronze has committed no date"
    which = f"generation {report.generation}, run {report.run}"
    return which if made.mode else f"nothing new: generation {report.generation} stands"


def _inputs(inputs: Sequence[SilverInput]) -> str:
    """One a line where they are few; else how many, and between which dates."""
    if len(inputs) <= SHOWN:
        return "\n".join(map(_input, inputs))
    days = [each.run_date for each in inputs]
    counts = [
        f"{count:,} {change}"
        for change in ("new", "re-landed", "again", "gone")
        if (count := sum(each.change == change for each in inputs))
    ]
    rows = sum(each.rows for each in inputs)
    told = f"{len(inputs):,} dates ({', '.join(counts)})"
    return f"{told} from {min(days)} to {max(days)}, {rows:,} rows"


def _input(of: SilverInput) -> str:
    if of.change == "gone":
        return f"{of.run_date}: gone from Bronze (the table has generation {of.before})"
    was = f", before {of.before}" if of.change == "re-landed" else ""
    return f"{of.run_date}: {of.change}, generation {of.generation}{was}, {of.rows:,} rows"


def _pending(pending: Sequence[SilverInput]) -> str:
    if not pending:
        return ""
    days = ", ".join(str(each.run_date) for each in pending[:SHOWN])
    more = f" and {len(pending) - SHOWN:,} more" if len(pending) > SHOWN else ""
    return f"{days}{more}: not asked for; without a date all goes in"


def _records(report: RunReport, made: Curated) -> str:
    if not made.mode:
        return ""
    aside = f" ({report.rejected:,} of them in quarantine)" if report.rejected else ""
    late = f" ({report.late_rows:,} late)" if report.late_rows else ""
    return f"{made.records:,}{aside}{late}"


def _rows(report: RunReport, made: Curated) -> str:
    if made.current_rows is None:
        return f"{report.rows:,}"
    return f"{report.rows:,} ({made.current_rows:,} of them current)"


def _bytes_out(report: RunReport, made: Curated) -> str:
    if not made.mode:
        return ""
    kept = f"; {made.kept_files:,} files stand as they were" if made.kept_files else ""
    return f"{text.size(report.bytes_out)} in {text.files(report.files)}{kept}"
