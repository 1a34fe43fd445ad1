"""`bronze backfill`: land a range of dates of one pipeline."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from bronze_engine.batch.backfill import Backfill
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    DryRun,
    JsonLog,
    JsonOutput,
    Layer,
    LogFile,
    Name,
    Only,
    Overrides,
    Verbose,
    Wait,
    read_date,
    read_duration,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError
from bronze_engine.model.backfill import BackfillReport, DateResult
from bronze_engine.telemetry.events import Event
from bronze_engine.telemetry.redact import Redactor

__all__ = ["backfill"]


def backfill(
    name: Name,
    *,
    first: Annotated[
        str, typer.Option("--from", help="The first run date, YYYY-MM-DD.", show_default=False)
    ],
    last: Annotated[
        str, typer.Option("--to", help="The last run date, itself included.", show_default=False)
    ],
    parallel: Annotated[
        int | None,
        typer.Option(
            "--parallel",
            help="Dates side by side. Default: 4, or engine.max_pipelines where that is less;"
            " a chain runs one at a time.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run dates that are committed already, too.")
    ] = False,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Run them all, as an epoch of their own.")
    ] = False,
    only: Only = None,
    wait: Wait = "0s",
    dry_run: DryRun = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Land the dates of a range that are not committed yet. Then the table is made.

    A date that another configuration has committed is landed again.
    """
    if only is Layer.SILVER:
        raise ConfigError(
            f"a backfill lands; `bronze silver {name} --from {first} --to {last}` makes the table"
        )
    loaded = load(
        config, overrides, LogOptions(verbose=verbose, json_lines=json_log, file=log_file)
    )
    first_date = read_date(first, loaded.engine, option="--from")
    last_date = read_date(last, loaded.engine, option="--to")
    wait_seconds = read_duration("--wait", wait)
    begun: list[Backfill] = []

    def of(engine: Engine) -> Backfill:
        return Backfill(
            engine,
            name,
            first=first_date,
            last=last_date,
            parallel=parallel,
            force=force,
            full_refresh=full_refresh,
            wait_seconds=wait_seconds,
            table=only is None,
        )

    if dry_run:
        with_engine(loaded, lambda engine: _preview(of(engine), as_json=as_json))
        return

    async def work(engine: Engine) -> None:
        dates = of(engine)
        begun.append(dates)
        await dates.run()

    def observe(event: Event) -> None:
        for dates in begun:
            dates.observe(event)

    try:
        with_engine(loaded, work, hooks=[observe], is_monitored=True)
    finally:  # stopped by a signal, too: what was committed stays
        for dates in begun:
            report = _masked(dates.report(), Redactor(loaded.secrets))
            if as_json:
                text.print_json(report)
            else:
                _print(report)
    exit_code = begun[0].report().exit_code
    if exit_code:
        raise typer.Exit(exit_code)


async def _preview(dates: Backfill, *, as_json: bool) -> None:
    """Which dates would be run, and why."""
    todo = await dates.missing()
    report = dates.report()
    if as_json:
        name = report.pipeline
        text.print_json([{"pipeline": name, "run_date": d, "why": why} for d, why in todo.items()])
        return
    text.print_pairs(
        [
            ("pipeline", report.pipeline),
            (
                "would run",
                "\n".join(f"{day}  {why}" for day, why in todo.items())
                or "nothing: every date is committed",
            ),
            ("skipped", _count(report.with_status("skipped"))),
            ("warning", "\n".join(report.warnings)),
        ]
    )


def _masked(report: BackfillReport, masked: Redactor) -> BackfillReport:
    """A server's or a store's message may repeat what it was sent."""
    dates = (
        each if each.error is None else msgspec.structs.replace(each, error=masked(each.error))
        for each in report.dates
    )
    table = report.table
    if table is not None and table.error is not None:
        table = msgspec.structs.replace(table, error=masked(table.error))
    return msgspec.structs.replace(report, dates=tuple(dates), table=table)


def _print(report: BackfillReport) -> None:
    text.print_table(
        ["date", "status", "rows", "generation", "why"],
        [
            [
                str(each.run_date),
                each.status,
                "" if each.rows is None else f"{each.rows:,}",
                "" if each.generation is None else str(each.generation),
                each.error or "",
            ]
            for each in report.dates
        ],
    )
    print()
    text.print_pairs(
        [
            ("pipeline", report.pipeline),
            ("committed", _count(report.with_status("committed"))),
            ("skipped", _count(report.with_status("skipped"))),
            ("failed", _failed(report.with_status("failed"))),
            ("left", _left(report.with_status("left"))),
            ("silver", _table(report)),
            ("seconds", f"{report.seconds:.1f}"),
            ("warning", "\n".join(report.warnings)),
        ]
    )


def _count(dates: tuple[DateResult, ...]) -> str:
    if not dates:
        return ""
    return f"{len(dates)} dates, {sum(each.rows or 0 for each in dates):,} rows"


def _failed(dates: tuple[DateResult, ...]) -> str:
    return ", ".join(f"{each.run_date} {each.error_code}" for each in dates)


def _table(report: BackfillReport) -> str:
    """What became of the curated table, and what makes it where it was not made."""
    table = report.table
    if table is None:
        return ""
    if table.status == "committed":
        made = None if table.report is None else table.report.silver
        new = "" if made is None or made.mode else "nothing new, "
        return f"{new}generation {table.generation}, {table.rows or 0:,} rows"
    again = f"`bronze silver {report.pipeline}` goes on from there"
    why = f"failed: {table.error}" if table.error else "not run"
    return f"{why}; {again}"


def _left(dates: tuple[DateResult, ...]) -> str:
    if not dates:
        return ""
    return f"{len(dates)} dates from {dates[0].run_date} on; run the same command again"
