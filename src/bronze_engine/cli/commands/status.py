"""`bronze status`: where many pipelines stand, and which are late."""

from __future__ import annotations

from typing import Annotated

import typer

from bronze_engine.batch.selection import select
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    JsonOutput,
    Names,
    Overrides,
    Tags,
    Verbose,
    read_duration,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.model.status import PipelineStatus, TableStatus

__all__ = ["status"]


def status(
    names: Names = None,
    *,
    tag: Tags = None,
    max_age: Annotated[
        str | None,
        typer.Option("--max-age", help='Exit 1 where a commit is older, e.g. "26h".'),
    ] = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Show newest commits, how old they are, and last runs."""
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    selected = select(loaded, names or (), tag or ())
    max_age_seconds = None if max_age is None else read_duration("--max-age", max_age)
    found = with_engine(
        loaded, lambda engine: engine.status(*selected, max_age_seconds=max_age_seconds)
    )
    if as_json:
        text.print_json(found)
    else:
        _print(found, max_age)
    if any(each.is_late or _is_unknown(each) for each in found):
        raise typer.Exit(1)


def _is_unknown(of: PipelineStatus) -> bool:
    return of.is_unknown or (of.silver is not None and of.silver.is_unknown)


def _print(found: tuple[PipelineStatus, ...], max_age: str | None) -> None:
    header = ["pipeline", "date", "committed", "age", "rows", "newest run", "code"]
    of_silver = ["silver", "pending"] if any(each.silver is not None for each in found) else []
    late = ["late"] if max_age is not None else []
    text.print_table(
        [*header, *of_silver, *late],
        [
            _cells(each)
            + (_silver_cells(each.silver) if of_silver else [])
            + (["late" if each.is_late else ""] if late else [])
            for each in found
        ],
    )
    print()
    count = sum(bool(each.is_late) for each in found)
    told = "" if max_age is None else f"{count:,} (older than {max_age}, or never committed)"
    text.print_pairs([("pipelines", f"{len(found):,}"), ("late", told)])
    failed = [(each.pipeline, each.error) for each in found if each.error is not None]
    failed += [
        (f"{each.pipeline} silver", each.silver.error)
        for each in found
        if each.silver is not None and each.silver.error is not None
    ]
    if failed:
        print()
        text.print_pairs(failed)
    anew = [
        (f"{each.pipeline} silver", f"its next run makes all rows anew: {each.silver.rebuild}")
        for each in found
        if each.silver is not None and each.silver.rebuild is not None
    ]
    if anew:
        print()
        text.print_pairs(anew)


def _cells(of: PipelineStatus) -> list[str]:
    return [
        of.pipeline,
        _date(of),
        "" if of.committed_at is None else f"{of.committed_at:%Y-%m-%d %H:%M:%S}",
        "" if of.age_seconds is None else _age(of.age_seconds),
        "" if of.rows is None else f"{of.rows:,}",
        _newest_run(of),
        of.code or "",
    ]


def _newest_run(of: PipelineStatus) -> str:
    """What became of it, and of which date it was, where that is not the committed one."""
    told = of.run_status or ""
    return told if of.newest_run_date == of.run_date else f"{told} {of.newest_run_date}"


def _silver_cells(of: TableStatus | None) -> list[str]:
    """The newest date in the table, and how many generations it is behind, or that all of it is
    to be made anew."""
    if of is None:
        return ["", ""]
    if of.run_date is None:
        return [of.code or "never", ""]
    pending = "rebuild" if of.rebuild is not None else f"{of.pending or 0:,}"
    return [f"{of.run_date} {of.code or ''}".rstrip(), pending]


def _date(of: PipelineStatus) -> str:
    if of.run_date is not None:
        return str(of.run_date)
    return "?" if of.is_unknown else "never"


def _age(seconds: float) -> str:
    """In the largest unit that it has a few of."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 120 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} d"
