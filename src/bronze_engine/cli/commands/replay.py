"""`bronze replay`: decode captured pages again, by today's configuration."""

from __future__ import annotations

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
    Wait,
    read_date,
    read_duration,
)
from bronze_engine.cli.reporting import with_replay
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.engine import Engine
from bronze_engine.model.report import RunReport

__all__ = ["replay"]


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
    """Decode captured pages again, and publish the result. Nothing is asked of the API."""
    loaded = load(
        config, overrides, LogOptions(verbose=verbose, json_lines=json_log, file=log_file)
    )
    run_date = read_date(date, loaded.engine)
    wait_seconds = read_duration("--wait", wait)

    async def work(engine: Engine) -> RunReport:
        return await engine.replay(name, run_date=run_date, wait_seconds=wait_seconds)

    with_replay(loaded, name, work, as_json=as_json)
