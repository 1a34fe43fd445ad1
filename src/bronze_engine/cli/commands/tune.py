"""`bronze tune`: find the settings with which a pipeline reads fastest."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Annotated, Final

import typer

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
from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.curve import curve_lines
from bronze_engine.cli.printing.profile import bound_line
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.engine import Engine
from bronze_engine.tune import Tune, TuneBounds, TuneReport
from bronze_engine.tune.plot import plot_writer

__all__ = ["tune"]

_WIDEST: Final = 120


def tune(
    name: Name,
    *,
    date: DateText = None,
    max_requests: Annotated[
        int, typer.Option("--max-requests", min=1, help="Requests that may be sent in all.")
    ] = 10_000,
    max_rows: Annotated[
        int | None, typer.Option("--max-rows", min=1, help="Rows that one measurement reads.")
    ] = None,
    seconds: Annotated[
        str, typer.Option("--seconds", help='How long one measurement reads, e.g. "3s".')
    ] = "1.5s",
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, max=20, help="How often each value is measured.")
    ] = 2,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the curves there: .png or .svg.")
    ] = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Measure other settings, and print those that are faster. Lands nothing."""
    loaded = load(
        config,
        overrides,
        LogOptions(verbose=verbose, json_lines=json_log, file=log_file, in_log_dir=False),
    )
    run_date = read_date(date, loaded.engine)
    bounds = TuneBounds(
        requests=max_requests,
        rows=max_rows,
        seconds=read_duration("--seconds", seconds if seconds[-1:].isalpha() else f"{seconds}s"),
        rounds=rounds,
    )
    draw = None if plot is None else plot_writer(plot)  # what is missing is told before it runs

    async def work(engine: Engine) -> TuneReport:
        return await Tune(engine, name, run_date=run_date, bounds=bounds).run()

    report = with_engine(loaded, work)
    if draw is not None:
        draw(report)
    if as_json:
        text.print_json(report)
    else:
        _print(report)


def _print(report: TuneReport) -> None:
    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    print(
        f"{report.pipeline} {report.run_date}: {report.requests:,} requests in"
        f" {report.seconds:.0f} s; > is chosen, * is configured"
    )
    for curve in report.curves:
        print()
        for line in curve_lines(curve, width):
            print(line)
    print()
    one, other = report.configured, report.tuned
    _fill(
        f"As configured: {one.rows_per_second:,.0f} rows/s"
        f" ({one.low:,.0f} to {one.high:,.0f}). {bound_line(report.profile)}",
        width,
    )
    if report.proposals:
        _fill(
            f"Tuned: {other.rows_per_second:,.0f} rows/s ({other.low:,.0f} to {other.high:,.0f}),"
            f" {_gain(report)}. {bound_line(report.profile_tuned)}",
            width,
        )
    for note in report.notes:
        _fill(f"- {note}", width, "  ")
    print()
    if report.toml:
        print("# Into the tables of pipelines.toml that are named here:")
        print(report.toml, end="")
    else:
        print("Nothing is proposed: no other setting was shown to be faster.")


def _gain(report: TuneReport) -> str:
    """What the rounds say in which both were measured."""
    if not report.is_faster:
        return "not measurably faster"
    low, high = min(report.gains), max(report.gains)
    return (
        f"{report.gain:.1f} times as much ({low:.1f} to {high:.1f} in {len(report.gains)} rounds)"
    )


def _fill(line: str, width: int, indent: str = "") -> None:
    print(textwrap.fill(text.escaped(line), width, subsequent_indent=indent))
