"""`bronze test-connection`: is a store, an API or a database there, and does it do what runs
rely on?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import anyio
import msgspec
import typer

from bronze_engine.adapters import (
    adbc_probe,
    api_probe,
    open_auth,
    open_store,
    postgres_probe,
    token_store,
)
from bronze_engine.cli.completion import complete_entries
from bronze_engine.cli.named.database import (
    Database,
    DatabaseOptions,
    Host,
    PasswordEnv,
    Port,
    Sslmode,
    User,
    load_with_database,
)
from bronze_engine.cli.named.place import find_place, load_if_there
from bronze_engine.cli.options import CONFIG_PATH, ConfigPath, JsonOutput, Overrides, Verbose
from bronze_engine.cli.printing import text
from bronze_engine.cli.session import LogOptions
from bronze_engine.cli.signals import until_signal
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import Api
from bronze_engine.config.connection import Connection, PostgresConnection
from bronze_engine.config.database.address import address_of
from bronze_engine.config.load import Config
from bronze_engine.config.loading.sensitive import of_store
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.contracts import Auth, AuthResources, Store
from bronze_engine.errors import ConfigError
from bronze_engine.model.nearest import nearest
from bronze_engine.model.probe import Probed
from bronze_engine.publish.probe import probe_store
from bronze_engine.telemetry.redact import Redactor, redact_url
from bronze_engine.workers import Workers

__all__ = ["probe"]


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """One store, API or database."""

    name: str
    kind: Literal["store", "api", "database"]
    location: str
    results: tuple[Probed, ...]


Test = Callable[[], Awaitable[Tested]]


def probe(
    what: Annotated[
        str,
        typer.Argument(
            help="An entry of [stores], [apis] or [connections], a URL (s3://bucket/prefix), or a "
            "path; db with the options of a database.",
            metavar="NAME",
            show_default=False,
            autocompletion=complete_entries,
        ),
    ],
    *,
    path: Annotated[
        str | None, typer.Option("--path", help="Of an API: what to ask for, below base_url.")
    ] = None,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    user: User = None,
    password_env: PasswordEnv = None,
    sslmode: Sslmode = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Try out a store, an API or a database for real. Exits non-zero on any fault.

    A database that no configuration names: bronze test-connection db --host db.example.com
    --database shop --user reader. Its password is in PGPASSWORD, in ~/.pgpass, or in the
    variable that --password-env names.
    """
    log = LogOptions(verbose=verbose, in_log_dir=False)
    asked = DatabaseOptions(
        host=host,
        port=port,
        database=database,
        user=user,
        password=None if password_env is None else f"${{{password_env}}}",
        sslmode=sslmode,
    )
    loaded = (
        load_with_database(config, what, asked, overrides, log)
        if asked.are_given
        else load_if_there(config, overrides, log)
    )
    tests, secrets = _tests(loaded, what, path)
    found = [anyio.run(_run, test) for test in tests]
    masked = Redactor(secrets)  # what a server says may repeat what it was sent
    found = [
        msgspec.structs.replace(
            each,
            results=tuple(
                msgspec.structs.replace(one, detail=masked(one.detail)) for one in each.results
            ),
        )
        for each in found
    ]
    if as_json:
        text.print_json(found)
    else:
        for each in found:
            _print(each)
    failed = [one for each in found for one in each.results if one.status == "FAIL"]
    if failed:
        raise typer.Exit(failed[0].exit_code)


async def _run(test: Test) -> Tested:
    return await until_signal(test)


def _tests(
    config: Config | None, what: str, path: str | None
) -> tuple[list[Test], Callable[[], frozenset[str]]]:
    """What the name means: a store, an API, a database, or several; and what to mask."""
    tests: list[Test] = []
    if config is not None and what in config.api_names:
        tests.append(partial(_test_api, config, config.api(what), path))
    elif path is not None:
        raise ConfigError(f"--path is of an API, and [apis] has no {what!r}")
    if config is not None and what in config.connection_names:
        tests.append(partial(_test_database, config, config.connection(what)))
    is_store = config is not None and what in config.store_names
    if not tests and not is_store and not ("://" in what or "/" in what or Path(what).is_dir()):
        known: tuple[str, ...] = ()
        if config is not None:
            known = (*config.store_names, *config.api_names, *config.connection_names)
        raise ConfigError(
            f'there is no store, API or connection "{redact_url(what)}"; {nearest(what, known)} '
            f'(a directory is "./{redact_url(what)}")'
        )
    secrets = frozenset[str]()
    if is_store or not tests:
        store = find_place(config, what)
        secrets = frozenset(of_store(store))
        tests.insert(0, partial(_test_store, store))
    return tests, lambda: secrets | (frozenset() if config is None else config.secrets)


async def _test_store(config: StoreConfig) -> Tested:
    with Workers(2) as workers:
        async with open_store(config, workers) as store:
            results = await probe_store(
                store, workers, SYSTEM_CLOCK, single_writer=config.single_writer
            )
            location = store.url
    return Tested(
        name=config.name or config.location, kind="store", location=location, results=results
    )


async def _test_api(config: Config, api: Api, path: str | None) -> Tested:
    async with AsyncExitStack() as stack:
        workers = stack.enter_context(Workers(2))

        async def opened(store: StoreConfig) -> Store:
            return await stack.enter_async_context(open_store(store, workers))

        async def auth(of: Api) -> Auth | None:
            return await open_auth(
                AuthResources(
                    api=of,
                    clock=SYSTEM_CLOCK,
                    workers=workers,
                    open_tokens=lambda name: token_store(name, config, workers, opened),
                )
            )

        # In a worker: its client takes half a second to import.
        probe_api = await workers.run(api_probe)
        results = await probe_api(api, workers, SYSTEM_CLOCK, auth, config.hide, path=path)
    return Tested(name=api.name, kind="api", location=redact_url(api.base_url), results=results)


async def _test_database(config: Config, connection: Connection) -> Tested:
    with Workers(2) as workers:
        if isinstance(connection, PostgresConnection):
            probe_postgres = await workers.run(postgres_probe)
            results = await probe_postgres(connection, workers, SYSTEM_CLOCK, config.hide)
            location = address_of(connection).location
        else:
            probe_adbc = await workers.run(adbc_probe)
            results = await probe_adbc(connection, workers, SYSTEM_CLOCK)
            location = f"driver {Path(connection.driver).name}"
    return Tested(name=connection.name, kind="database", location=location, results=results)


def _print(tested: Tested) -> None:
    print(f"{tested.kind} {tested.name}: {tested.location}")
    text.print_table(
        ["result", "what", "took", "found"],
        [
            [
                each.status,
                each.subject,
                "" if each.status == "skipped" else f"{1000 * each.seconds:.0f} ms",
                each.detail,
            ]
            for each in tested.results
        ],
    )
