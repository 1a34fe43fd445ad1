"""An override is written and marked by compare-and-set, whatever the store does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from bronze_engine.errors import StateError, StoreError
from bronze_engine.model.neighbours import Neighbours
from bronze_engine.model.override import Override
from bronze_engine.model.part import ANY
from bronze_engine.state import hint, overrides
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import Fault, FaultyStore, Script, inject
from bronze_engine.testing.stores import read_all

from .test_partitions import commit, january, manifest_of

pytestmark = pytest.mark.unit

KEY = overrides.key_of("shop", "orders")


def override(name: str = "o1", **fields: Any) -> Override:
    when = datetime(2025, 1, 15, tzinfo=UTC)
    return Override(id=name, value="5", who="ana", when=when, **fields)


@pytest.mark.asyncio
async def test_a_mark_is_put_only_on_the_override_that_was_used() -> None:
    store = MemoryStore()
    assert KEY == "_state/shop/orders.override"
    await overrides.put(store, "shop", "orders", override())
    used = msgspec.structs.replace(manifest_of(january(1)), override=override())
    other = msgspec.structs.replace(used, override=override("o2"))
    for manifest in (manifest_of(january(1)), other):
        assert await overrides.mark_used(store, manifest) == ()
        kept = await overrides.read(store, "shop", "orders")
        assert kept is not None
        assert kept.used_by is None
    for _ in range(2):
        assert await overrides.mark_used(store, used) == ()
        kept = await overrides.read(store, "shop", "orders")
        assert kept is not None
        assert kept.used_by is not None
        assert kept.used_by.run == "run-2025-01-01"
    await overrides.put(store, "shop", "orders", override("o3"))
    kept = await overrides.read(store, "shop", "orders")
    assert kept is not None
    assert (kept.override.id, kept.used_by) == ("o3", None)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["fail_after", "lost"])
async def test_a_lost_answer_is_found_out(fault: Fault) -> None:
    store = inject(MemoryStore(), 2, fault)
    await overrides.put(store, "shop", "orders", override())
    assert store.script.fired
    again = inject(store, 2, fault)
    used = msgspec.structs.replace(manifest_of(january(1)), override=override())
    assert await overrides.mark_used(again, used) == ()
    kept = await overrides.read(store, "shop", "orders")
    assert kept is not None
    assert kept.used_by is not None


@pytest.mark.asyncio
async def test_a_fault_of_the_store_fails_the_command_and_no_commit() -> None:
    for at in (1, 2):
        with pytest.raises(StoreError):
            await overrides.put(inject(MemoryStore(), at, "fail_before"), "a", "b", override())
    used = msgspec.structs.replace(manifest_of(january(1)), override=override())
    (warning,) = await overrides.mark_used(inject(MemoryStore(), 1, "fail_before"), used)
    assert KEY in warning


@pytest.mark.asyncio
async def test_one_of_a_newer_version_is_left_alone() -> None:
    store = MemoryStore()
    await overrides.put(store, "shop", "orders", override())
    body = (await read_all(store, KEY)).replace(b'"format_version": 1', b'"format_version": 2', 1)
    await store.put(KEY, body, expect=ANY)
    with pytest.raises(StateError, match="upgrade"):
        await overrides.put(store, "shop", "orders", override("o2"))
    assert await read_all(store, KEY) == body


def test_only_the_newest_date_has_an_override_to_use() -> None:
    newest = manifest_of(january(5))
    kept = overrides.Kept(override=override(after=january(5), epoch=1))
    used = msgspec.structs.replace(newest, override=kept.override)
    cases: list[tuple[Neighbours, bool]] = [
        (Neighbours(earlier=newest), True),
        (Neighbours(own=newest), True),
        (Neighbours(earlier=newest, later=manifest_of(january(9))), False),
        (Neighbours(earlier=manifest_of(january(6))), False),
        (Neighbours(earlier=manifest_of(january(5), epoch=2)), False),
        (Neighbours(earlier=used), False),
        (Neighbours(), False),
    ]
    for around, expected in cases:
        assert (overrides.pending(kept, around) is not None) == expected
    first = overrides.Kept(override=override())
    assert overrides.pending(first, Neighbours()) is not None
    assert overrides.pending(None, Neighbours()) is None


@pytest.mark.asyncio
async def test_a_commit_during_a_rebuild_is_not_written_over() -> None:
    store = MemoryStore()
    for day in (3, 1, 2):
        await commit(store, manifest_of(january(day)))

    class Raced(FaultyStore):
        """Another run commits, and advances the hint, right before the first put."""

        is_raced = False

        async def put(self, key: str, body: bytes, /, *, expect: Any) -> str:
            if key == hint.key_of("shop", "orders") and not self.is_raced:
                self.is_raced = True
                await commit(store, manifest_of(january(4)))
                await hint.advance(store, manifest_of(january(4)))
            return await super().put(key, body, expect=expect)

    rebuilt = await hint.rebuild(Raced(store, Script()), "shop", "orders")
    assert rebuilt.after is not None
    assert (rebuilt.after.run_date, rebuilt.dates) == (january(4), 4)
    found = await hint.read(store, "shop", "orders")
    assert found == rebuilt.after


@pytest.mark.asyncio
async def test_a_hint_that_cannot_be_read_is_made_anew() -> None:
    store = MemoryStore()
    await commit(store, manifest_of(january(1), epoch=2))
    await commit(store, manifest_of(january(2)))
    await store.put(hint.key_of("shop", "orders"), b"{", expect=ANY)
    rebuilt = await hint.rebuild(store, "shop", "orders")
    assert rebuilt.before is None
    assert rebuilt.after is not None
    assert rebuilt.after.run_date == january(1)  # of the newest epoch
