"""Work under a lease is done, or it is known that it was not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bronze_engine.errors import ExtractError
from bronze_engine.flow import CANCELLED_WITHIN
from bronze_engine.model.part import Expect, Version
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, Pause, ScriptedSource, page
from tests.unit.run.harness import DAY, NAME, Bench, is_idle

pytestmark = pytest.mark.unit


put = MemoryStore.put


async def cancels_who_renews(
    store: MemoryStore, key: str, body: bytes, /, *, expect: Expect
) -> Version:
    """A library that cancels the task that calls, as one does whose own timeout goes wrong."""
    if key.endswith(".lease") and isinstance(expect, str):
        raise asyncio.CancelledError
    return await put(store, key, body, expect=expect)


@pytest.mark.asyncio
async def test_a_library_that_cancels_who_renews_the_lease_ends_the_run_in_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryStore, "put", cancels_who_renews)
    clock = ManualClock()
    bench = Bench(tmp_path, store=MemoryStore(clock))
    source = ScriptedSource([[page(1), Pause(60.0), page(2)]])
    async with bench.engine(source, clock=clock) as engine:
        with pytest.raises(RuntimeError, match=CANCELLED_WITHIN):
            await clock.drive(engine.run(NAME, run_date=DAY))
        assert is_idle(engine)
    assert not [key for key in await bench.left() if key.endswith(".parquet")]


@pytest.mark.asyncio
async def test_the_error_of_a_run_keeps_what_it_came_from(tmp_path: Path) -> None:
    fault = ExtractError("the wire broke")
    fault.__cause__ = ConnectionResetError("by peer")
    bench = Bench(tmp_path)
    async with bench.engine(ScriptedSource([[page(1), fault]])) as engine:
        with pytest.raises(ExtractError, match="the wire broke") as caught:
            await engine.run(NAME, run_date=DAY)
    assert isinstance(caught.value.__cause__, ConnectionResetError)
