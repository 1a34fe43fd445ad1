"""`bronze quarantine`: the records that did not land."""

from __future__ import annotations

from typing import Annotated

import typer

from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    DateText,
    JsonLog,
    JsonOutput,
    LogFile,
    Name,
    OfSilver,
    Overrides,
    Verbose,
    Wait,
    read_date,
    read_duration,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.reporting import with_replay
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError
from bronze_engine.model.quarantine import Quarantined, QuarantineReport
from bronze_engine.model.report import RunReport

__all__ = ["quarantine"]

quarantine = typer.Typer(
    name="quarantine",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The records that rules and types kept out.",
)


@quarantine.command()
def show(
    name: Name,
    *,
    date: DateText = None,
    run: Annotated[
        str | None,
        typer.Option("--run", help="A run that failed for them; default: the committed one."),
    ] = None,
    silver: OfSilver = False,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most so many records.")] = 20,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Show rejected records with their reasons, to the byte."""
    if limit < 1:
        raise ConfigError(f"--limit {limit} shows nothing; give 1 or more")
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    run_date = None if silver and date is None else read_date(date, loaded.engine)
    found = with_engine(
        loaded,
        lambda engine: engine.quarantine(
            name, run_date=run_date, run=run, limit=limit, silver=silver
        ),
    )
    if as_json:
        text.print_json(found)
    else:
        _print(found)


@quarantine.command()
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
    """Decode rejected records again, and land what passes. By today's rules and types."""
    loaded = load(
        config, overrides, LogOptions(verbose=verbose, json_lines=json_log, file=log_file)
    )
    run_date = read_date(date, loaded.engine)
    wait_seconds = read_duration("--wait", wait)

    async def work(engine: Engine) -> RunReport:
        return await engine.replay_quarantine(name, run_date=run_date, wait_seconds=wait_seconds)

    with_replay(loaded, name, work, as_json=as_json)


def _print(found: QuarantineReport) -> None:
    whose = "committed" if found.is_committed else "failed"
    shown = len(found.records)
    count = f"{shown:,} of {found.total:,}" if found.total is not None else f"the first {shown:,}"
    text.print_pairs(
        [
            ("partition" if found.is_committed else "kept at", found.partition),
            ("run", f"{found.run} ({whose})"),
            ("records", count),
        ]
    )
    for record in found.records:
        print(f"\n{_place(record)}: {record.reason}")
        print(f"  {record.raw if record.raw is not None else record.record!r}")


def _place(record: Quarantined) -> str:
    if record.file is not None:
        where = f"record {record.offset:,}" if record.line is None else f"line {record.line:,}"
        return f"{record.file} {where}"
    return f"page {record.page:,} record {record.offset:,}"
