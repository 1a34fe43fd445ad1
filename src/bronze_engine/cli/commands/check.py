"""`bronze check`: is a pipeline ready to run?"""

from __future__ import annotations

from typing import Annotated

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
    read_date,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError
from bronze_engine.telemetry.redact import Redactor
from bronze_engine.upkeep.check import Finding

__all__ = ["check"]


def check(
    name: Annotated[
        str | None,
        typer.Argument(help="A pipeline; default: all of them.", autocompletion=complete_pipelines),
    ] = None,
    *,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Check configuration, store and source. Exits non-zero on any fault."""
    loaded = load(
        config, overrides, LogOptions(verbose=verbose, json_lines=json_log, file=log_file)
    )
    run_date = read_date(None, loaded.engine)

    async def work(engine: Engine) -> list[Finding]:
        findings: list[Finding] = []
        for each in [name] if name is not None else loaded.names:
            findings.extend(await engine.check(each, run_date=run_date))
        # What a server says may repeat what it was sent.
        masked = Redactor(loaded.secrets)
        return [msgspec.structs.replace(each, detail=masked(each.detail)) for each in findings]

    findings = with_engine(loaded, work)
    if not loaded.names:
        raise ConfigError(f"{config} has no pipeline; `bronze init` shows how one looks")
    if as_json:
        text.print_json(findings)
    else:
        for finding in findings:
            mark = "ok  " if finding.ok else "FAIL"
            print(f"{mark}  {finding.pipeline}  {finding.subject}: {finding.detail}")
    failed = [finding for finding in findings if not finding.ok]
    if failed:
        raise typer.Exit(failed[0].exit_code)
