"""`bronze ddl`: the statement that shows a table to another engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Annotated, Final

import anyio
import typer

from bronze_engine.adapters import open_store
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    Name,
    OfSilver,
    Overrides,
    Verbose,
)
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.stores.store import CustomStore, LocalStoreConfig
from bronze_engine.config.stores.uri import uri_of
from bronze_engine.config.table_format import TableOutput
from bronze_engine.contracts import TablePlace
from bronze_engine.errors import ConfigError
from bronze_engine.tables.ddl import duckdb, spark, trino, tsql
from bronze_engine.tables.ddl.described import Described, describe
from bronze_engine.workers import Workers

__all__ = ["ddl"]


class Dialect(StrEnum):
    """Whose SQL it is."""

    DUCKDB = "duckdb"
    SPARK = "spark"
    TRINO = "trino"
    TSQL = "tsql"


_STATEMENTS: Final[Mapping[Dialect, Callable[[Described], str]]] = {
    Dialect.DUCKDB: duckdb.statement,
    Dialect.SPARK: spark.statement,
    Dialect.TRINO: trino.statement,
    Dialect.TSQL: tsql.statement,
}


def ddl(
    name: Name,
    *,
    dialect: Annotated[Dialect, typer.Option("--dialect", help="Whose SQL to print.")],
    silver: OfSilver = False,
    overrides: Overrides = None,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Print the SQL that shows a table to another engine. DuckDB, Spark, Trino or T-SQL."""
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    pipeline = loaded.pipeline(name)
    if silver and pipeline.silver is None:
        raise ConfigError(f"{name} has no [silver]; leave --silver out, or add that table")
    output = pipeline.silver.output if silver and pipeline.silver else pipeline.output
    if dialect is not Dialect.DUCKDB and output.table_format is None and output.keeps_superseded:
        raise ConfigError(
            f'{name} keeps superseded files (reap = "next_run"), and {dialect} would read them with'
            ' the others: it reads whole folders. Give it a table_format, or write reap = "now"',
            pipeline=name,
        )
    described = anyio.run(partial(_described, pipeline, output))
    print(_STATEMENTS[dialect](described), end="")


async def _described(pipeline: Pipeline, output: TableOutput) -> Described:
    place = TablePlace.of(pipeline, output)
    with Workers(2) as workers:
        async with open_store(pipeline.target, workers) as store:
            return await describe(
                store,
                place,
                schema=pipeline.system,
                name=f"{pipeline.entity}{'' if place.is_dated else '_silver'}",
                location=_location(pipeline, place.root),
            )


def _location(pipeline: Pipeline, root: str) -> str:
    """A URL, or the path of a directory."""
    if isinstance(pipeline.target, LocalStoreConfig):
        return f"{pipeline.target.path.rstrip('/')}/{root}"
    if isinstance(pipeline.target, CustomStore):
        raise ConfigError(
            f"{pipeline.target.location} has no URL that other engines know; use a target of type"
            " local, s3 or azure"
        )
    return uri_of(pipeline.target, root)
