"""`bronze test-connection`: is a store or an API there, and does it do what runs rely on?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import anyio
import msgspec
import typer

from bronze_engine.adapters import open_auth, open_store, token_store
from bronze_engine.cli import text
from bronze_engine.cli.options import CONFIG_PATH, ConfigPath, JsonOutput, Overrides, Verbose
from bronze_engine.cli.place import find_place, load_if_there
from bronze_engine.cli.session import LogOptions
from bronze_engine.cli.signals import until_signal
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import Api
from bronze_engine.config.file.fault import nearest
from bronze_engine.config.file.sensitive import of_store
from bronze_engine.config.load import Config
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.contracts import Store
from bronze_engine.credentials import Auth, AuthResources
from bronze_engine.errors import ConfigError
from bronze_engine.model.probe import Probed
from bronze_engine.publish.probe import probe_store
from bronze_engine.telemetry.redact import Redactor, redact_url
from bronze_engine.workers import Workers

__all__ = ["probe"]


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """One store or API."""

    name: str
    kind: Literal["store", "api"]
    location: str
    results: tuple[Probed, ...]


Test = Callable[[], Awaitable[Tested]]


def probe(
    what: Annotated[
        str,
        typer.Argument(
            help="An entry of [stores] or [apis], a URL (s3://bucket/prefix), or a path.",
            metavar="NAME",
            show_default=False,
        ),
    ],
    *,
    path: Annotated[
        str | None, typer.Option("--path", help="Of an API: what to ask for, below base_url.")
    ] = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Try out a store or an API for real; exits non-zero on any fault."""
    loaded = load_if_there(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
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
    return await until_signal(test, on_signal=lambda: None)


def _tests(
    config: Config | None, what: str, path: str | None
) -> tuple[list[Test], Callable[[], frozenset[str]]]:
    """What the name means: a store, an API, or both where both have it; and what to mask."""
    tests: list[Test] = []
    if config is not None and what in config.api_names:
        tests.append(partial(_test_api, config, config.api(what), path))
    elif path is not None:
        raise ConfigError(f"--path is of an API, and [apis] has no {what!r}")
    is_store = config is not None and what in config.store_names
    if not tests and not is_store and not ("://" in what or "/" in what or Path(what).is_dir()):
        known = () if config is None else (*config.store_names, *config.api_names)
        raise ConfigError(
            f'there is no store and no API "{redact_url(what)}"; {nearest(what, known)} '
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
        probe_api = await workers.run(_probe_api)
        results = await probe_api(api, workers, SYSTEM_CLOCK, auth, config.hide, path=path)
    return Tested(name=api.name, kind="api", location=redact_url(api.base_url), results=results)


def _probe_api() -> Callable[..., Awaitable[tuple[Probed, ...]]]:
    from bronze_engine.sources.http.probe import probe_api  # noqa: PLC0415

    return probe_api


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
