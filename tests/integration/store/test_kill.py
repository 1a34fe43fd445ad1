"""kill -9 of whole runs, at every operation of the store and amid requests.

A reader sees all of the old partition or all of the new one, and the next run leaves nothing
behind: no orphan, no staged file, no open upload, no lease, nothing of a preflight.

No state is visited twice: killed after an operation, or once its last request was applied, a
run leaves what one leaves that is killed before the next operation. So operations are those of
first runs over the network, and the requests those of re-runs.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import anyio
import pytest
from azure.storage.blob.aio import ContainerClient

from tests.integration.azurite import ACCOUNT, KEY, Azurite
from tests.integration.fault_proxy import Exchange, FaultProxy, Request, fault_proxy
from tests.integration.s3_server import S3Server, s3_server
from tests.integration.store.places import Place, azure_place, local_place, s3_place
from tests.integration.store.run_server import Land
from tests.integration.store.runs import (
    COMMITTED,
    KILLED,
    Runs,
    assert_clean,
    small_parts,
    version_in,
)
from tests.killing import hidden_or_empty

__all__ = ["s3_server", "small_parts"]

# Each has a hundred processes or more: half a minute, and several where the machine is busy.
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

POINTS = 40
"""A run has more operations than this; an enumeration that ends before is broken."""

PlaceOf = Callable[[int, str], Place]
"""By the lane and a name that nothing else has."""
Kill = Callable[[Runs, Place, int], Awaitable[int | None]]
"""Lands version 2, and kills that run at the n-th point; how it ended."""


async def kill_everywhere(
    lanes: tuple[Runs, ...], place_of: PlaceOf, kill: Kill, *, again: bool, points: int = POINTS
) -> None:
    """First runs each in a place of its own; re-runs one after another, each over the last."""
    seen: dict[int, int | None] = {}
    todo = iter(range(1, 1000))
    is_done = False

    async def lane(number: int, runs: Runs) -> None:
        nonlocal is_done
        before = None
        if again:
            place = place_of(number, f"lane-{number}")
            assert await runs.run(Land(folder=str(place.folder), version=1)) == COMMITTED
            before = 1
        while not is_done:
            at = next(todo)
            if not again:
                place = place_of(number, f"point-{at}")
            if await kill(runs, place, at) == COMMITTED:
                is_done = True
                return
            seen[at] = await survives(runs, place, before)
            before = 3 if again else None

    async with anyio.create_task_group() as tasks:
        for number, runs in enumerate(lanes):
            tasks.start_soon(lane, number, runs)
    told = [seen[at] for at in sorted(seen)]
    assert len(told) > points
    assert told[0] != 2
    assert told[-1] == 2
    assert told == sorted(told, key=lambda version: version == 2), "once committed, always so"


async def survives(runs: Runs, place: Place, before: int | None) -> int | None:
    """Judge what a killed run has left, run again, and judge that; returns what was seen."""
    async with place.opened() as store:
        seen = await version_in(store)
        assert seen in {before, 2}
        again = Land(folder=str(place.folder), version=3, is_later=True)
        assert await runs.run(again) == COMMITTED
        assert await version_in(store) == 3
        await assert_clean(store)
    return seen


async def before_operation(runs: Runs, place: Place, at: int) -> int | None:
    status = await runs.run(Land(folder=str(place.folder), version=2, at=at, fault="kill_before"))
    assert status in {COMMITTED, KILLED}
    return status


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])
async def test_at_every_operation_on_local_disk(
    lanes: tuple[Runs, Runs], tmp_path: Path, again: bool
) -> None:
    def place_of(_: int, name: str) -> Place:
        return local_place(tmp_path / name)

    await kill_everywhere(lanes, place_of, before_operation, again=again)
    assert hidden_or_empty(tmp_path) == []


@pytest.mark.asyncio
async def test_at_every_operation_on_s3(
    lanes: tuple[Runs, Runs], tmp_path: Path, s3_server: S3Server
) -> None:
    def place_of(_: int, name: str) -> Place:
        return s3_place(tmp_path / name, s3_server.url, f"s3://lake/{name}")

    await kill_everywhere(lanes, place_of, before_operation, again=False)
    assert s3_server.bucket("lake").uploads == {}


@pytest.mark.asyncio
async def test_at_every_operation_on_azurite(
    lanes: tuple[Runs, Runs], tmp_path: Path, azurite: Azurite
) -> None:
    container = await azurite.container()

    def place_of(_: int, name: str) -> Place:
        return azure_place(tmp_path / name, azurite.origin, f"az://{container}/{name}")

    await kill_everywhere(lanes, place_of, before_operation, again=False)
    assert await uncommitted(azurite, container) == []


Phase = Literal["half", "applied"]
"""When the process dies: half of a body has arrived; it is done, and nobody is told yet."""

WIRE = pytest.mark.parametrize(
    ("phase", "again"), [("applied", True), ("half", False)], ids=["applied", "half sent"]
)


def at_request(proxies: dict[Path, FaultProxy], phase: Phase) -> Kill:
    """Kills in the middle of the n-th request; where half is sent, of those with a body."""

    async def kill(runs: Runs, place: Place, at: int) -> int | None:
        pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def die(exchange: Exchange) -> None:
            if phase == "half":
                await exchange.ask_half()
            else:
                await exchange.ask(await exchange.body())
            os.kill(await pid, signal.SIGKILL)

        proxy = proxies[place.folder]
        proxy.heal()
        proxy.fail(die, when=has_body if phase == "half" else has_any, after=at - 1)
        pid.set_result(runs.start(Land(folder=str(place.folder), version=2)))
        _, status = await runs.wait()
        assert status in {COMMITTED, KILLED}
        proxy.heal()
        return status

    return kill


def has_body(request: Request) -> bool:
    return int(request.headers.get("content-length", 0)) > 1


def has_any(_: Request) -> bool:
    return True


@pytest.mark.asyncio
@WIRE
async def test_amid_every_request_to_s3(
    lanes: tuple[Runs, Runs], tmp_path: Path, s3_server: S3Server, phase: Phase, again: bool
) -> None:
    async with fault_proxy(s3_server.url) as one, fault_proxy(s3_server.url) as two:
        proxies: dict[Path, FaultProxy] = {}

        def place_of(lane: int, name: str) -> Place:
            proxies[tmp_path / name] = proxy = (one, two)[lane]
            return s3_place(tmp_path / name, proxy.origin, f"s3://lake/{name}")

        points = 20 if phase == "half" else POINTS
        await kill_everywhere(
            lanes, place_of, at_request(proxies, phase), again=again, points=points
        )
    assert s3_server.bucket("lake").uploads == {}


@pytest.mark.asyncio
@WIRE
async def test_amid_every_request_to_azurite(
    lanes: tuple[Runs, Runs], tmp_path: Path, azurite: Azurite, phase: Phase, again: bool
) -> None:
    container = await azurite.container()
    async with fault_proxy(azurite.origin) as one, fault_proxy(azurite.origin) as two:
        proxies: dict[Path, FaultProxy] = {}

        def place_of(lane: int, name: str) -> Place:
            proxies[tmp_path / name] = proxy = (one, two)[lane]
            return azure_place(tmp_path / name, proxy.origin, f"az://{container}/{name}")

        points = 20 if phase == "half" else POINTS
        await kill_everywhere(
            lanes, place_of, at_request(proxies, phase), again=again, points=points
        )
    assert await uncommitted(azurite, container) == []


async def uncommitted(azurite: Azurite, container: str) -> list[str]:
    """Blobs of which there are only blocks."""
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    async with ContainerClient(azurite.url, container, credential=credential) as client:
        every = [blob.name async for blob in client.list_blobs(include=["uncommittedblobs"])]
        visible = {blob.name async for blob in client.list_blobs()}
    return [name for name in every if name not in visible]
