"""Two runs on two dates of one chain, the first of which stands still and wakes up late.

Its lease has run out by then, so nothing but the claim and its fence keeps the two apart.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from bronze_engine.contracts import Request, Store
from bronze_engine.errors import BronzeError, ExtractError, StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.part import ABSENT
from bronze_engine.publish.steps import CHAIN_STEPS
from bronze_engine.run.claim import ChainClaim
from bronze_engine.state import claims
from bronze_engine.state.claims import Claimant
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing import ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import inject
from tests.unit.run.frozen import FrozenStore
from tests.unit.run.harness import DAY, NAME, config_of, manifest_of, opened, partition_of, table_of

pytestmark = pytest.mark.unit

CHAIN = ("load=incremental", "incremental.cursor=seq", "incremental.cursor_type=integer")
DAYS = [DAY + timedelta(days=number) for number in range(3)]


class Lake:
    """One store, a source that grows, and runs that see the store through what they are given."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store_clock = ManualClock()
        self.store = MemoryStore(self.store_clock)
        self.rows = 0
        self.fault: ExtractError | None = None
        self.config = config_of(*CHAIN, folder=folder)

    def expire_leases(self) -> None:
        """By the store's clock; that of the run which stands still does not move."""
        self.store_clock._elapsed += 60

    def answer(self, request: Request) -> Sequence[Sequence[Step]]:
        if self.fault is not None:
            return [[self.fault]]
        low = int(request.low or 0)
        return [[page(1, *({"seq": seq} for seq in range(low + 1, self.rows + 1)))]]

    async def run(self, day: date, store: Store | None = None) -> BronzeError | None:
        """The error that the run ends with, if any."""
        source = ScriptedSource(self.answer)
        async with opened(
            self.config, source, store=store or self.store, clock=self.clock
        ) as engine:
            try:
                await engine.run(NAME, run_date=day)
            except BronzeError as exc:
                return exc
        return None

    async def alone(self, day: date, store: Store | None = None) -> BronzeError | None:
        return await self.clock.drive(self.run(day, store))

    async def committed(self) -> list[Manifest]:
        found = [await manifest_of(self.store, day) for day in DAYS]
        return [each for each in found if each is not None and each.status == "committed"]

    async def seqs(self) -> list[int]:
        seqs: list[int] = []
        for manifest in await self.committed():
            if manifest.row_count:
                table = await table_of(self.store, manifest.run_date)
                seqs += [int(row["seq"]) for row in table.to_pylist()]
        return sorted(seqs)

    async def check(self) -> None:
        """Windows do not overlap, no row is there twice, and none is missing below the newest."""
        manifests = await self.committed()
        end = 0
        for manifest in manifests:
            assert manifest.watermark is not None
            low, high = int(manifest.watermark.low or 0), int(manifest.watermark.high or 0)
            assert end <= low <= high, f"{manifest.run_date} begins at {low}, below {end}"
            end = high
        seqs = await self.seqs()
        assert max(Counter(seqs).values(), default=0) <= 1, f"rows are there twice: {seqs}"

    async def settle(self) -> None:
        """Run what is left; then each row must be there exactly once."""
        for day in DAYS:
            assert await self.alone(day) is None
        await self.check()
        assert await self.seqs() == list(range(1, self.rows + 1))


async def at_each_operation(folder: Path, *, other_waits: bool, most: int = 200) -> int:
    """Freeze the run of the second date at each of its operations, in turn; run the third
    meanwhile; thaw the second. Returns how often both have committed.

    With `other_waits` the third stands still, too, with its window planned, and goes on when the
    second has ended.
    """
    both = 0
    for at in range(1, most):
        lake = Lake(folder / str(at))
        lake.rows = 3
        assert await lake.alone(DAYS[0]) is None
        lake.rows = 6
        first = FrozenStore(lake.store, lambda number, _, at=at: number == at)  # type: ignore[misc]
        second = FrozenStore(lake.store, lambda _, method: other_waits and method == "stage")
        went_on = await lake.clock.drive(_interleaved(lake, first, second))
        await lake.check()
        both += len(await lake.committed()) == 3
        await lake.settle()
        if not went_on:
            return both
    raise AssertionError(f"a run of one page has more than {most} operations")


