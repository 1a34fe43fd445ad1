"""`bronze inspect`: what an API, files or a table give, and the TOML that lands it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import date as day
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import msgspec
import typer

from bronze_engine.cli.commands.discover import (
    inspect_pipeline,
    inspect_table,
    print_table_inspection,
)
from bronze_engine.cli.commands.inspect_files import (
    inspect_file_pipeline,
    inspect_files,
    names_files,
    print_file_inspection,
)
from bronze_engine.cli.completion import (
    complete_apis,
    complete_connections,
    complete_pipelines,
)
from bronze_engine.cli.named.place import load_if_there
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    JsonOutput,
    Overrides,
    Verbose,
    read_date,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.findings import print_findings
from bronze_engine.cli.session import LogOptions, load, mask
from bronze_engine.cli.signals import until_signal
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.engine import EngineConfig
from bronze_engine.config.files.source import FilesSourceConfig
from bronze_engine.config.load import Config, load_config
from bronze_engine.config.source import HttpSourceConfig
from bronze_engine.errors import ConfigError
from bronze_engine.inspection.look import QUICKLY
from bronze_engine.inspection.report import Inspection
from bronze_engine.inspection.wanted import Wanted
from bronze_engine.workers import Workers

if TYPE_CHECKING:
    from bronze_engine.inspection.inspector import Inspector

__all__ = ["inspect"]

T = TypeVar("T")


def inspect(
    what: Annotated[
        str,
        typer.Argument(
            help='A URL, files ("inbox/*.csv", s3://bucket/in/*.parquet), a path below an API'
            " (with --api), a table (with --connection), or a pipeline: team.name.",
            metavar="URL|PATH|TABLE|NAME",
            show_default=False,
            autocompletion=complete_pipelines,
        ),
    ],
    *,
    headers: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", help='A header to send: "Accept: application/json".'),
    ] = None,
    params: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A query parameter: key=value.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Send this JSON as a POST; @FILE reads it from a file."),
    ] = None,
    bearer_env: Annotated[
        str | None, typer.Option("--bearer-env", help="The variable that holds a bearer token.")
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(
            "--api",
            help="An entry of [apis]: its address and credentials.",
            autocompletion=complete_apis,
        ),
    ] = None,
    connection: Annotated[
        str | None,
        typer.Option(
            "--connection",
            help="An entry of [connections], for schema.table.",
            autocompletion=complete_connections,
        ),
    ] = None,
    records: Annotated[
        str | None, typer.Option("--records", help="Where the records are: data.items.")
    ] = None,
    files: Annotated[
        bool,
        typer.Option("--files", help="It is a file of a server, and no API, whatever its name."),
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call the pipeline: team.name.")
    ] = None,
    only_toml: Annotated[bool, typer.Option("--toml", help="Print the TOML alone.")] = False,
    date: Annotated[
        str | None, typer.Option("--date", "-d", help="The run date, for a pipeline's templates.")
    ] = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Look at an API, files or a table; print TOML to land it."""
    log = LogOptions(verbose=verbose, in_log_dir=False)
    output = _Output(only_toml=only_toml, as_json=as_json)
    if connection is not None:
        _refuse(
            "-H, --param, --data, --bearer-env, --api and --records are of APIs",
            headers, params, data, bearer_env, api, records,
        )  # fmt: skip
        table = inspect_table(load(config, overrides, log), connection, what, name=name)
        output.show(table, table.toml, print_table_inspection)
        return
    loaded = load_if_there(config, overrides, log)
    run_date = read_date(date, loaded.engine if loaded is not None else EngineConfig())
    if files or (
        (loaded is None or what not in loaded.names)
        and not any((headers, params, data, bearer_env))
        and names_files(what, with_api=api is not None)
    ):
        _refuse(
            "-H, --param, --data and --bearer-env are of APIs; a file's credentials are those of"
            " an entry of [apis] that --api names",
            headers, params, data, bearer_env,
        )  # fmt: skip
        seen = inspect_files(
            what, loaded, log, run_date=run_date, api=api, name=name, records=records
        )
        output.show(seen, seen.toml, print_file_inspection)
        return
    if "://" in what or what.startswith("/") or api is not None:
        asked = Wanted(
            url=what,
            api=api,
            name=name,
            headers=tuple(_pair("--header", each, ":") for each in headers or ()),
            params=tuple(_pair("--param", each, "=") for each in params or ()),
            bearer_variable=bearer_env,
            json=_json(data),
            records=records,
        )
        _inspect_api(loaded, run_date, log, output, lambda one: one.url(asked, loaded))
        return
    _refuse(
        "-H, --param, --data, --bearer-env, --records and --name go with a URL; "
        f'"{what}" is taken for a pipeline',
        headers, params, data, bearer_env, records, name,
    )  # fmt: skip
    _inspect_configured(what, config, overrides, run_date, log, output)


