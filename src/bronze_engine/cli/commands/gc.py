"""`bronze gc`: what dead runs have left, found and removed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import typer

from bronze_engine.cli.completion import complete_pipelines
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    JsonLog,
    JsonOutput,
    LogFile,
    Overrides,
    Verbose,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.errors import ConfigError
from bronze_engine.model.garbage import Fenced, Garbage, GcReport
from bronze_engine.telemetry.redact import Redactor

__all__ = ["gc"]

log = logging.getLogger(__name__)

SHOWN: Final = 20
"""Names that are not ours, at most; --json has them all."""


def gc(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A pipeline: team.name", show_default=False, autocompletion=complete_pipelines
        ),
    ] = None,
    *,
    all_pipelines: Annotated[bool, typer.Option("--all", help="Every pipeline.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove it; without this it is only listed.")
    ] = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """List, or remove, what dead runs have left.

    Files that no manifest names, open uploads, leases, and the like.
    """
    if (name is not None) == all_pipelines:
        raise ConfigError("gc needs a pipeline's name, or --all, and not both")
    loaded = load(
        config,
        overrides,
        LogOptions(verbose=verbose, json_lines=json_log, file=log_file, in_log_dir=delete),
    )
    names = loaded.names if name is None else [name]
    report = with_engine(loaded, lambda engine: engine.gc(*names, delete=delete))
    masked = Redactor(loaded.secrets)  # a store's message may repeat what it was sent
    faults = tuple(
        msgspec.structs.replace(each, fault=masked(each.fault)) for each in report.faults
    )
    if as_json:
        text.print_json(msgspec.structs.replace(report, faults=faults))
    else:
        _print(report)
    for fault in faults:
        log.error("%s (%s)", fault.fault, fault.place)
    if faults:
        raise typer.Exit(report.faults[0].exit_code)


def _print(report: GcReport) -> None:
    if report.garbage:
        text.print_table(
            ["kind", "size", "where", "why"],
            [
                [each.kind, _size(each), f"{each.store}/{each.key}", each.why]
                for each in report.garbage
            ],
        )
        print()
    removed = [each for each in report.garbage if each.removed]
    unknown = list(report.unknown[:SHOWN])
    if len(report.unknown) > SHOWN:
        unknown.append(f"and {len(report.unknown) - SHOWN:,} more (--json lists them)")
    text.print_pairs(
        [
            ("partitions", f"{report.partitions:,}"),
            ("garbage", _sum(report.garbage)),
            ("removed", _sum(removed) if report.deleted else "nothing; --delete removes it"),
            ("fenced", "\n".join(map(_fenced, report.fenced))),
            ("skipped", "\n".join(f"{each.place}: {each.reason}" for each in report.skipped)),
            ("failed", "\n".join(f"{each.place}: not all was looked at" for each in report.faults)),
            ("not ours", "\n".join(unknown)),
        ]
    )


def _sum(garbage: Sequence[Garbage]) -> str:
    if not garbage:
        return "none"
    sizes = [each.size_bytes for each in garbage if each.size_bytes is not None]
    more = " and what staged files take" if len(sizes) < len(garbage) else ""
    return f"{len(garbage):,} ({text.size(sum(sizes))}{more})"


def _size(garbage: Garbage) -> str:
    return "" if garbage.size_bytes is None else text.size(garbage.size_bytes)


def _fenced(fenced: Fenced) -> str:
    return f"{fenced.partition}: generation {fenced.generation}, so that no dead run can commit"
