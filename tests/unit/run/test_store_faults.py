"""Every operation of the store fails once in every way, in a whole run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import BronzeError, CommitUnknown
from bronze_engine.model.report import RunReport
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import Fault, ScriptedSource, inject, page
from bronze_engine.testing.clock import ManualClock
from tests.unit.run.harness import (
    DAY,
    NAME,
    config_of,
    is_idle,
    left_in,
    manifest_of,
    opened,
    table_of,
    unowned,
)

pytestmark = pytest.mark.unit

LIMITS = (
    "output.row_group_rows=3",
    "output.max_rows_per_file=3",
    "quality.max_bad_rows=1",
    "source.capture=pages",
)
ROWS = 6


def source(version: int) -> ScriptedSource:
    rows = [{"id": number, "version": version} for number in range(ROWS)]
    return ScriptedSource([[page(1, *rows, captured=True), page(2, b"{", captured=True)]])


async def run(
    folder: Path,
    store: MemoryStore,
    version: int,
    at: int = 0,
    fault: Fault = "fail_before",
) -> tuple[RunReport | BronzeError, bool]:
    """How the run ended, and whether it had an operation `at`."""
    faulty = inject(store, at, fault)
    tasks = asyncio.all_tasks()
    async with opened(
        config_of(*LIMITS, folder=folder), source(version), store=faulty, clock=SYSTEM_CLOCK
    ) as engine:
        ended: RunReport | BronzeError
        try:
            ended = await engine.run(NAME, run_date=DAY)
        except BronzeError as exc:
            ended = exc
        assert is_idle(engine)
    assert asyncio.all_tasks() == tasks
    return ended, len(faulty.script.operations) >= at


async def version_of(store: MemoryStore) -> int | None:
    manifest = await manifest_of(store)
    if manifest is None:
        return None
    assert [file.page_count for file in manifest.pages] == [2]
    rows = (await table_of(store)).to_pylist()
    assert [row["id"] for row in rows] == list(range(ROWS))
    (version,) = {row["version"] for row in rows}
    assert isinstance(version, int)
    return version


@pytest.mark.asyncio
@pytest.mark.parametrize("before", [None, 1], ids=["first run", "re-run"])
@pytest.mark.parametrize("fault", ["fail_before", "fail_after", "lost"])
async def test_a_store_that_fails_anywhere_leaves_old_or_new_and_the_next_run_mends_it(
    tmp_path: Path, fault: Fault, before: int | None
) -> None:
    at, outcomes = 0, set[str]()
    happened = True
    while happened:
        at += 1
        clock = ManualClock()  # the store's own
        store = MemoryStore(clock)
        if before is not None:
            await run(tmp_path, store, before)
        ended, happened = await run(tmp_path, store, 2, at, fault)
        seen = await version_of(store)
        if isinstance(ended, RunReport):
            assert seen == 2
            outcomes.add("degraded" if ended.degraded else "committed")
        elif isinstance(ended, CommitUnknown):
            outcomes.add("unknown")
        else:
            assert seen == before
            # A lease whose put was lost looks like one that another run has just given back.
            assert ended.code == "STG001" or (fault == "lost" and ended.code == "STATE001")
            outcomes.add("failed")
        await clock.advance(120)  # a lease that could not be given back has run out
        await run(tmp_path, store, 3)
        assert await version_of(store) == 3
        assert unowned(await left_in(store), await manifest_of(store)) == []
    assert at > 25
    assert {"committed", "degraded", "failed"} <= outcomes