class _Output(msgspec.Struct, frozen=True, kw_only=True):
    """How what was found is printed."""

    only_toml: bool
    as_json: bool

    def show(self, found: T, toml: str, for_people: Callable[[T], None]) -> None:
        if self.only_toml:
            sys.stdout.write(toml)
        elif self.as_json:
            text.print_json(found)
        else:
            for_people(found)


def _inspect_configured(
    name: str,
    config: Path,
    overrides: list[str] | None,
    run_date: day,
    log: LogOptions,
    output: _Output,
) -> None:
    """A pipeline of the configuration, whatever it reads."""
    loaded = load(config, overrides, log)
    source = loaded.pipeline(name).source if name in loaded.names else None
    if isinstance(source, FilesSourceConfig):
        seen = inspect_file_pipeline(loaded, name, log, run_date=run_date)
        output.show(seen, seen.toml, print_file_inspection)
    elif source is None or isinstance(source, HttpSourceConfig):
        quick = load_config(config, overrides=[*QUICKLY, *(overrides or ())])
        _inspect_api(quick, run_date, log, output, lambda one: one.pipeline(quick, name))
    else:
        table = inspect_pipeline(loaded, name)
        output.show(table, table.toml, print_table_inspection)


def _inspect_api(
    loaded: Config | None,
    run_date: day,
    log: LogOptions,
    output: _Output,
    question: Callable[[Inspector], Awaitable[Inspection]],
) -> None:
    """Ask an API, and keep its secrets and those of the configuration out of the log."""

    async def work() -> Inspection:
        with Workers(1) as workers:
            # In a worker: its HTTP client takes half a second to import.
            inspector = await workers.run(_inspector)
        one = inspector(run_date=run_date, clock=SYSTEM_CLOCK)
        mask(lambda: one.secrets() | (loaded.secrets if loaded else frozenset()), log)
        return await question(one)

    found = anyio.run(until_signal, work)
    output.show(found, found.toml, _print)


def _refuse(message: str, *given: object) -> None:
    if any(each is not None for each in given):
        raise ConfigError(message)


def _inspector() -> type[Inspector]:
    from bronze_engine.inspection.inspector import Inspector  # noqa: PLC0415

    return Inspector


def _pair(option: str, given: str, separator: str) -> tuple[str, str]:
    name, found, value = given.partition(separator)
    if not found or not name.strip():
        example = '"Accept: application/json"' if separator == ":" else "key=value"
        raise ConfigError(f"{option}: one of them is no pair; write {example}")
    return name.strip(), value.strip() if separator == ":" else value


def _json(data: str | None) -> Any:
    if data is None:
        return None
    try:
        content = Path(data[1:]).read_bytes() if data.startswith("@") else data.encode()
    except OSError as exc:
        raise ConfigError(f"--data {data}: can't be read: {exc.strerror}") from None
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"--data is no JSON: {exc}") from None


def _print(found: Inspection) -> None:
    pages = ", ".join(f"{page.records:,} ({text.size(page.bytes_in)})" for page in found.pages)
    paginator = found.paginator
    settings = ", ".join(f"{name} = {value}" for name, value in paginator.settings.items())
    text.print_pairs(
        [
            ("location", found.location),
            ("answer", f"{found.status}, {found.requests} requests"),
            ("records", f"{found.records or 'the body itself'}: {pages} a page"),
            ("paginator", f"{settings}\n{paginator.confidence}: {paginator.why}"),
            ("primary key", found.primary_key or "none was found"),
            (
                "cursor",
                "\n".join(
                    f"{each.column} ({each.cursor_type}, {each.order}): it {each.why}"
                    for each in found.cursors
                ),
            ),
            ("limits", "\n".join(f"{name}: {value}" for name, value in found.rate_limit.items())),
            ("note", "\n".join(found.notes)),
            (
                "set first",
                "\n".join(f"{name}: a secret that was given" for name in found.variables),
            ),
        ]
    )
    print_findings(found.columns, found.sample, found.toml)
