"""`bronze silver`: make the curated table of what a pipeline has landed."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
import typer

from bronze_engine.cli.options import (
    CONFIG_PATH,
    Adopt,
    ConfigPath,
    DryRun,
    First,
    JsonLog,
    JsonOutput,
    Last,
    LogFile,
    Name,
    Overrides,
    Verbose,
    Wait,
    read_dates,
    read_duration,
)
from bronze_engine.cli.reporting import print_plan, with_reports
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.config.load import Config
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError
from bronze_engine.model.report import RunReport

__all__ = ["Asked", "curate", "silver"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of one run of Silver."""

    run_dates: tuple[dt.date, ...] | None = None
    """None: all that is new."""
    rebuild: bool = False
    adopt: bool = False
    wait_seconds: float = 0.0
    dry_run: bool = False


def silver(
    name: Name,
    *,
    date: Annotated[
        str | None, typer.Option("--date", "-d", help="Take in this run date only, YYYY-MM-DD.")
    ] = None,
    first: First = None,
    last: Last = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make all of the table anew from what Bronze has.")
    ] = False,
    adopt: Adopt = False,
    dry_run: DryRun = False,
    wait: Wait = "0s",
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Bring a curated table up to what Bronze has committed."""
    loaded = load(
        config,
        overrides,
        LogOptions(verbose=verbose, json_lines=json_log, file=log_file, in_log_dir=not dry_run),
    )
    run_dates = read_dates(loaded.engine, date, first, last)
    if rebuild and run_dates is not None:
        raise ConfigError(
            "--rebuild makes the table anew from all dates; leave --date, --from and --to out"
        )
    asked = Asked(
        run_dates=run_dates,
        rebuild=rebuild,
        adopt=adopt,
        wait_seconds=read_duration("--wait", wait),
        dry_run=dry_run,
    )
    curate(loaded, name, asked, as_json=as_json)


def curate(loaded: Config, name: str, asked: Asked, *, as_json: bool) -> None:
    """Run Silver, or say what a run would do, and print what comes of it."""
    if asked.dry_run:
        plan = with_engine(
            loaded,
            lambda engine: engine.plan_silver(
                name, run_dates=asked.run_dates, rebuild=asked.rebuild, adopt=asked.adopt
            ),
        )
        print_plan(plan, as_json=as_json)
        return

    async def work(engine: Engine) -> RunReport:
        return await engine.silver(
            name,
            run_dates=asked.run_dates,
            rebuild=asked.rebuild,
            adopt=asked.adopt,
            wait_seconds=asked.wait_seconds,
        )

    with_reports(loaded, work, as_json=as_json)