async def _interleaved(lake: Lake, first: FrozenStore, second: FrozenStore) -> bool:
    """False where the first ends before it freezes."""
    early = asyncio.create_task(lake.run(DAYS[1], first))
    if not await _until(first.frozen, early):
        assert await early is None
        return False
    lake.rows = 8
    lake.expire_leases()
    late = asyncio.create_task(lake.run(DAYS[2], second))
    await _until(second.frozen, late)
    first.thaw()
    errors = [await early]
    second.thaw()
    errors.append(await late)
    assert all(error is None or isinstance(error, StateError) for error in errors), errors
    assert None in errors  # one of the two always gets through
    return True


async def _until(event: anyio.Event, task: asyncio.Task[Any]) -> bool:
    """Wait for the event or the end of the task; whether it was the event."""
    waiting = asyncio.create_task(_wait(event))
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return event.is_set()


async def _wait(event: anyio.Event) -> None:
    await event.wait()


@pytest.mark.parametrize("other_waits", [False, True])
@pytest.mark.asyncio
async def test_a_run_that_wakes_up_late_never_commits_what_another_date_holds(
    tmp_path: Path, other_waits: bool
) -> None:
    assert await at_each_operation(tmp_path, other_waits=other_waits) > 1


@pytest.mark.parametrize("precaution", ["_fence", "confirm"])
@pytest.mark.asyncio
async def test_without_its_fence_or_its_confirmation_the_claim_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precaution: str
) -> None:
    async def nothing(*_: Any) -> None:
        pass

    monkeypatch.setattr(ChainClaim, precaution, nothing)
    with pytest.raises(AssertionError, match=r"begins at \d+, below"):
        await at_each_operation(tmp_path, other_waits=True)


@pytest.mark.parametrize("fault", ["die_before", "die_after", "fail_before", "fail_after", "lost"])
@pytest.mark.asyncio
async def test_whatever_a_run_died_of_other_dates_go_on_and_each_row_lands_once(
    tmp_path: Path, fault: Any
) -> None:
    for at in range(1, 200):
        lake = Lake(tmp_path / str(at))
        lake.rows = 3
        assert await lake.alone(DAYS[0]) is None
        lake.rows = 6
        faulty = inject(lake.store, at, fault)
        await lake.alone(DAYS[1], faulty)
        lake.rows = 8
        lake.expire_leases()
        assert await lake.alone(DAYS[2]) is None
        await lake.check()
        await lake.settle()
        if len(faulty.script.operations) < at:
            return
    raise AssertionError("a run of one page has more than 200 operations")


@pytest.mark.asyncio
async def test_a_claim_is_free_after_a_run_whatever_became_of_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.rows = 3
    assert await lake.alone(DAYS[0]) is None
    free = await claims.read(lake.store, "team", "orders")
    assert free is not None
    assert (free.claimant, free.unfenced) == (None, ())

    lake.fault = ExtractError("broken off")
    assert await lake.alone(DAYS[1]) is lake.fault
    free = await claims.read(lake.store, "team", "orders")
    assert free is not None
    assert (free.claimant, free.unfenced) == (None, ())


@pytest.mark.asyncio
async def test_a_dead_claimant_of_another_date_is_fenced_and_one_of_the_same_is_not(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path)
    lake.rows = 3
    dead = Claimant(run="dead", attempt="dead-1", run_date=DAYS[1])
    await claims.take(lake.store, "team", "orders", dead, lake.clock.now())
    assert await lake.alone(DAYS[1]) is None  # by its own commit it keeps the other out
    own = await manifest_of(lake.store, DAYS[1])
    assert own is not None
    assert own.generation == 1

    await claims.take(lake.store, "team", "orders", dead, lake.clock.now())
    assert await lake.alone(DAYS[2]) is None
    fenced = await manifest_of(lake.store, DAYS[1])
    assert fenced is not None
    assert (fenced.generation, fenced.status, fenced.files) == (2, "committed", own.files)

    nowhere = Claimant(run="dead", attempt="dead-2", run_date=DAYS[0])
    await claims.take(lake.store, "team", "orders", nowhere, lake.clock.now())
    assert await lake.alone(DAYS[2]) is None
    void = await manifest_of(lake.store, DAYS[0])
    assert void is not None
    assert (void.generation, void.status) == (1, "void")
    assert await lake.seqs() == [1, 2, 3]


