"""`bronze verify`: is what a manifest names really there?"""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from bronze_engine.adapters import open_store
from bronze_engine.cli.completion import complete_pipelines
from bronze_engine.cli.named.place import find_folder, is_folder, load_if_there
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    DateText,
    JsonOutput,
    OfSilver,
    Overrides,
    Verbose,
    read_date,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.errors import ConfigError, StoreError
from bronze_engine.model.report import VerifyReport
from bronze_engine.publish.verify import verify as verify_folder
from bronze_engine.workers import Workers

__all__ = ["verify"]


def verify(
    what: Annotated[
        str,
        typer.Argument(
            help="A pipeline, or the path or URL of a partition or a table.",
            autocompletion=complete_pipelines,
        ),
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
