"""Commands that look and change nothing: list, plan, check, verify, schema."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import anyio
import msgspec
import typer

from bronze_engine.adapters import open_store
from bronze_engine.cli.commands.silver import Asked, curate
from bronze_engine.cli.named.place import find_folder, is_folder, load_if_there
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    DateText,
    FullRefresh,
    JsonLog,
    JsonOutput,
    LogFile,
    Name,
    OfSilver,
    Overrides,
    Tags,
    Verbose,
    read_date,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.told import print_plan
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.config.loading.describe import json_schema
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import (
    CustomSource,
    FilesSourceConfig,
    HttpSourceConfig,
    SourceConfig,
)
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError, StoreError
from bronze_engine.model.report import VerifyReport
from bronze_engine.publish.verify import verify as verify_folder
from bronze_engine.telemetry.redact import Redactor, redact_url
from bronze_engine.upkeep.check import Finding
from bronze_engine.workers import Workers

__all__ = ["check", "list_pipelines", "plan", "schema", "verify"]

log = logging.getLogger(__name__)


def list_pipelines(
    *,
    tag: Tags = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """List the pipelines of the configuration."""
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    rows = []
    for name in loaded.names:
        tags = loaded.words(name, "tags")
        if tag and set(tag).isdisjoint(tags):
            continue
        try:
            rows.append(_row(loaded.pipeline(name)))
        except ConfigError as exc:  # a variable that is set elsewhere, say
            log.warning("%s", exc)
            unknown = dict.fromkeys(("load", "source", "partitions"))
            rows.append({"name": name, **unknown, "tags": tags, "error": exc.message})
    if as_json:
        text.print_json(rows)
    else:
        header = ["name", "load", "source", "partitions", "tags"]
        cells = [{**row, "tags": ", ".join(row["tags"])} for row in rows]
        text.print_table(
            header, [["?" if row[key] is None else row[key] for key in header] for row in cells]
        )


def _row(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "name": pipeline.name,
        "load": pipeline.load,
        "source": _read_from(pipeline.source),
        "partitions": f"{pipeline.target.location}/{pipeline.system}/{pipeline.entity}/",
        "tags": pipeline.tags,
        "error": None,
    }


def _read_from(source: SourceConfig) -> str:
    if isinstance(source, HttpSourceConfig):
        return f"{source.api.name}{source.path}"
    if isinstance(source, FilesSourceConfig):
        return ", ".join(map(redact_url, source.urls))
    if isinstance(source, CustomSource):
        return source.location
    return f"{source.connection.name}: {source.table or 'a query'}"


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


def check(
    name: Annotated[str | None, typer.Argument(help="A pipeline; default: all of them.")] = None,
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


def verify(
    what: Annotated[
        str, typer.Argument(help="A pipeline, or the path or URL of a partition or a table.")
    ],
    *,
    date: DateText = None,
    silver: OfSilver = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Hash files again, and compare with their manifest."""
    if silver and date is not None:
        raise ConfigError("a table is of all its dates; leave --date out")
    if is_folder(what):
        there = load_if_there(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
        report = anyio.run(_verify_folder, *find_folder(there, what))
    else:
        loaded = load(config, overrides, LogOptions(verbose=verbose))
        run_date = None if silver else read_date(date, loaded.engine)
        report = with_engine(
            loaded, lambda engine: engine.verify(what, run_date=run_date, silver=silver)
        )
    if as_json:
        text.print_json(report)
    else:
        text.print_verify(report)
    if not report.ok:
        again = "run the pipeline again for that date"
        if report.layer == "silver":
            again = f"`bronze silver {report.pipeline} --rebuild` makes the table anew"
        faults = f"{len(report.faults)} files are not what the manifest says"
        raise StoreError(f"{report.partition}: {faults}; {again}")


async def _verify_folder(place: StoreConfig, folder: str) -> VerifyReport:
    with Workers(2) as workers:
        async with open_store(place, workers) as store:
            return await verify_folder(store, folder, workers)


def schema() -> None:
    """Print the JSON Schema of pipelines.toml, for editors."""
    text.print_json(json_schema())
