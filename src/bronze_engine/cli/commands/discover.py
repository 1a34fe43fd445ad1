"""`bronze inspect --connection` and `bronze discover`: what a database holds, and its TOML."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import anyio
import typer

from bronze_engine.cli.completion import complete_connections
from bronze_engine.cli.options import CONFIG_PATH, ConfigPath, JsonOutput, Overrides, Verbose
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.cli.signals import until_signal
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import Config
from bronze_engine.config.source import PostgresSourceConfig
from bronze_engine.errors import ConfigError
from bronze_engine.workers import Workers

if TYPE_CHECKING:
    from bronze_engine.inspection.database import DatabaseInspector
    from bronze_engine.inspection.tables import TableInspection

__all__ = ["discover", "inspect_pipeline", "inspect_table", "print_table_inspection"]

T = TypeVar("T")

_COLUMNS = 8
"""As many as a terminal shows side by side; the list of columns has all."""


def inspect_pipeline(config: Config, name: str) -> TableInspection:
    """Look at the table that a pipeline reads."""
    source = config.pipeline(name).source
    if not isinstance(source, PostgresSourceConfig) or source.table is None:
        raise ConfigError(
            f"{name} reads no API and no table of PostgreSQL, so there is nothing to inspect;"
            f" `bronze check {name}` asks its source"
        )
    return inspect_table(config, source.connection.name, source.table, name=None)


def inspect_table(
    config: Config, connection: str, table: str, *, name: str | None
) -> TableInspection:
    """Look at a table through an entry of [connections]."""
    return _look(config, connection, lambda inspector: inspector.table(table, name=name))


def discover(
    connection: Annotated[
        str,
        typer.Argument(
            help="An entry of [connections].",
            show_default=False,
            autocompletion=complete_connections,
        ),
    ],
    *,
    schema: Annotated[str, typer.Option("--schema", help="Whose tables.")] = "public",
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", "-t", help='Only these: orders, "order_*". Default: all.'),
    ] = None,
    views: Annotated[bool, typer.Option("--views", help="Views, too.")] = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Print the TOML that lands every table of a schema. bronze discover db >> pipelines.toml"""
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    found = _look(
        loaded,
        connection,
        lambda inspector: inspector.discover(schema, patterns=tables or (), with_views=views),
    )
    if as_json:
        text.print_json(found)
        return
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    if found.pipelines:
        sys.stdout.write(found.toml)
    else:
        print(f"{connection}: the schema {schema} has no such table", file=sys.stderr)


def _look(
    config: Config, connection: str, question: Callable[[DatabaseInspector], Awaitable[T]]
) -> T:
    async def work() -> T:
        with Workers(2) as workers:
            inspector = (await workers.run(_inspector))(
                config, connection, clock=SYSTEM_CLOCK, workers=workers
            )
            return await question(inspector)

    async def run() -> T:
        return await until_signal(work)

    return anyio.run(run)


def _inspector() -> type[DatabaseInspector]:
    from bronze_engine.inspection.database import DatabaseInspector  # noqa: PLC0415

    return DatabaseInspector


def print_table_inspection(found: TableInspection) -> None:
    """As people read it."""
    rows = "not known" if found.row_estimate is None else f"about {found.row_estimate:,}"
    whole = f"{text.size(found.size_bytes)}, {text.size(found.total_bytes)} with indexes and TOAST"
    text.print_pairs(
        [
            ("location", found.location),
            ("kind", found.kind),
            ("rows", rows),
            ("size", whole if found.total_bytes else ""),
            ("primary key", f"{', '.join(found.primary_key) or 'none'}: {found.why_key}"),
            (
                "cursor",
                "\n".join(
                    f"{each.column} ({each.cursor_type}"
                    f"{', indexed' if each.is_indexed else ''}): it {each.why}"
                    for each in found.cursors
                ),
            ),
            ("slices", f'{found.slices} with partitions = "auto"'),
            ("note", "\n".join(found.notes)),
        ]
    )
    print()
    text.print_table(
        ["column", "type", "lands as", "nulls", "example"],
        [
            [
                each.name,
                each.source_type,
                each.type,
                "not null"
                if each.is_required
                else ("" if each.null_share is None else f"{each.null_share:.0%}"),
                each.example,
            ]
            for each in found.columns
        ],
    )
    if found.sample:
        print()
        text.print_table(
            [each.name for each in found.columns[:_COLUMNS]],
            [
                ["NULL" if value is None else value for value in row[:_COLUMNS]]
                for row in found.sample
            ],
        )
    print()
    sys.stdout.write(found.toml)
