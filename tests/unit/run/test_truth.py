"""A pipeline's life, played at random: whatever happens, the partitions hold the source.

Rows come, change, arrive late and go; dates are run in order, again, and out of order; a run
is cut off at any operation on its store: refused, answered too late, or dead. After each step
a reader finds every partition whole; at the end all that was visible has landed, nothing
twice, windows join, and nothing lies about that no manifest names.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import sys
import tempfile
import traceback
import warnings
from contextlib import suppress
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from bronze_engine.contracts import SourceType
from bronze_engine.errors import BronzeError, StateError
from bronze_engine.model.manifest import Manifest, partition_path
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ManualClock, ScriptedSource
from bronze_engine.testing.faults import Fault, inject
from tests.unit.run.harness import DAY, NAME, config_of, left_in, manifest_of, opened, table_of
from tests.unit.run.ledger import START, Ledger, Steps

pytestmark = [pytest.mark.unit, pytest.mark.slow]

EXAMPLES: Final = 2_000
PROCESSES: Final = 2
"""They share the examples: a life waits for nothing, so each has a processor of its own."""
LAG: Final = timedelta(seconds=30)
LOOKBACK: Final = timedelta(hours=1)
DAYS: Final = 4
OPERATIONS: Final = 60
"""A run has about so many on its store, with a few slices."""
LEASE_SECONDS: Final = 60.0
SETTLED_SECONDS: Final = 7 * 3600.0
"""After so long nothing is resumed any more, and what a trial of the store has left may go."""

faults: st.SearchStrategy[Fault] = st.sampled_from(
    ["fail_before", "fail_after", "lost", "die_before", "die_after", "cancel_before"]
)
Choice = tuple[str, int]
choices: st.SearchStrategy[Choice] = st.tuples(
    st.sampled_from(["next", "next", "again", "again", "any"]), st.integers(0, DAYS - 1)
)
changes = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "insert",
                "insert late",
                "update",
                "update late",
                "delete",
                "commit",
                "pass",
                "pass busy",
            ]
        ),
        st.integers(0, 30),
    ),
    max_size=6,
)
Change = tuple[str, int]


class Cut(NamedTuple):
    """Where a run is cut off."""

    at: int
    fault: Fault
    is_tried_again: bool


cuts = st.builds(Cut, st.integers(1, OPERATIONS), faults, st.booleans())


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

    @initialize(
        looks_back=st.booleans(),
        is_bounded=st.booleans(),
        is_dated=st.booleans(),
        slices=st.sampled_from([None, 1, 3]),
    )
    def begin(
        self, *, looks_back: bool, is_bounded: bool, is_dated: bool, slices: int | None
    ) -> None:
        """Without a number of slices they are steps, from which a run is resumed."""
        overrides = ["load=incremental", "incremental.cursor=updated_at"]
        overrides += ["incremental.window=date", "incremental.end_param=until"] * is_dated
        overrides += ["incremental.start_param=since", 'primary_key=["id"]']
        self.initial = f"{START:%Y-%m-%dT%H:%M:%SZ}" if is_bounded else None
        overrides += [f"incremental.initial={self.initial}"] * is_bounded
        late = f"lookback={LOOKBACK.seconds}s" if looks_back else f"lag={LAG.seconds}s"
        self.config = config_of(*overrides, f"incremental.{late}", folder=Path(self.folder.name))
        self.looks_back, self.is_dated = looks_back, is_dated
        self.ledger = Ledger(LOOKBACK - LAG if looks_back else LAG - timedelta(seconds=1))
        self.source: SourceType[Any] = Steps(self.ledger)
        if slices is not None:
            self.source = ScriptedSource(lambda request: self.ledger.answer(request, slices))

    @rule(
        changes=changes,
        choice=choices,
        cut=st.one_of(st.none(), cuts),
        afresh=st.sampled_from([False, False, False, True]),
    )
    def live(self, *, changes: list[Change], choice: Choice, cut: Cut | None, afresh: bool) -> None:
        """The source changes, and a date is run; the newest may begin an epoch."""
        for kind, number in changes:
            self._change(kind, number)
        number = self._day(choice)
        if cut is not None:
            self.loop.run(self._cut_off(number, cut.at, cut.fault))
        if cut is None or cut.is_tried_again:
            full_refresh = afresh and number == max(self.landed, default=0)
            self.loop.run(self._run(number, full_refresh=full_refresh))

    @rule()
    def collect(self) -> None:
        self.loop.run(self._collect())

    def _change(self, kind: str, number: int) -> None:
        ledger = self.ledger
        ids = sorted(ledger.visible)
        match kind.partition(" "):
            case "insert", _, late:
                rows = [ledger.insert() for _ in range(1 + number % 3)]
                for row in rows if not late else []:
                    ledger.commit(row)
            case "update", _, late if ids:
                row = ledger.update(ids[number % len(ids)])
                if not late:
                    ledger.commit(row)
            case "delete", _, _ if ids:
                ledger.delete(ids[number % len(ids)])
            case "commit", _, _ if ledger.pending:
                ledger.commit(ledger.pending[number % len(ledger.pending)])
            case "pass", _, "":
                self._tick([0.001, 1, 31, 45 * 60, 20 * 3600][number % 5])
            case "pass", _, _:
                for _ in range(number % 6):
                    ledger.commit(ledger.insert())
                    self._tick(20 * 60)

    def _tick(self, seconds: float) -> None:
        if not self.is_dated or self.ledger.now < START + timedelta(days=DAYS - 1):
            self.ledger.tick(seconds)

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
        clock = ManualClock(start=self.ledger.now)
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
        clock = ManualClock(start=self.ledger.now)
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
        await self.clock.advance(SETTLED_SECONDS)
        for number in range(DAYS) if self.is_dated else [DAYS]:
            await self._run(number)
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
        now = self.ledger.now.isoformat(timespec="milliseconds")
        end = self.initial
        for manifest in windows:
            window = manifest.watermark
            assert window is not None
            assert self.is_dated or window.low == end
            assert window.high is None or window.high <= now or window.high == window.low
            end = window.high

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
    is_fixed = settings.default is not None and settings.default.derandomize
    seeds = range(PROCESSES) if is_fixed else [random.getrandbits(32) for _ in range(PROCESSES)]
    with get_context("spawn").Pool(PROCESSES) as pool:
        faults = pool.map(lives, seeds, chunksize=1)
    assert not any(faults), "\n".join(faults)


def lives(number: int) -> str:
    """One process's examples. Returns what failed, or nothing; warnings are errors here too."""
    warnings.simplefilter("error")
    logging.getLogger().addHandler(logging.NullHandler())  # runs that are cut off log it
    unraised: list[str] = []
    sys.unraisablehook = lambda args: unraised.append(f"{args.exc_value!r} in {args.object!r}")
    gc.freeze()
    try:
        run_state_machine_as_test(
            seed(number)(Life),
            settings=settings(
                max_examples=EXAMPLES // PROCESSES,
                stateful_step_count=6,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
    except Exception as exc:  # noqa: BLE001 - not every one can be sent to another process
        return "".join(traceback.format_exception(exc))
    gc.collect()
    return "\n".join(unraised)
