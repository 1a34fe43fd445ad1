"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from bronze_engine.batch.dates import days_from
from bronze_engine.cli.completion import complete_pipelines, complete_tags
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.units import Duration
from bronze_engine.errors import ConfigError

__all__ = [
    "CONFIG_PATH",
    "Adopt",
    "ConfigPath",
    "DateText",
    "DryRun",
    "First",
    "FullRefresh",
    "JsonLog",
    "JsonOutput",
    "Last",
    "Layer",
    "LogFile",
    "Name",
    "Names",
    "OfSilver",
    "Only",
    "Overrides",
    "Tags",
    "Verbose",
    "Wait",
    "read_date",
    "read_dates",
    "read_duration",
]

CONFIG_PATH: Final = Path("pipelines.toml")
ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="The configuration file.", envvar="BRONZE_CONFIG")
]
DateText = Annotated[
    str | None, typer.Option("--date", "-d", help="The run date, YYYY-MM-DD. Default: today.")
]
First = Annotated[str | None, typer.Option("--from", help="The first of a range of run dates.")]
Last = Annotated[str | None, typer.Option("--to", help="The last one, itself included.")]
Name = Annotated[
    str,
    typer.Argument(
        help="A pipeline: team.name", show_default=False, autocompletion=complete_pipelines
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME|GLOB]...",
        help="Pipelines, or globs such as 'team.*'; default: all.",
        show_default=False,
        autocompletion=complete_pipelines,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value over the file, e.g. output.compression=snappy."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log at DEBUG.")]
JsonLog = Annotated[bool, typer.Option("--json-log", help="One JSON object a log line.")]
LogFile = Annotated[Path | None, typer.Option("--log-file", help="Write the log there too, whole.")]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        help="Only pipelines with this tag; of several, with any of them.",
        autocompletion=complete_tags,
    ),
]
Wait = Annotated[
    str, typer.Option("--wait", help='How long to wait for another run\'s lease, e.g. "60s".')
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done; no data read, no write.")
]
FullRefresh = Annotated[
    bool, typer.Option("--full-refresh", help="Read everything anew, and begin an epoch.")
]
Adopt = Annotated[
    bool, typer.Option("--adopt", help="Take over what stands under another pipeline's name.")
]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


class Layer(StrEnum):
    """Which of the two a command is about."""

    BRONZE = "bronze"
    SILVER = "silver"


Only = Annotated[
    Layer | None,
    typer.Option(
        "--only", help="Only this of the two: land it (bronze), or make the table of it (silver)."
    ),
]
OfSilver = Annotated[
    bool, typer.Option("--silver", help="The curated table, in place of what a date landed.")
]


def read_date(text: str | None, engine: EngineConfig, *, option: str = "--date") -> date:
    """The run date; without one today in the engine's timezone. ConfigError otherwise."""
    if text is None:
        return SYSTEM_CLOCK.now().astimezone(ZoneInfo(engine.timezone)).date()
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError(text)
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  # a date has no zone
    except ValueError:
        raise ConfigError(f"{option} {text!r} is no date; write YYYY-MM-DD") from None


def read_dates(
    engine: EngineConfig, text: str | None, first: str | None, last: str | None
) -> tuple[date, ...] | None:
    """The run dates of --date, or of --from and --to; None without any of them.

    Raises ConfigError.
    """
    if first is None and last is None:
        return None if text is None else (read_date(text, engine),)
    if text is not None or first is None or last is None:
        raise ConfigError("give --date, or --from and --to, which begin and end a range")
    return days_from(
        read_date(first, engine, option="--from"),
        read_date(last, engine, option="--to"),
        read_date(None, engine),
    )


def read_duration(option: str, text: str) -> float:
    """Seconds of "60s", "5m", ...; ConfigError naming the option otherwise."""
    try:
        return Duration.parse(text)
    except ValueError as exc:
        raise ConfigError(f"{option} {exc}") from None
