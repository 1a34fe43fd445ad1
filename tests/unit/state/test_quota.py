"""The ledger of daily quotas: compare-and-set, lost answers, and several processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta

import pytest

from bronze_engine.contracts import Store
from bronze_engine.errors import StateError, StoreError
from bronze_engine.model.part import ANY
from bronze_engine.state.quota import QuotaLedger, quota_key
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, inject

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]

DAY = date(2025, 1, 15)
NAME = "api/shop"


def opener(store: Store) -> Callable[[], Awaitable[Store]]:
    async def open_store() -> Store:
        return store

    return open_store


async def test_blocks_are_granted_until_the_day_has_none_left() -> None:
    ledger = QuotaLedger(opener(MemoryStore(ManualClock())))
    assert [await ledger.take(NAME, DAY, 25, 10) for _ in range(4)] == [10, 10, 5, 0]
    assert await ledger.take(NAME, DAY + timedelta(days=1), 25, 10) == 10
    assert await ledger.take("api/crm", DAY, 25, 10) == 10


async def test_processes_side_by_side_never_get_more_than_the_limit() -> None:
    store = MemoryStore(ManualClock())
    ledgers = [QuotaLedger(opener(store)) for _ in range(8)]
    granted = await asyncio.gather(*(ledger.take(NAME, DAY, 55, 10) for ledger in ledgers))
    assert sorted(granted) == [0, 0, 5, 10, 10, 10, 10, 10]


async def test_what_is_given_back_is_there_for_others_the_same_day() -> None:
    ledger = QuotaLedger(opener(MemoryStore(ManualClock())))
    await ledger.take(NAME, DAY, 10, 10)
    await ledger.give_back(NAME, DAY, 4)
    assert await ledger.take(NAME, DAY, 10, 10) == 4
    await ledger.take(NAME, DAY + timedelta(days=1), 10, 10)
    await ledger.give_back(NAME, DAY, 4)
    assert await ledger.take(NAME, DAY + timedelta(days=1), 10, 10) == 0


async def test_a_clock_that_is_behind_counts_against_the_later_day() -> None:
    ledger = QuotaLedger(opener(MemoryStore(ManualClock())))
    await ledger.take(NAME, DAY + timedelta(days=1), 10, 7)
    assert await ledger.take(NAME, DAY, 10, 7) == 3


async def test_a_block_whose_answer_was_lost_counts_as_taken() -> None:
    store = inject(MemoryStore(ManualClock()), 2, "fail_after")
    ledger = QuotaLedger(opener(store))
    assert await ledger.take(NAME, DAY, 15, 10) == 5
    assert await ledger.take(NAME, DAY, 15, 10) == 0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"nonsense", "is no count of a daily quota"),
        (b'{"format_version": 2, "day": "2025-01-15", "taken": 1}', "newer bronze-engine"),
    ],
)
async def test_an_object_that_can_t_be_read_is_no_leave_to_send(body: bytes, message: str) -> None:
    store = MemoryStore(ManualClock())
    await store.put(quota_key(NAME), body, expect=ANY)
    with pytest.raises(StateError, match=message):
        await QuotaLedger(opener(store)).take(NAME, DAY, 10, 1)


async def test_a_store_that_fails_is_no_leave_to_send() -> None:
    store = inject(MemoryStore(ManualClock()), 2, "fail_before")
    with pytest.raises(StoreError, match="injected"):
        await QuotaLedger(opener(store)).take(NAME, DAY, 10, 1)
    assert store.script.fired
