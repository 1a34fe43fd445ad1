"""Runs that are stopped (SIGSTOP), overtaken by another run, and wake up: nothing changes.

The other run takes over the lease, which here runs out after a fraction of a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Store
from bronze_engine.publish.lease import LEASE_SECONDS
from bronze_engine.testing.stores import keys_of, read_all
from tests.integration.azurite import Azurite
from tests.integration.fault_proxy import Exchange, FaultProxy, Request, fault_proxy
from tests.integration.s3_server import S3Server, s3_server
from tests.integration.store.places import Place, azure_place, local_place, s3_place
from tests.integration.store.run_server import Land
from tests.integration.store.runs import (
    COMMITTED,
    STATE001,
    Runs,
    assert_clean,
    small_parts,
    version_in,
)
from tests.killing import hidden_or_empty
from tests.unit.run.harness import partition_of

__all__ = ["s3_server", "small_parts"]

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MANIFEST = f"{partition_of()}/_metadata.json"
SHORT = 0.8
"""Seconds that a lease lasts: longer than Azurite takes to answer on a busy machine."""

STOPS = ["in the source", "before completing", "before the commit", "after the commit"]
AGAIN = pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])


async def operations_of(runs: Runs, place: Place) -> list[tuple[str, str]]:
    """What a run does to the store, in order."""
    file = place.folder / "operations.json"
    command = Land(folder=str(place.folder), version=1, operations=str(file))
    assert await runs.run(command) == COMMITTED
    operations: list[tuple[str, str]] = msgspec.json.decode(
        file.read_bytes(), type=list[tuple[str, str]]
    )
    return operations


def first(operations: list[tuple[str, str]], method: str, key: str = "") -> int:
    """The number of the first such operation, from 1."""
    return next(
        at for at, (one, of) in enumerate(operations, 1) if one == method and of.endswith(key)
    )


def stopping(stop: str, place: Place) -> Land:
    """A run that stops there, and whose lease has to be renewed when it wakes."""
    land = Land(folder=str(place.folder), version=2, lease_seconds=SHORT, renew_seconds=SHORT / 3)
    match stop:
        case "in the source":
            land.stops_reading = True
        case "before completing":
            land.on, land.fault = ("complete", ""), "stop_before"
        case "before the commit":
            land.on, land.fault = ("put", MANIFEST), "stop_before"
        case "after the commit":
            land.on, land.fault = ("put", MANIFEST), "stop_after"
        case "amid the put":
            land.stops_renaming = "_metadata.json"
    return land


async def is_overtaken(runs: Runs, place: Place, land: Land, *, before: int | None) -> int | None:
    """Stop a run, have another one commit, continue the first; how that ends.

    What the other has committed is there, byte for byte, before and after.
    """
    pid = await runs.until_stopped(land)
    async with place.opened() as store:
        assert await version_in(store) in {before, land.version}
        other = Land(
            folder=str(place.folder),
            version=3,
            lease_seconds=SHORT,
            put_seconds=SHORT,
            wait_seconds=30,
        )
        assert await runs.run(other) == COMMITTED
        held = await content(store)
        status = await runs.resume(pid)
        assert await content(store) == held
        assert await version_in(store) == 3
        await assert_clean(store)
        assert await runs.run(Land(folder=str(place.folder), version=4)) == COMMITTED
        assert await version_in(store) == 4
        await assert_clean(store)
    return status


async def content(store: Store) -> dict[str, bytes]:
    """Every visible object but run reports."""
    keys = [key for key in await keys_of(store) if not key.startswith("_runs/")]
    return {key: await read_all(store, key) for key in keys}


async def stop_and_overtake(runs: Runs, place: Place, stop: str, again: bool) -> None:
    if again:
        assert await runs.run(Land(folder=str(place.folder), version=1)) == COMMITTED
    status = await is_overtaken(runs, place, stopping(stop, place), before=1 if again else None)
    assert status == (COMMITTED if stop == "after the commit" else STATE001)


@pytest.mark.asyncio
@AGAIN
@pytest.mark.parametrize("stop", [*STOPS, "amid the put"])
async def test_on_local_disk(runs: Runs, tmp_path: Path, stop: str, again: bool) -> None:
    place = local_place(tmp_path / "run")
    await stop_and_overtake(runs, place, stop, again)
    assert hidden_or_empty(tmp_path) == []


@pytest.mark.asyncio
@AGAIN
@pytest.mark.parametrize("stop", STOPS)
async def test_on_s3(
    runs: Runs, tmp_path: Path, s3_server: S3Server, stop: str, again: bool
) -> None:
    place = s3_place(tmp_path / "run", s3_server.url, "s3://lake/run")
    await stop_and_overtake(runs, place, stop, again)
    assert s3_server.bucket("lake").uploads == {}


@pytest.mark.asyncio
@AGAIN
@pytest.mark.parametrize("stop", STOPS)
async def test_on_azurite(
    runs: Runs, tmp_path: Path, azurite: Azurite, stop: str, again: bool
) -> None:
    container = await azurite.container()
    place = azure_place(tmp_path / "run", azurite.origin, f"az://{container}/run")
    await stop_and_overtake(runs, place, stop, again)


async def overtake_amid_request(
    runs: Runs, proxy: FaultProxy, stopped: Place, other: Place, *, is_applied: bool
) -> int | None:
    """The put of the manifest is on its way when its sender stops, and arrives only after
    another run has committed; or it has arrived, and its answer is still on its way."""
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    is_stopped = asyncio.Event()
    is_overtaken = asyncio.Event()

    async def stop(exchange: Exchange) -> None:
        body = await exchange.body()
        answer = await exchange.ask(body) if is_applied else None
        os.kill(await pid, signal.SIGSTOP)
        is_stopped.set()
        await is_overtaken.wait()
        head, rest = answer or await exchange.ask(body)
        await exchange.give(head + rest)

    proxy.fail(stop, when=is_commit)
    pid.set_result(
        runs.start(
            Land(
                folder=str(stopped.folder), version=2, lease_seconds=SHORT, renew_seconds=SHORT / 3
            )
        )
    )
    assert await runs.wait() == (await pid, None)
    await is_stopped.wait()
    async with other.opened() as store:
        command = Land(folder=str(other.folder), version=3, lease_seconds=SHORT, wait_seconds=30)
        assert await runs.run(command) == COMMITTED
        held = await content(store)
        is_overtaken.set()
        status = await runs.resume(await pid)
        assert await content(store) == held
        assert await version_in(store) == 3
        await assert_clean(store)
        assert await runs.run(Land(folder=str(other.folder), version=4)) == COMMITTED
        assert await version_in(store) == 4
        await assert_clean(store)
    return status


def is_commit(request: Request) -> bool:
    return request.method == "PUT" and request.path.endswith("/_metadata.json")


APPLIED = pytest.mark.parametrize("is_applied", [False, True], ids=["arrives late", "unanswered"])


@pytest.mark.asyncio
@APPLIED
async def test_amid_the_put_to_s3(
    runs: Runs, tmp_path: Path, s3_server: S3Server, is_applied: bool
) -> None:
    async with fault_proxy(s3_server.url) as proxy:
        stopped = s3_place(tmp_path / "stopped", proxy.origin, "s3://lake/run")
        other = s3_place(tmp_path / "other", s3_server.url, "s3://lake/run")
        status = await overtake_amid_request(runs, proxy, stopped, other, is_applied=is_applied)
    assert status == (COMMITTED if is_applied else STATE001)


@pytest.mark.asyncio
@APPLIED
async def test_amid_the_put_to_azurite(
    runs: Runs, tmp_path: Path, azurite: Azurite, is_applied: bool
) -> None:
    url = f"az://{await azurite.container()}/run"
    async with fault_proxy(azurite.origin) as proxy:
        stopped = azure_place(tmp_path / "stopped", proxy.origin, url)
        other = azure_place(tmp_path / "other", azurite.origin, url)
        status = await overtake_amid_request(runs, proxy, stopped, other, is_applied=is_applied)
    assert status == (COMMITTED if is_applied else STATE001)


@pytest.mark.asyncio
async def test_at_every_operation_from_completing_on(runs: Runs, tmp_path: Path) -> None:
    """On local disk: whatever it was about to do, it does no harm."""
    plain = local_place(tmp_path / "plain")
    await operations_of(runs, plain)
    operations = await operations_of(runs, plain)
    commit = first(operations, "put", MANIFEST)
    for at in range(first(operations, "complete"), len(operations) + 1):
        place = local_place(tmp_path / str(at))
        assert await runs.run(Land(folder=str(place.folder), version=1)) == COMMITTED
        land = Land(
            folder=str(place.folder), version=2, lease_seconds=SHORT, at=at, fault="stop_before"
        )
        status = await is_overtaken(runs, place, land, before=1)
        assert status == (STATE001 if at <= commit else COMMITTED), operations[at - 1]
    assert hidden_or_empty(tmp_path) == []


@pytest.mark.asyncio
async def test_lease_of_a_stopped_run_lasts_30_seconds(runs: Runs, tmp_path: Path) -> None:
    place = local_place(tmp_path / "run")
    pid = await runs.until_stopped(Land(folder=str(place.folder), version=1, stops_reading=True))
    began = SYSTEM_CLOCK.monotonic()
    other = Land(folder=str(place.folder), version=2)
    assert await runs.run(other) == STATE001
    other.wait_seconds = LEASE_SECONDS + 10
    assert await runs.run(other) == COMMITTED
    assert LEASE_SECONDS - 1 < SYSTEM_CLOCK.monotonic() - began < LEASE_SECONDS + 10
    assert await runs.resume(pid) == STATE001
    async with place.opened() as store:
        assert await version_in(store) == 2
        await assert_clean(store)
    assert hidden_or_empty(tmp_path) == []
