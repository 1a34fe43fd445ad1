"""A pipeline's life, played at random: whatever happens, the partitions hold the source.

Rows come, change, arrive late and go; dates are run in order, again, and out of order; a run
is cut off at any operation on its store: refused, answered too late, or dead. After each step
a reader finds every partition whole; at the end all that was visible has landed, nothing
twice, windows join, and nothing lies about that no manifest names.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bronze_engine.errors import BronzeError, StateError
from bronze_engine.model.manifest import Manifest, partition_path
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, ScriptedSource
from bronze_engine.testing.faults import Fault, inject
from tests.unit.run.harness import DAY, NAME, config_of, left_in, manifest_of, opened, table_of
from tests.unit.run.ledger import START, Ledger

pytestmark = [pytest.mark.unit, pytest.mark.slow]

EXAMPLES: Final = 2_000
LAG: Final = timedelta(seconds=30)
LOOKBACK: Final = timedelta(hours=1)
DAYS: Final = 4
OPERATIONS: Final = 40
"""A run has about so many on its store."""
LEASE_SECONDS: Final = 60.0
TRACE_SECONDS: Final = 2 * 3600.0
"""What a trial of the store has left may be removed after so long."""

faults: st.SearchStrategy[Fault] = st.sampled_from(
    ["fail_before", "fail_after", "lost", "die_before", "die_after", "cancel_before"]
)
Choice = tuple[str, int]
choices: st.SearchStrategy[Choice] = st.tuples(
    st.sampled_from(["next", "next", "again", "again", "any"]), st.integers(0, DAYS - 1)
)


class Life(RuleBasedStateMachine):
    """One pipeline with a chain of windows, over a store in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.Runner()
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.landed: set[int] = set()
        """Days that a run was begun for."""
        self.has_updates = False

    @initialize(looks_back=st.booleans(), is_bounded=st.booleans(), slices=st.integers(1, 3))
    def begin(self, *, looks_back: bool, is_bounded: bool, slices: int) -> None:
        overrides = ["load=incremental", "incremental.cursor=updated_at"]
        overrides += ["incremental.start_param=since", 'primary_key=["id"]']
        self.initial = f"{START:%Y-%m-%dT%H:%M:%SZ}" if is_bounded else None
        overrides += [f"incremental.initial={self.initial}"] * is_bounded
        late = f"lookback={LOOKBACK.seconds}s" if looks_back else f"lag={LAG.seconds}s"
        self.config = config_of(*overrides, f"incremental.{late}", folder=Path(self.folder.name))
        self.looks_back = looks_back
        self.ledger = Ledger(LOOKBACK - LAG if looks_back else LAG - timedelta(seconds=1))
        self.source = ScriptedSource(lambda request: self.ledger.answer(request, slices))

    @rule(count=st.integers(1, 3), late=st.booleans())
    def insert(self, *, count: int, late: bool) -> None:
        for _ in range(count):
            row = self.ledger.insert()
            if not late:
                self.ledger.commit(row)

    @precondition(lambda self: self.ledger.pending)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        self.ledger.commit(data.draw(st.sampled_from(self.ledger.pending)))

    @precondition(lambda self: self.ledger.visible)
    @rule(data=st.data(), late=st.booleans())
    def update(self, data: st.DataObject, *, late: bool) -> None:
        row = self.ledger.update(data.draw(st.sampled_from(sorted(self.ledger.visible))))
        if not late:
            self.ledger.commit(row)

    @precondition(lambda self: self.ledger.visible)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.ledger.delete(data.draw(st.sampled_from(sorted(self.ledger.visible))))

    @rule(seconds=st.sampled_from([0.001, 1, 31, 45 * 60]))
    def tick(self, seconds: float) -> None:
        self.ledger.tick(seconds)

    @rule(choice=choices, afresh=st.sampled_from([False, False, False, True]))
    def run(self, *, choice: Choice, afresh: bool) -> None:
        """Run a date; the newest may begin an epoch."""
        number = self._day(choice)
        afresh = afresh and number == max(self.landed, default=0)
        self.loop.run(self._run(number, full_refresh=afresh))

    @rule(choice=choices, at=st.integers(1, OPERATIONS), fault=faults)
    def cut_off(self, *, choice: Choice, at: int, fault: Fault) -> None:
        self.loop.run(self._cut_off(self._day(choice), at, fault))

    @rule()
    def collect(self) -> None:
        self.loop.run(self._collect())

    def _day(self, choice: Choice) -> int:
        """The next one, one that was run before, or any."""
        kind, number = choice
        if kind == "again" and self.landed:
            return sorted(self.landed)[number % len(self.landed)]
        if kind == "next":
            return min(DAYS - 1, max(self.landed, default=-1) + 1)
        return number

    def teardown(self) -> None:
        try:
            if hasattr(self, "ledger"):
                self.loop.run(self._end())
        finally:
            self.loop.close()
            self.folder.cleanup()

    async def _run(self, number: int, **options: Any) -> None:
        """A run without a fault: refused only where a later date holds everything."""
        self.landed.add(number)
        following = [await self._manifest(later) for later in range(number + 1, DAYS + 1)]
        later = next((each for each in following if each is not None), None)
        is_closed = later is not None and later.watermark is not None and not later.watermark.low
        clock = ManualClock()
        async with opened(self.config, self.source, store=self.store, clock=clock) as engine:
            try:
                await clock.drive(engine.run(NAME, run_date=day(number), **options))
            except StateError as exc:
                if not is_closed and "would leave" not in str(exc):
                    raise
        manifest = await self._manifest(number)
        if manifest is not None and not is_closed:
            assert await self._unowned([manifest], within=day(number)) == []
        await self._rows()

    async def _cut_off(self, number: int, at: int, fault: Fault) -> None:
        self.landed.add(number)
        clock = ManualClock()
        with anyio.CancelScope() as scope:
            store = inject(self.store, at, fault, cancel=scope.cancel)
            async with opened(self.config, self.source, store=store, clock=clock) as engine:
                with suppress(BronzeError):
                    await clock.drive(engine.run(NAME, run_date=day(number)))
        await self.clock.advance(LEASE_SECONDS)  # whoever died holds its lease no longer
        await self._rows()

    async def _collect(self) -> None:
        clock = ManualClock()
        async with opened(self.config, self.source, store=self.store, clock=clock) as engine:
            report = await clock.drive(engine.gc(NAME, delete=True))
        assert not report.faults, report

    async def _end(self) -> None:
        """The last date lands what is left, and is judged with all that landed before it."""
        for row in tuple(self.ledger.pending):
            self.ledger.commit(row)
        self.ledger.tick(LAG.seconds + 2)
        await self.clock.advance(TRACE_SECONDS)
        await self._run(DAYS)
        await self._collect()
        rows = await self._rows()
        assert self.ledger.faults(rows, twice=self.looks_back) == []
        manifests = [each for n in range(DAYS + 1) if (each := await self._manifest(n))]
        self._check_windows(manifests)
        assert await self._unowned(manifests) == []

    async def _rows(self) -> list[dict[str, Any]]:
        """The union: the rows of all dates of the newest epoch. Every date can be read."""
        manifests = {n: each for n in range(DAYS + 1) if (each := await self._manifest(n))}
        newest = max((each.epoch for each in manifests.values()), default=0)
        rows: list[dict[str, Any]] = []
        for number, manifest in manifests.items():
            table = await table_of(self.store, day(number))
            if manifest.epoch == newest:
                rows += table.to_pylist()
        return rows

    async def _manifest(self, number: int) -> Manifest | None:
        manifest = await manifest_of(self.store, day(number))
        return manifest if manifest is not None and manifest.status == "committed" else None

    def _check_windows(self, manifests: list[Manifest]) -> None:
        """They join, and none ends above what was visible."""
        newest = max(each.epoch for each in manifests)
        windows = [each for each in manifests if each.epoch == newest and each.watermark]
        end = self.initial
        for manifest in windows:
            assert manifest.watermark is not None
            assert manifest.watermark.low == end
            end = manifest.watermark.high
        assert end is None or end <= self.ledger.now.isoformat(timespec="milliseconds")

    async def _unowned(self, manifests: list[Manifest], within: date | None = None) -> list[str]:
        """What lies in the store, or in one partition, and belongs to nothing."""
        system, entity = NAME.split(".")
        known = {f"_state/{system}/{entity}.json", f"_state/{system}/{entity}.claim"}
        for number in range(DAYS + 1):  # those that gc has fenced off are void
            folder = partition_path(system, entity, day(number))
            known |= {f"{folder}/_metadata.json", f"{folder}/_checksums.json"}
        for manifest in manifests:
            folder = partition_path(system, entity, manifest.run_date)
            known |= {f"{folder}/{name}" for name in manifest.names}
        left = await left_in(self.store)
        if within is not None:
            folder = partition_path(system, entity, within)
            return [key for key in left if key not in known and folder in key]
        return [key for key in left if key not in known and not key.startswith("_runs/")]


def day(number: int) -> date:
    return DAY + timedelta(days=number)


@pytest.mark.timeout(1200)
def test_whatever_happens_the_partitions_hold_the_source() -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
