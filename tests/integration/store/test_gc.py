"""gc over real object stores, with the answer to each of its writes lost once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, StateError
from bronze_engine.testing.faults import Fault, inject
from bronze_engine.testing.stores import keys_of
from tests.integration.azurite import Azurite
from tests.integration.moto import Moto, moto
from tests.integration.store import azure_opened, s3_opened
from tests.unit.publish import runs
from tests.unit.publish.dead import collect, garbage_in, leave
from tests.unit.publish.runs import assert_clean, read_partition, whole_run

__all__ = ["moto"]

pytestmark = pytest.mark.integration

Open = Callable[[str], AbstractAsyncContextManager[Store]]
"""Opens the store below a prefix of its own."""

FAULTS: tuple[Fault, ...] = ("fail_after", "lost")
WRITES = {"put", "delete", "discard"}
"""What fails before it is done, and reads, are the same over every store: see the unit tests."""


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["nothing committed", "committed"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_over_s3(
    fault: Fault, again: bool, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PART_BYTES", 5 * 1024**2)
    bucket = moto.bucket()
    await breaks(
        lambda prefix: s3_opened.opened(s3_opened.config_of(moto.url, f"s3://{bucket}/{prefix}")),
        fault,
        again=again,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["nothing committed", "committed"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_over_azure(fault: Fault, again: bool, azurite: Azurite) -> None:
    container = await azurite.container()
    await breaks(
        lambda prefix: azure_opened.opened(
            azure_opened.config_of(azurite.url, f"az://{container}/{prefix}")
        ),
        fault,
        again=again,
    )


async def breaks(open_store: Open, fault: Fault, *, again: bool) -> None:
    """A gc that breaks leaves the partition readable; the next one, and a run, finish it."""
    before = "r0" if again else None
    async with open_store("recorded") as store:
        await leave(store, SYSTEM_CLOCK, 1, again=again)
        recorded = inject(store)
        await collect(recorded, SYSTEM_CLOCK)
    for at, (method, key) in enumerate(recorded.script.operations, start=1):
        if method not in WRITES:
            continue
        where = f"{fault} at {at} ({method} {key})"
        async with open_store(f"{at}") as store:
            dead = await leave(store, SYSTEM_CLOCK, 1, again=again)
            faulty = inject(store, at, fault)
            with suppress(BronzeError):
                await collect(faulty, SYSTEM_CLOCK)
            assert faulty.script.fired, where
            assert await read_partition(store) == before, where
            await collect(store, SYSTEM_CLOCK, "second")
            assert await garbage_in(store) == [], where
            keys = await keys_of(store)
            with pytest.raises(StateError, match="committed generation"):
                await dead.wake()
            assert await read_partition(store) == before, where
            assert await keys_of(store) == keys, where
            await whole_run(store, "r2")
            await assert_clean(store, "r2")
