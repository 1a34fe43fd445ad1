"""The runs of a command with their reports on stdout, also where one of them fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.silver_text import print_silver_plan, print_silver_report
from bronze_engine.cli.session import with_engine
from bronze_engine.config.load import Config
from bronze_engine.engine import Engine
from bronze_engine.model.curated import SilverPlan
from bronze_engine.model.report import RunPlan, RunReport
from bronze_engine.telemetry.events import Event, RunFinished

__all__ = ["Both", "print_plan", "with_replay", "with_reports"]

T = TypeVar("T")


class Both(msgspec.Struct, frozen=True, kw_only=True):
    """What a command that does both layers prints as JSON: one document."""

    bronze: RunReport | None = None
    silver: RunReport | None = None
    """None where it was not begun."""


def with_reports(
    loaded: Config,
    work: Callable[[Engine], Awaitable[T]],
    *,
    as_json: bool,
    both: bool = False,
) -> T:
    """Do the work, and print the reports of its runs; as JSON those of failed ones, too.

    `both` is for work that does both layers: of the first is told whatever comes of the second.
    """
    reports: dict[str, RunReport] = {}
    is_done = False

    def keep(event: Event) -> None:
        if isinstance(event, RunFinished):
            reports[event.report.layer] = event.report

    try:
        result = with_engine(loaded, work, hooks=[keep], is_monitored=True)
        is_done = True
    finally:
        if as_json and both and reports:
            text.print_json(Both(bronze=reports.get("bronze"), silver=reports.get("silver")))
        elif as_json:
            for report in reports.values():
                text.print_json(report)
        elif is_done or both:
            done = [report for report in reports.values() if report.status == "committed"]
            for number, report in enumerate(done):
                if number:
                    print()
                _print_report(report)
    return result


def with_replay(
    loaded: Config,
    name: str,
    work: Callable[[Engine], Awaitable[RunReport]],
    *,
    as_json: bool,
) -> None:
    """Land a date anew of what is there, and say what takes it into the pipeline's table."""
    with_reports(loaded, work, as_json=as_json)
    if not as_json and loaded.pipeline(name).silver is not None:
        print(f"\nnext         `bronze silver {name}` takes it into the curated table")


def _print_report(report: RunReport) -> None:
    """The summary of a committed run, of either layer."""
    if report.layer == "silver":
        print_silver_report(report)
    else:
        text.print_report(report)


def print_plan(plan: RunPlan | SilverPlan, *, as_json: bool) -> None:
    """What a run would do, of either layer."""
    if as_json:
        text.print_json(plan)
    elif isinstance(plan, SilverPlan):
        print_silver_plan(plan)
    else:
        text.print_plan(plan)
