"""`bronze run`: land one pipeline for one date."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from bronze_engine.cli import text
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    DateText,
    JsonLog,
    JsonOutput,
    LogFile,
    Name,
    Overrides,
    Verbose,
    read_date,
    read_duration,
)
from bronze_engine.cli.profile import print_profile
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.config.load import Config
from bronze_engine.engine import Engine
from bronze_engine.model.report import RunPlan, RunReport
from bronze_engine.telemetry.events import Event, RunFinished

__all__ = ["Wait", "replay", "run", "told"]

T = TypeVar("T")

Wait = Annotated[
    str, typer.Option("--wait", help='How long to wait for another run\'s lease, e.g. "60s".')
]


def run(
    name: Name,
    *,
    date: DateText = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; no data request, no write.")
    ] = False,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Read everything anew, and begin an epoch.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over a partition that another pipeline landed.")
    ] = False,
    no_resume: Annotated[
        bool,
        typer.Option("--no-resume", help="Start afresh where a run of the date was broken off."),
    ] = False,
    wait: Wait = "0s",
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Print where the time went, and what bounds the run."),
    ] = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Land one pipeline for one date and publish the partition."""
    loaded = load(
        config,
        overrides,
        LogOptions(verbose=verbose, json_lines=json_log, file=log_file, in_log_dir=not dry_run),
    )
    run_date = read_date(date, loaded.engine)
    wait_seconds = read_duration("--wait", wait)

    async def work(engine: Engine) -> RunPlan | RunReport:
        if dry_run:
            return await engine.plan(name, run_date=run_date, full_refresh=full_refresh)
        return await engine.run(
            name,
            run_date=run_date,
            full_refresh=full_refresh,
            adopt=adopt,
            wait_seconds=wait_seconds,
            resume=not no_resume,
        )

    result = told(loaded, work, as_json=as_json, is_monitored=not dry_run)
    if not isinstance(result, RunPlan):
        if profile and not as_json and result.profile is not None:
            print_profile(result.profile)
        return
    if as_json:
        text.print_json(result)
    else:
        text.print_plan(result)


def replay(
    name: Name,
    *,
    date: DateText = None,
    wait: Wait = "0s",
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Decode the captured pages of a partition again, without the API, and publish the result."""
    loaded = load(
        config, overrides, LogOptions(verbose=verbose, json_lines=json_log, file=log_file)
    )
    run_date = read_date(date, loaded.engine)
    wait_seconds = read_duration("--wait", wait)

    async def work(engine: Engine) -> RunReport:
        return await engine.replay(name, run_date=run_date, wait_seconds=wait_seconds)

    told(loaded, work, as_json=as_json)


def told(
    loaded: Config,
    work: Callable[[Engine], Awaitable[T]],
    *,
    as_json: bool,
    is_monitored: bool = True,
) -> T:
    """Do the work, and print the report of the run that comes of it."""
    reports: list[RunReport] = []

    def keep(event: Event) -> None:
        if isinstance(event, RunFinished):
            reports.append(event.report)

    try:
        result = with_engine(loaded, work, hooks=[keep], is_monitored=is_monitored)
    finally:
        if as_json:  # of a failed run too
            for report in reports:
                text.print_json(report)
    if isinstance(result, RunReport) and not as_json:
        text.print_report(result)
    return result
