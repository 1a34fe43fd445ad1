"""Run reports and kept rejects lie where the design says."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from bronze_engine.errors import StateError
from bronze_engine.model.part import ANY
from bronze_engine.model.report import RunReport
from bronze_engine.state import reports
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import inject
from bronze_engine.testing.stores import keys_of

pytestmark = pytest.mark.unit

DAY = date(2025, 1, 15)
REPORT = RunReport(
    pipeline="team.orders",
    system="shop",
    entity="orders",
    run_date=DAY,
    run="r1",
    attempt="a1",
    status="committed",
    partition="shop/orders/dt=2025-01-15",
    started_at=datetime(2025, 1, 15, tzinfo=UTC),
    seconds=1.5,
)


@pytest.mark.asyncio
async def test_report_is_written_and_read_back() -> None:
    store = MemoryStore()
    assert await reports.write(store, REPORT) == ()
    assert await keys_of(store) == ["_runs/shop/orders/2025-01-15/r1.json"]
    assert await reports.read(store, "shop", "orders", DAY, "r1") == REPORT
    assert await reports.read(store, "shop", "orders", DAY, "r2") is None
    assert await reports.write(store, REPORT) == ()


@pytest.mark.asyncio
async def test_report_that_can_not_be_written_is_a_warning() -> None:
    for fault in ("fail_before", "fail_after"):
        (warning,) = await reports.write(inject(MemoryStore(), 1, fault), REPORT)
        assert "r1.json was not written" in warning


@pytest.mark.asyncio
async def test_unreadable_report_is_state001() -> None:
    store = MemoryStore()
    await store.put(reports.report_key("shop", "orders", DAY, "r1"), b"{", expect=ANY)
    with pytest.raises(StateError, match="no run report"):
        await reports.read(store, "shop", "orders", DAY, "r1")


def test_rejected_records_lie_beside_the_report() -> None:
    key = reports.rejected_key("shop", "orders", DAY, "r1")
    assert key == "_runs/shop/orders/2025-01-15/r1.rejected.jsonl.zst"
