"""Small files of ours of which a byte was flipped: told or left out, never a fault of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date

import pytest

from bronze_engine.errors import StateError
from bronze_engine.model.part import ANY
from bronze_engine.publish.checksums import read_checksums
from bronze_engine.publish.lease import find_holder, lease_key
from bronze_engine.state import batches, checkpoints, claims, hint, overrides, reports
from bronze_engine.store.memory import MemoryStore

pytestmark = pytest.mark.unit

DAY = date(2025, 1, 15)
NO_TEXT = b"""{"format_version": 1, "run": "\xff", "batch": "\xff", "pipeline": "\xff",
    "holder": {"run": "\xff"}, "override": {"id": "\xff"}, "low": "\xff"}"""
"""JSON but for bytes that no UTF-8 has."""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("key", "read"),
    [
        (checkpoints.key_of("s", "e", DAY), lambda store: checkpoints.read(store, "s", "e", DAY)),
        (hint.key_of("s", "e"), lambda store: hint.read(store, "s", "e")),
        (lease_key("s", "e", DAY), lambda store: find_holder(store, lease_key("s", "e", DAY))),
        ("s/e/dt=2025-01-15/_checksums.json", lambda s: read_checksums(s, "s/e/dt=2025-01-15")),
    ],
)
async def test_what_can_be_made_anew_is_left_out(
    key: str, read: Callable[[MemoryStore], Awaitable[object]]
) -> None:
    store = MemoryStore()
    await store.put(key, NO_TEXT, expect=ANY)
    assert await read(store) in (None, (None, "v1"))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("key", "read"),
    [
        (claims.key_of("s", "e"), lambda store: claims.read(store, "s", "e")),
        (overrides.key_of("s", "e"), lambda store: overrides.read(store, "s", "e")),
        (
            reports.report_key("s", "e", DAY, "r1"),
            lambda store: reports.read(store, "s", "e", DAY, "r1"),
        ),
    ],
)
async def test_what_nobody_else_knows_is_state001(
    key: str, read: Callable[[MemoryStore], Awaitable[object]]
) -> None:
    store = MemoryStore()
    await store.put(key, NO_TEXT, expect=ANY)
    with pytest.raises(StateError, match="remove it"):
        await read(store)


def test_the_report_of_a_batch_is_state001() -> None:
    with pytest.raises(StateError, match="no report of a batch"):
        batches.decode(NO_TEXT, "_runs/_batches/2025-01-15/b.json")
