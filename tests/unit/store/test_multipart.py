"""Parts on their way: waited for, and what became of them told."""

from __future__ import annotations

import anyio
import pytest

from bronze_engine.errors import StoreError
from bronze_engine.model.part import Part
from bronze_engine.store.multipart import Parts
from bronze_engine.testing.stores import parts_of

pytestmark = pytest.mark.unit

PARTS = parts_of(b"abcdefgh", 4)


@pytest.mark.asyncio
async def test_settle_waits_until_no_part_is_on_its_way() -> None:
    released = anyio.Event()
    arrived: list[int] = []

    async def send(part: Part) -> str:
        await released.wait()
        arrived.append(part.number)
        return "tag"

    parts = Parts("k", send)
    await parts.settle()
    for part in PARTS:
        await parts.add(part)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.settle)
        await anyio.wait_all_tasks_blocked()
        assert arrived == []
        released.set()
    assert sorted(arrived) == [1, 2]
    await parts.aclose()


@pytest.mark.asyncio
async def test_settle_tells_what_a_part_failed_with() -> None:
    async def send(part: Part) -> str:
        raise StoreError(f"part {part.number} is refused")

    parts = Parts("k", send)
    await parts.add(PARTS[0])
    with pytest.raises(StoreError, match="part 1 is refused"):
        await parts.settle()
    await parts.aclose()