@pytest.mark.asyncio
async def test_a_claim_that_is_taken_over_can_not_be_written_any_more(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    now = lake.clock.now()
    first = Claimant(run="r1", attempt="a1", run_date=DAYS[0])
    second = Claimant(run="r2", attempt="a2", run_date=DAYS[1])
    held = await claims.take(lake.store, "team", "orders", first, now)
    other = await claims.take(lake.store, "team", "orders", second, now)
    assert other.claim.unfenced == (first,)
    with pytest.raises(StateError) as raised:
        await held.write(held.claim)
    message = raised.value.message
    assert "run r2 has claimed team/orders for 2025-01-16" in message
    assert "overlap that of 2025-01-15" in message
    await other.write(other.claim)  # the refused one changed nothing


@pytest.mark.asyncio
async def test_of_a_date_that_dies_again_and_again_one_claimant_is_remembered(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path)
    lake.rows = 3
    for number in range(4):
        dead = Claimant(run="dead", attempt=f"dead-{number}", run_date=DAYS[number % 2])
        held = await claims.take(lake.store, "team", "orders", dead, lake.clock.now())
    assert {one.attempt for one in held.claim.unfenced} == {"dead-1", "dead-2"}
    assert await lake.alone(DAYS[2]) is None
    for day in DAYS[:2]:
        void = await manifest_of(lake.store, day)
        assert void is not None
        assert (void.generation, void.status) == (1, "void")


@pytest.mark.parametrize("fault", ["fail_after", "lost"])
@pytest.mark.asyncio
async def test_a_claim_whose_answer_is_lost_is_ours(tmp_path: Path, fault: Any) -> None:
    lake = Lake(tmp_path)
    me = Claimant(run="r1", attempt="a1", run_date=DAYS[0])
    faulty = inject(lake.store, fault=fault, when=lambda method, _: method == "put")
    held = await claims.take(faulty, "team", "orders", me, lake.clock.now())
    await held.write(held.claim)
    found = await claims.read(lake.store, "team", "orders")
    assert found is not None
    assert found.claimant == me


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "can't be read"),
        (b'{"format_version":9,"written_at":"2025-01-15T00:00:00Z"}', "newer"),
    ],
)
@pytest.mark.asyncio
async def test_a_claim_that_nobody_can_read_stops_the_chain(
    tmp_path: Path, body: bytes, message: str
) -> None:
    lake = Lake(tmp_path)
    lake.rows = 3
    key = claims.key_of("team", "orders")
    await lake.store.put(key, body, expect=ABSENT)
    error = await lake.alone(DAYS[0])
    assert isinstance(error, StateError)
    assert message in error.message
    assert await manifest_of(lake.store, DAYS[0]) is None


@pytest.mark.asyncio
async def test_a_run_takes_the_steps_of_the_model_in_order(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.rows = 3
    assert await lake.alone(DAYS[0]) is None
    dead = Claimant(run="dead", attempt="dead-1", run_date=DAYS[2])
    await claims.take(lake.store, "team", "orders", dead, lake.clock.now())
    lake.rows = 6
    own = f"{partition_of(DAYS[1])}/_metadata.json"
    lost = inject(lake.store, fault="fail_after", when=lambda *step: step == ("put", own))
    assert await lake.alone(DAYS[1], lost) is None

    claim, fenced = claims.key_of("team", "orders"), f"{partition_of(DAYS[2])}/_metadata.json"
    writes = iter(("claim", "confirm", "give_back"))
    taken: list[str] = []
    for method, key in lost.script.operations:
        if key.endswith(".lease"):
            step = "lease"
        elif (method, key) == ("put", claim):
            step = next(writes)
        elif (method, key) == ("put", fenced):
            step = "fence"
        elif key == own:
            is_sent = "commit" in taken
            step = "commit" if method == "put" else "read_back" if is_sent else "survey"
        else:
            continue
        if step not in taken:
            taken.append(step)
    assert tuple(taken) == CHAIN_STEPS
