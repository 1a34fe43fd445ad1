"""Results as people read them, on stdout."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

import msgspec

from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.concurrency import ConcurrencyTrace
from bronze_engine.model.manifest import SchemaChange
from bronze_engine.model.quality import RuleResult
from bronze_engine.model.report import RunPlan, RunReport, VerifyReport
from bronze_engine.model.window import Window

__all__ = [
    "change",
    "escaped",
    "files",
    "interval",
    "print_json",
    "print_pairs",
    "print_plan",
    "print_report",
    "print_table",
    "print_verify",
    "size",
    "verdict",
    "window",
]


_COMMAND: Final = re.compile("`[^`]*`")
_NO_BREAK: Final = "\xa0"
"""`escaped` leaves none in a text."""

_NARROWEST: Final = 30
"""Messages are not wrapped to less: a word a line is worse than the terminal's own wrapping."""


def print_json(value: object) -> None:
    """One JSON document, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """`name  value` lines, the values in one column; what came from elsewhere moves no cursor."""
    rows = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        first, *more = map(escaped, value.split("\n"))
        print(f"{name:<{width}}  {first}")
        for line in more:
            print(f"{'':<{width}}  {line}")


def print_report(report: RunReport) -> None:
    """The summary of a committed run."""
    seconds = max(report.seconds, 1e-9)
    print_pairs(
        [
            ("pipeline", f"{report.pipeline} {report.run_date}"),
            ("partition", report.partition),
            ("committed", f"generation {report.generation}, run {report.run}"),
            ("replay of", f"run {report.replay_of}" if report.replay_of else ""),
            ("rows", _rows(report)),
            ("changes", _changes(report.changes)),
            ("pages", _pages(report)),
            ("requests", _requests(report)),
            ("in flight", _in_flight(report.concurrency)),
            ("bytes in", size(report.bytes_in)),
            ("bytes out", f"{size(report.bytes_out)} in {files(report.files)}"),
            ("seconds", f"{report.seconds:.2f} ({report.rows / seconds:,.0f} rows/s)"),
            ("CPU seconds", f"{report.cpu_seconds:.2f}"),
            ("peak memory", size(report.peak_rss_bytes)),
            ("window", window(report.watermark)),
            (
                "columns",
                "\n".join(change(each) for each in report.schema_changes),
            ),
            ("quality", "\n".join(map(verdict, report.quality))),
            ("warnings", "\n".join(report.warnings)),
            ("degraded", "\n".join(report.degraded)),
        ]
    )


def _changes(counts: ChangeCounts | None) -> str:
    if counts is None:
        return ""
    return f"{counts.inserts:,} inserts, {counts.updates:,} updates, {counts.deletes:,} deletes"


def _pages(report: RunReport) -> str:
    if report.replay_of:
        return f"{report.pages:,}, captured: nothing was asked of the API"
    if not report.pages and report.requests:
        return ""
    if not report.requests:  # files, which are no requests
        return f"{report.pages:,}"
    kept = f"; {report.captured_pages:,} captured" if report.captured_pages else ""
    return f"{report.pages:,} ({report.requests:,} requests, {report.retries:,} retries{kept})"


def _requests(report: RunReport) -> str:
    """Of what has no pages: a database."""
    if report.replay_of or report.pages or not report.requests:
        return ""
    return f"{report.requests:,} ({report.retries:,} retries)"


def _in_flight(trace: ConcurrencyTrace | None) -> str:
    """The limit that was found, and the last steps to it; nothing of a configured one."""
    if trace is None or not trace.is_found:
        return ""
    steps = [f"{each.limit} {each.reason} at {each.seconds:.1f} s" for each in trace.changes[-3:]]
    return f"{trace.limit}" + (f" (found: {', '.join(steps)})" if steps else "")


def change(of: SchemaChange) -> str:
    """How a column differs from those before it, on a line."""
    return f"{of.change} {of.column} {of.detail}".rstrip()


def verdict(result: RuleResult) -> str:
    """One rule: what became of the rows that broke it, or of the partition."""
    found = result.detail or f"{result.failed:,} of {result.checked:,} rows"
    if not result.failed:
        found = result.detail or f"{result.checked:,} rows"
    elif result.examples:
        found += f" ({'; '.join(result.examples)})"
    return f"{result.verdict} {result.name}: {found}"


def _rows(report: RunReport) -> str:
    text = f"{report.rows:,}"
    if report.rejected:
        text += f" ({report.rejected:,} more in quarantine)"
    if report.duplicates:
        text += f" ({report.duplicates:,} whose key came before)"
    if report.late_rows:
        text += f" ({report.late_rows:,} at or below the low watermark)"
    if report.later_rows:
        text += f" ({report.later_rows:,} above the window, left for a later run)"
    return text


def window(of: Window | None) -> str:
    """`column in (low, high]`, with the brackets of its ends; nothing where there is none."""
    return "" if of is None else f"{of.column} in {interval(of)}"


def interval(of: Window) -> str:
    """`(low, high]`, or with the brackets of ends that are closed or open."""
    begins, ends = "(" if of.low_open else "[", ")" if of.high_open else "]"
    return f"{begins}{of.low or 'the beginning'}, {of.high or 'open'}{ends}"


def print_plan(plan: RunPlan) -> None:
    """What a run would do."""
    print_pairs(
        [
            ("pipeline", f"{plan.pipeline} {plan.run_date} ({plan.load})"),
            ("partition", plan.partition),
            ("files", plan.files),
            (
                "commit",
                f"generation {plan.generation}, "
                + (f"in place of run {plan.committed}" if plan.committed else "the first"),
            ),
            ("request", plan.first),
            ("slices", "\n".join(plan.slices)),
            ("window", window(plan.window)),
            ("limits", "\n".join(f"{name}: {value}" for name, value in plan.limits.items())),
            ("note", "\n".join(plan.notes)),
        ]
    )


def print_verify(report: VerifyReport) -> None:
    """Whether the files are what the manifest says."""
    verdict = "ok" if report.ok else f"{len(report.faults)} faults"
    print_pairs(
        [
            ("partition", report.partition),
            ("manifest", f"generation {report.generation}, run {report.run}"),
            ("files", f"{report.files:,} ({report.rows:,} rows, {size(report.bytes)})"),
            ("verdict", verdict),
            ("faults", "\n".join(f"{fault.path}: {fault.fault}" for fault in report.faults)),
            ("unlisted", "\n".join(report.unlisted)),
            ("mended", "\n".join(report.mended)),
        ]
    )


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their longest line; a cell of several lines takes as many.

    On a terminal the last column, which has the messages, is wrapped to what is left of it.
    """
    table = [[[escaped(line) for line in cell.split("\n")] for cell in row] for row in rows]
    if sys.stdout.isatty():
        _wrap_last(header, table)
    lines = [list(header)]
    for cells in table:
        lines.extend(map(list, zip_longest(*cells, fillvalue="")))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for row in lines:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())


def _wrap_last(header: Sequence[str], table: Sequence[list[list[str]]]) -> None:
    taken = 0
    for name, *cells in list(zip(header, *table, strict=True))[:-1]:
        taken += max([len(name), *(len(line) for cell in cells for line in cell)]) + 2
    left = shutil.get_terminal_size().columns - taken
    if left >= _NARROWEST:
        for row in table:
            row[-1] = [part for line in row[-1] for part in _wrapped(line, left)]


def _wrapped(line: str, width: int) -> list[str]:
    """Between words only: a path, a URL and a `command` stay whole, to be copied."""
    if len(line) <= width:
        return [line]
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", _NO_BREAK), line)
    parts = textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False)
    return [part.replace(_NO_BREAK, " ") for part in parts]


def escaped(text: str) -> str:
    """On one line, with what would move the cursor, or hide, written out."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def files(count: int) -> str:
    """1 file, 2 files."""
    return "1 file" if count == 1 else f"{count:,} files"


def size(count: int) -> str:
    """Bytes as people read them: 1.2 MiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
