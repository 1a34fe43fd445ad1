"""`bronze plan`: what a run would do, of either layer."""

from __future__ import annotations

from bronze_engine.cli.commands.silver import Asked, curate
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    DateText,
    FullRefresh,
    JsonOutput,
    Name,
    OfSilver,
    Overrides,
    Verbose,
    read_date,
)
from bronze_engine.cli.reporting import print_plan
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.errors import ConfigError

__all__ = ["plan"]


def plan(
    name: Name,
    *,
    date: DateText = None,
    full_refresh: FullRefresh = False,
    silver: OfSilver = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Say what a run would do: no data request, no write."""
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    if silver:
        if full_refresh:
            raise ConfigError(
                "--full-refresh is about landing, and --silver plans none;"
                f" `bronze silver {name} --rebuild --dry-run` plans a table made anew"
            )
        run_dates = None if date is None else (read_date(date, loaded.engine),)
        curate(loaded, name, Asked(run_dates=run_dates, dry_run=True), as_json=as_json)
        return
    run_date = read_date(date, loaded.engine)
    found = with_engine(
        loaded, lambda engine: engine.plan(name, run_date=run_date, full_refresh=full_refresh)
    )
    print_plan(found, as_json=as_json)
