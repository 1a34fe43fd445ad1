"""`bronze history`: the runs of a pipeline, newest first."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    JsonOutput,
    Name,
    OfSilver,
    Overrides,
    Verbose,
    read_date,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.errors import ConfigError
from bronze_engine.telemetry.redact import Redactor
from bronze_engine.upkeep.history import RunRecord

__all__ = ["history"]

log = logging.getLogger(__name__)


def history(
    name: Name,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most so many runs.")] = 20,
    date: Annotated[
        str | None, typer.Option("--date", "-d", help="Only runs of this date, YYYY-MM-DD.")
    ] = None,
    silver: OfSilver = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """List the runs of a pipeline. What each committed, how long it took, or why it failed."""
    if limit < 1:
        raise ConfigError(f"--limit {limit} shows nothing; give 1 or more")
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    run_date = None if date is None else read_date(date, loaded.engine)
    found = with_engine(
        loaded,
        lambda engine: engine.history(name, run_date=run_date, limit=limit, silver=silver),
    )
    for fault in found.faults:
        log.warning("%s", fault)
    if as_json:
        text.print_json(found)
    elif not found.runs:
        what = f"{name} silver" if silver else name
        print(f"no run of {what} is known" + ("" if run_date is None else f" for {run_date}"))
    else:
        (_print_silver if silver else _print)(found.runs)
        _print_faults(found.runs, Redactor(loaded.secrets))


def _print_silver(runs: tuple[RunRecord, ...]) -> None:
    header = [
        *("started", "newest", "run", "status", "generation", "mode", "went in", "records"),
        *("rows", "rejected", "files", "bytes", "seconds"),
    ]
    text.print_table(header, [_silver_cells(run) for run in runs])


def _silver_cells(run: RunRecord) -> list[str]:
    made = run.silver
    started, newest, name, status, generation, rows, rejected, files, size, seconds, _ = _cells(run)
    if made is not None and made.mode is None and run.status == "committed":
        status = "nothing new"
    return [
        *(started, newest, name, status, generation),
        "" if made is None else made.mode or "",
        "" if made is None or not made.inputs else _dates(len(made.inputs)),
        "" if made is None or made.mode is None else f"{made.records:,}",
        *(rows, rejected, files, size, seconds),
    ]


def _dates(count: int) -> str:
    return "1 date" if count == 1 else f"{count:,} dates"


def _print(runs: tuple[RunRecord, ...]) -> None:
    header = [
        *("started", "date", "run", "status", "generation", "rows", "rejected"),
        *("files", "bytes", "seconds", "window"),
    ]
    text.print_table(header, [_cells(run) for run in runs])


def _print_faults(runs: tuple[RunRecord, ...], mask: Redactor) -> None:
    """Below the table: why runs failed, and what of a commit could not be done."""
    faults = [(run.run, mask("\n".join(filter(None, (run.error, *run.degraded))))) for run in runs]
    if any(told for _, told in faults):
        print()
        text.print_pairs(faults)


def _cells(run: RunRecord) -> list[str]:
    return [
        "" if run.started_at is None else f"{run.started_at:%Y-%m-%d %H:%M:%S}",
        str(run.run_date),
        run.run,
        _status(run),
        "" if run.generation is None else f"{run.generation}{'*' if run.is_current else ''}",
        *(_number(each) for each in (run.rows, run.rejected, run.files)),
        "" if run.bytes_out is None else text.size(run.bytes_out),
        "" if run.seconds is None else f"{run.seconds:.1f}",
        "" if run.window is None else text.interval(run.window),
    ]


def _status(run: RunRecord) -> str:
    also = [
        run.code or "",
        f"replay of {run.replay_of}" if run.replay_of else "",
        f"resumed, {run.resumed_slices} slices kept" if run.resumed_slices else "",
        "override" if run.override is not None else "",
        "degraded" if run.degraded else "",
    ]
    return ", ".join([run.status, *filter(None, also)])


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
