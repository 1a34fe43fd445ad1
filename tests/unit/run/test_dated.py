"""Days of a source that changes, run in any order, broken off, run again: each row on its day."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.contracts import Request, Store
from bronze_engine.errors import BronzeError
from bronze_engine.model.manifest import Manifest
from bronze_engine.plan.day import is_complete
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import inject
from tests.unit.run.harness import NAME, config_of, manifest_of, opened, table_of

pytestmark = pytest.mark.unit

FIRST = datetime(2025, 3, 28, tzinfo=UTC)
DAYS = [FIRST.date() + timedelta(days=number) for number in range(4)]
DATED = (
    "load=incremental",
    "incremental.cursor=at",
    "incremental.window=date",
    "incremental.start_param=since",
    "incremental.end_param=until",
    "engine.timezone=Europe/Berlin",
)
HOURS = st.sampled_from((0, 24, 48, 71)) | st.integers(0, 3 * 24 + 23 - 1)
"""Of four days, one of which has 23 in Berlin; the first of each comes often."""


class Shop:
    """Rows by id, each with an instant, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.config = config_of(*DATED, folder=folder)
        self.store_clock = ManualClock()
        self.store = MemoryStore(self.store_clock)
        self.rows: dict[int, datetime] = {}
        self.now = FIRST

    def answer(self, request: Request) -> Sequence[Sequence[Step]]:
        """All that there is: an API that knows of no bounds, and the run drops the rest."""
        visible = [
            {"id": key, "at": at.isoformat()} for key, at in self.rows.items() if at <= self.now
        ]
        assert request.low is not None
        return [[page(1, *visible, as_of=self.now)]]

    async def run(self, day: date, store: Store | None = None) -> None:
        """Run to the commit, or to the death of the process."""
        clock = ManualClock(start=self.now)
        async with opened(
            self.config, ScriptedSource(self.answer), store=store or self.store, clock=clock
        ) as engine:
            try:
                await clock.drive(engine.run(NAME, run_date=day))
            except BronzeError:
                assert store is not None
        self.store_clock._elapsed += 60  # the lease of a process that died runs out

    async def landed(self, day: date) -> dict[int, datetime]:
        manifest = await manifest_of(self.store, day)
        if manifest is None or manifest.status == "void" or not manifest.row_count:
            return {}
        found = (await table_of(self.store, day)).to_pylist()
        rows = {int(row["id"]): datetime.fromisoformat(row["at"]) for row in found}
        assert len(rows) == len(found)
        self.within(manifest, rows)
        return rows

    @staticmethod
    def within(manifest: Manifest, rows: dict[int, datetime]) -> None:
        """Every row lies within the recorded window, to its end."""
        window = manifest.watermark
        assert window is not None and window.low is not None and window.high is not None  # noqa: PT018  # for mypy
        low, high = datetime.fromisoformat(window.low), datetime.fromisoformat(window.high)
        for at in rows.values():
            assert low <= at
            assert at < high if window.high_open else at <= high


Change = tuple[str, int, int]


@settings(max_examples=40, deadline=None)
@given(
    changes=st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 30), HOURS),
            st.tuples(st.just("delete"), st.integers(0, 30), st.just(0)),
            st.tuples(st.just("run"), st.integers(0, 3), st.just(0)),
            st.tuples(st.just("die"), st.integers(0, 3), st.integers(1, 40)),
            st.tuples(st.just("pass"), st.integers(1, 30), st.just(0)),
        ),
        max_size=14,
    )
)
@pytest.mark.asyncio
async def test_whatever_changed_and_broke_each_row_is_on_its_day_in_the_end(
    changes: list[Change],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        for what, number, more in changes:
            match what:
                case "write":  # new, late, or moved from another day
                    shop.rows[number] = FIRST - timedelta(hours=1) + timedelta(hours=more)
                case "delete":
                    shop.rows.pop(number, None)
                case "run":
                    await shop.run(DAYS[number])
                case "die":
                    await shop.run(DAYS[number], inject(shop.store, more, "die_after"))
                case _:
                    shop.now += timedelta(hours=number)
            await _check(shop)
        shop.now = max(shop.now, FIRST + timedelta(days=6))
        pipeline = shop.config.pipeline(NAME)
        for day in reversed(DAYS):
            await shop.run(day)
            manifest = await manifest_of(shop.store, day)
            assert manifest is not None
            assert is_complete(pipeline, manifest)
        union: Counter[Any] = Counter()
        for day in DAYS:
            union.update((await shop.landed(day)).items())
        assert union == Counter(shop.rows.items())


async def _check(shop: Shop) -> None:
    """Nothing that is committed says more than was settled when it was read."""
    for day in DAYS:
        await shop.landed(day)
        manifest = await manifest_of(shop.store, day)
        if manifest is not None and manifest.watermark is not None:
            window = manifest.watermark
            is_empty = window.high == window.low
            assert is_empty or datetime.fromisoformat(str(window.high)) <= shop.now
