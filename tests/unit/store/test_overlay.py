"""An overlay reads one store and writes to another, and to no key of the first."""

from __future__ import annotations

import pytest

from bronze_engine.errors import StoreError
from bronze_engine.model.part import ANY
from bronze_engine.store.memory import MemoryStore
from bronze_engine.store.overlay import Overlay
from bronze_engine.testing.stores import keys_of

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


async def test_what_is_ours_lies_above_and_all_else_below() -> None:
    below, above = MemoryStore(), MemoryStore()
    for key in ("bronze/a", "table/a"):
        await below.put(key, b"below", expect=ANY)
    store = Overlay(below, above, lambda key: key.startswith("table/"))
    found = await store.get("bronze/a")
    assert found is not None
    assert found.body == b"below"
    assert await store.get("table/a") is None
    assert [info.key async for info in store.scan("table/")] == []
    await store.put("table/b", b"above", expect=ANY)
    async with store.read("table/b") as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"above"
    await store.delete("table/b")
    assert [info.key async for info in store.scan("bronze/")] == ["bronze/a"]
    assert await keys_of(below) == ["bronze/a", "table/a"]
    assert store.url == below.url


async def test_nothing_below_is_written() -> None:
    below, above = MemoryStore(), MemoryStore()
    await below.put("bronze/a", b"below", expect=ANY)
    store = Overlay(below, above, lambda key: key.startswith("table/"))
    with pytest.raises(StoreError, match="bronze/b would be written"):
        await store.put("bronze/b", b"", expect=ANY)
    with pytest.raises(StoreError, match="bronze/a would be written"):
        await store.delete("bronze/a")
    with pytest.raises(StoreError, match="bronze/b would be written"):
        store.stage("bronze/b")
    assert await keys_of(below) == ["bronze/a"]
    assert await keys_of(above) == []
