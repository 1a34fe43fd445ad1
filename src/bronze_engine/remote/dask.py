"""An existing Dask cluster. Needs the extra; imported by adapters only.

Nothing but texts crosses: the function of a task is found by its name on the worker, its
argument and its result are JSON, and so is what a worker tells meanwhile, by an event.
https://distributed.dask.org/en/stable/
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from typing import Any, Final, final

import anyio
import msgspec
from distributed import Client, KilledWorker, get_worker

from bronze_engine.errors import ConfigError
from bronze_engine.remote.cluster import Lost
from bronze_engine.remote.land import land
from bronze_engine.remote.parcel import Parcel, Sign, encode
from bronze_engine.shield import finish
from bronze_engine.version import __version__

__all__ = ["DaskCluster", "land_parcel", "open_cluster"]

_ADDRESS: Final = re.compile(r"dask(\+tls)?://([^/@\s:]+|\[[0-9a-fA-F:]+\]):(\d{1,5})/?")

_TOPIC: Final = "bronze-engine"
"""Where workers tell of all batches: the scheduler keeps the last events of each topic for ever."""

CONNECT_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 1.0
"""For each of two steps, of the five that a command has from a signal to its end."""

_GONE: Final = ("cancelled", "forgotten", "released")
"""States of a task whose result nobody waits for, while its function is still at work.
https://distributed.dask.org/en/stable/worker-state.html"""

_AT_WORK: Final = ("running", "paused", "closing_gracefully")
"""A worker that is retired finishes what it has."""


@asynccontextmanager
async def open_cluster(address: str) -> AsyncIterator[DaskCluster]:
    """Connect to the scheduler at `dask://host:port`, or `dask+tls://` by Dask's own settings.

    Raises ConfigError for an address that is none, where nobody answers within 5 s, and for a
    worker that has another bronze-engine. Leaving it gives up all that is under way.
    """
    client: Any = Client(  # type: ignore[no-untyped-call]
        _dask_address(address),
        asynchronous=True,
        set_as_default=False,
        timeout=CONNECT_SECONDS,
        name="bronze-batch",
    )
    try:
        try:
            await client
        except (OSError, ValueError, TypeError, RuntimeError) as exc:
            raise ConfigError(
                f"--on {address}: no Dask scheduler answers there ({_first_line(exc)}); start one"
                " with `dask scheduler`, or take the address that it prints"
            ) from exc
        await _check_versions(client, address)
        threads: dict[str, int] = await client.nthreads()
        yield DaskCluster(client, sum(threads.values()))
    finally:
        await finish(_close, client, grace_seconds=lambda: _CLOSE_SECONDS)


@final
class DaskCluster:
    """Made by `open_cluster`; see `remote.cluster` for what its methods promise."""

    def __init__(self, client: Any, threads: int) -> None:
        self.threads: Final = threads
        self._client = client

    def listen(self, hear: Callable[[str], None], /) -> None:
        self._client.subscribe_topic(_TOPIC, lambda event: hear(event[1]))

    async def land(self, key: str, parcel: str, /) -> str:
        future = self._client.submit(land_parcel, parcel, key=key, pure=False)
        try:
            answer: str = await future.result()
        except KilledWorker as exc:
            raise Lost("the workers that ran it have died") from exc
        except CancelledError as exc:
            raise Lost("the Dask scheduler was lost, or has given it up") from exc
        except Exception as exc:  # whatever the worker's installation raises
            raise Lost(f"the worker could not run it: {exc!r}") from exc
        except asyncio.CancelledError:
            await finish(_give_up, future, grace_seconds=lambda: _CLOSE_SECONDS)
            raise
        else:
            return answer


async def _give_up(future: Any) -> None:
    await future.cancel(force=True)


async def _close(client: Any) -> None:
    await client.close(_CLOSE_SECONDS)


def land_parcel(text: str) -> str:
    """What a worker is asked to call: in one of its threads, in a loop of our own."""
    worker = get_worker()
    key = worker.get_current_task()
    tasks = worker.state.tasks
    parcel = msgspec.json.decode(text, type=Parcel)

    def is_wanted() -> bool:
        task = tasks.get(key)
        if worker.status.name not in _AT_WORK:  # taken for dead by the scheduler, perhaps
            return False
        return task is not None and task.state not in _GONE

    def tell(sign: Sign) -> None:
        worker.log_event(_TOPIC, encode(sign))

    async def work() -> str:
        return encode(await land(parcel, worker=worker.address, is_wanted=is_wanted, tell=tell))

    return anyio.run(work)


def installed_version() -> str:
    """What a worker has."""
    return __version__


async def _check_versions(client: Any, address: str) -> None:
    found: dict[str, str | Exception] = await client.run(installed_version, on_error="return")
    for worker, version in found.items():
        if isinstance(version, Exception):
            raise ConfigError(
                f"--on {address}: the worker {worker} has no bronze-engine {__version__}"
                f" ({_first_line(version)}); install bronze-engine[dask] there, too"
            ) from version
        if version != __version__:
            raise ConfigError(
                f"--on {address}: the worker {worker} has bronze-engine {version}, and this command"
                f" {__version__}; install the same on both"
            )


def _dask_address(address: str) -> str:
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigError(
            f"--on {address!r} is no cluster; write dask://host:8786, or dask+tls://host:8786"
        )
    return f"{'tls' if found[1] else 'tcp'}://{found[2]}:{found[3]}"


def _first_line(exc: Exception) -> str:
    return (str(exc) or type(exc).__name__).splitlines()[0]
