"""The state of an entity: what a person decides of it is used once, and no row moves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar, final

import msgspec
import pytest

from bronze_engine.contracts import Request
from bronze_engine.errors import BronzeError, ConfigError, StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.manifest_json import encode_manifest
from bronze_engine.model.part import ANY, StoredObject
from bronze_engine.publish.lease import hold_lease, lease_key, this_process
from bronze_engine.state import claims, hint, overrides
from bronze_engine.state.claims import Claimant
from bronze_engine.testing import ScriptedSource, Step, page
from bronze_engine.testing.clock import ManualClock
from bronze_engine.testing.faults import FaultyStore, Script, inject
from bronze_engine.testing.stores import keys_of, read_all
from bronze_engine.upkeep.standing import Standing
from bronze_engine.upkeep.state import EntityState
from tests.unit.run.harness import DAY, NAME, Bench

pytestmark = pytest.mark.unit

T = TypeVar("T")

CHAIN = (
    "load=incremental",
    "incremental.cursor=id",
    "incremental.cursor_type=integer",
    "incremental.start_param=since",
)
OVERRIDE = overrides.key_of("team", "orders")
HINT = hint.key_of("team", "orders")


def day(number: int) -> date:
    return DAY + timedelta(days=number)


@final
class Shop:
    """Numbered rows, of which a run gets those above the window's low."""

    def __init__(self, folder: Path, *more: str, chain: Sequence[str] = CHAIN) -> None:
        self.bench = Bench(folder, *chain, *more)
        self.rows = 0
        self.days = 0

    def answer(self, request: Request) -> Sequence[Sequence[Step]]:
        low = int(request.read_from or 0)
        return [[page(1, *({"id": number} for number in range(low + 1, self.rows + 1)))]]

    async def run(self, number: int | None = None, *, rows: int = 0, **options: Any) -> Manifest:
        """Write rows, and run the next date, or one again."""
        self.rows += rows
        if number is None:
            number, self.days = self.days, self.days + 1
        return await self.bench.run(ScriptedSource(self.answer), day(number), **options)

    async def state(self, work: Callable[[EntityState], Awaitable[T]]) -> T:
        async with self.bench.engine(ScriptedSource([])) as engine:
            return await work(engine.state(NAME))

    async def show(self) -> Standing:
        return await self.state(EntityState.show)

    async def set(self, value: str, *, force: bool = False) -> None:
        await self.state(lambda state: state.set_watermark(value, who="ana", why="x", force=force))

    async def ids(self, number: int) -> list[int]:
        table = await self.bench.table(day(number))
        return [row["id"] for row in table.to_pylist()]

    async def remove(self, number: int) -> None:
        for key in await keys_of(self.bench.store):
            if f"dt={day(number)}/" in key:
                await self.bench.store.delete(key)


def window(manifest: Manifest) -> tuple[str | None, str | None]:
    assert manifest.watermark is not None
    return manifest.watermark.low, manifest.watermark.high


@pytest.mark.asyncio
async def test_a_watermark_that_is_set_is_used_by_one_commit_and_recorded(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=5)
    await shop.run(rows=3)
    await shop.set("4", force=True)
    assert (await shop.show()).watermark == "4"
    used = await shop.run(rows=2)
    assert window(used) == ("4", "10")
    assert used.override is not None
    assert (used.override.value, used.override.was) == ("4", "8")
    assert (used.override.who, used.override.why) == ("ana", "x")
    following = await shop.run(rows=1)
    assert window(following) == ("10", "11")
    assert following.override is None
    shown = await shop.show()
    assert shown.override is not None
    assert shown.override.status == "used"
    assert shown.override.used_by is not None
    assert shown.override.used_by.run_date == day(2)


@pytest.mark.asyncio
@pytest.mark.parametrize("value", ["7", "9"])
async def test_a_move_needs_force_and_names_both_values(tmp_path: Path, value: str) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=8)
    with pytest.raises(StateError) as raised:
        await shop.set(value)
    assert value in str(raised.value)
    assert "8" in str(raised.value)
    assert "--force" in str(raised.value)
    assert (raised.value.context["recorded"], raised.value.context["asked"]) == ("8", value)
    assert await shop.bench.store.get(OVERRIDE) is None
    await shop.set("8")
    await shop.set(value, force=True)
    assert window(await shop.run(rows=5)) == (value, "13")


@pytest.mark.asyncio
async def test_before_the_first_run_any_watermark_may_be_set(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.set("3")
    assert window(await shop.run(rows=5)) == ("3", "5")
    assert await shop.ids(0) == [4, 5]
    assert window(await shop.run(rows=1)) == ("5", "6")


@pytest.mark.asyncio
async def test_a_value_that_is_none_of_the_cursors_type_is_refused(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with pytest.raises(ConfigError, match="'yesterday' is no integer"):
        await shop.set("yesterday")


@pytest.mark.asyncio
@pytest.mark.parametrize("command", ["set", "reset", "withdraw"])
async def test_a_full_load_has_no_watermark(tmp_path: Path, command: str) -> None:
    shop = Shop(tmp_path, chain=())

    async def work(state: EntityState) -> None:
        match command:
            case "set":
                await state.set_watermark("1", who="ana")
            case "reset":
                await state.reset(who="ana")
            case _:
                await state.withdraw()

    told = "has no watermark, for each run loads everything; .* --date YYYY-MM-DD`$"
    with pytest.raises(ConfigError, match=told):
        await shop.state(work)


@pytest.mark.asyncio
async def test_dates_around_an_override_run_again_over_their_own_windows(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=4)
    await shop.run(rows=4)
    await shop.set("2", force=True)
    await shop.run(rows=4)
    await shop.run(rows=4)
    windows = [("2", "12"), ("4", "8"), (None, "4"), ("12", "16")]
    for number, expected in zip((2, 1, 0, 3), windows, strict=True):
        assert window(await shop.run(number)) == expected
    again = await shop.bench.manifest(day(2))
    assert again is not None
    assert again.override is not None
    assert [len(await shop.ids(number)) for number in range(4)] == [4, 4, 10, 4]


@pytest.mark.asyncio
async def test_a_date_between_that_was_never_run_is_empty(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=4)
    await shop.set("2", force=True)
    shop.days = 2
    await shop.run(rows=4)
    between = await shop.run(1)
    assert (between.row_count, *window(between)) == (0, "4", "4")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("value", "low", "is_used"), [("2", "2", True), ("6", "4", True), ("11", "4", False)]
)
async def test_the_newest_date_again_takes_in_what_was_asked_and_loses_nothing(
    tmp_path: Path, value: str, low: str, is_used: bool
) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=4)
    await shop.run(rows=4)
    await shop.set(value, force=True)
    again = await shop.run(1, rows=6)
    # What is to be skipped is skipped by the next date: this one ends where it ended.
    assert window(again) == (low, "14" if is_used else "8")
    assert (again.override is not None) == is_used
    following = await shop.run(rows=1)
    assert window(following) == ("14" if is_used else "11", "15")
    assert (following.override is not None) != is_used


@pytest.mark.asyncio
async def test_a_commit_whose_mark_was_lost_has_used_the_override(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=5)
    await shop.set("2", force=True)
    body = await read_all(shop.bench.store, OVERRIDE)
    await shop.run(rows=1)
    for _ in range(3):
        await shop.bench.store.put(OVERRIDE, body, expect=ANY)
        shown = await shop.show()
        assert shown.override is not None
        assert shown.override.status != "pending"
        assert window(await shop.run(rows=1))[0] == str(shop.rows - 1)


@pytest.mark.asyncio
async def test_a_run_that_fails_leaves_the_override_to_the_next(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=5)
    await shop.set("2", force=True)
    with pytest.raises(StateError, match="cut off"):
        await shop.bench.run(ScriptedSource([[StateError("cut off")]]), day(1))
    assert window(await shop.run(rows=1)) == ("2", "6")


@pytest.mark.asyncio
async def test_an_override_may_be_withdrawn(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=5)
    await shop.set("2", force=True)
    withdrawn = await shop.state(EntityState.withdraw)
    assert withdrawn is not None
    assert withdrawn.value == "2"
    assert await shop.state(EntityState.withdraw) is None
    assert window(await shop.run(rows=1)) == ("5", "6")


@pytest.mark.asyncio
async def test_a_reset_begins_an_epoch_from_the_beginning_and_deletes_nothing(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path, 'incremental.initial="1"')
    await shop.run(rows=5)
    await shop.run(rows=2)
    with pytest.raises(StateError, match=r"from 7 .* to 1: .* as epoch 2"):
        await shop.state(lambda state: state.reset(who="ana"))
    before = await keys_of(shop.bench.store)
    await shop.state(lambda state: state.reset(who="ana", force=True))
    assert set(await keys_of(shop.bench.store)) == {*before, OVERRIDE}
    begun = await shop.run(rows=1)
    assert (begun.epoch, *window(begun)) == (2, "1", "8")
    assert begun.override is not None
    assert begun.override.kind == "reset"
    following = await shop.run(rows=1)
    assert (following.epoch, *window(following)) == (2, "8", "9")
    assert following.override is None
    assert await shop.ids(0) == [2, 3, 4, 5]


@pytest.mark.asyncio
async def test_a_full_refresh_voids_an_override(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=5)
    await shop.set("2", force=True)
    await shop.run(0, full_refresh=True)
    shown = await shop.show()
    assert shown.override is not None
    assert shown.override.status == "void"
    assert window(await shop.run(rows=1)) == ("5", "6")


@pytest.mark.asyncio
async def test_nothing_is_decided_while_a_run_is_at_work(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=5)
    clock = ManualClock()
    holder = this_process("run-7", "a", clock)
    async with hold_lease(shop.bench.store, lease_key("team", "orders", None), holder, clock):
        with pytest.raises(StateError, match="run run-7 works on team/orders"):
            await shop.set("5")
        (held,) = (await shop.show()).leases
        assert (held.lease, held.run) == ("team/orders", "run-7")
    other = lease_key("team", "orders.v2", None)
    async with hold_lease(shop.bench.store, other, holder, clock):
        assert (await shop.show()).leases == (), "of another entity"
    assert (await shop.show()).leases == ()


@pytest.mark.asyncio
async def test_the_claim_of_a_run_that_died_is_shown(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=5)
    assert (await shop.show()).claim is None
    clock = ManualClock()
    me = Claimant(run="run-7", attempt="a", run_date=day(1))
    await claims.take(shop.bench.store, "team", "orders", me, clock.now())
    claim = (await shop.show()).claim
    assert claim is not None
    assert claim.claimant == me


@pytest.mark.asyncio
async def test_a_newer_date_that_is_void_does_not_hide_that_the_newest_is_gone(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=2)
    last = await shop.run(rows=2)
    await shop.remove(1)
    void = msgspec.structs.replace(last, status="void", run_date=day(5))
    key = f"team/orders/dt={day(5)}/_metadata.json"
    await shop.bench.store.put(key, encode_manifest(void), expect=ANY)
    with pytest.raises(StateError, match="ahead of its data"):
        await shop.run(6)


@pytest.mark.asyncio
async def test_everything_works_without_the_state_and_it_is_made_anew(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=5)
    await shop.run(rows=2)
    before = await hint.read(shop.bench.store, "team", "orders")
    for key in await keys_of(shop.bench.store):
        if key.startswith("_state/"):
            await shop.bench.store.delete(key)
    shown = await shop.show()
    assert (shown.watermark, shown.hint, shown.agrees) == ("7", None, False)
    rebuilt = await shop.state(EntityState.rebuild)
    assert (rebuilt.before, rebuilt.after, rebuilt.dates) == (None, before, 2)
    shown = await shop.show()
    assert (shown.hint, shown.agrees, shown.differs) == (before, True, None)
    assert window(await shop.run(rows=1)) == ("7", "8")


@pytest.mark.asyncio
async def test_the_newest_date_missing_is_told_with_both_values(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for _ in range(3):
        await shop.run(rows=2)
    await shop.remove(0)  # by retention
    assert window(await shop.run(rows=1)) == ("6", "7")
    await shop.remove(3)
    with pytest.raises(StateError, match="ahead of its data") as raised:
        await shop.run(rows=1)
    assert f"{day(3)}, generation 1, at 7" in str(raised.value)
    assert f"ends with {day(2)}, at 6" in str(raised.value)
    assert "bronze state rebuild team.orders" in str(raised.value)
    shown = await shop.show()
    assert not shown.agrees
    assert "ahead of the data" in (shown.differs or "")
    rebuilt = await shop.state(EntityState.rebuild)
    assert rebuilt.after is not None
    assert rebuilt.after.run_date == day(2)
    assert window(await shop.run(rows=1)) == ("6", "9")


@pytest.mark.asyncio
async def test_a_commit_right_before_the_hint_is_read_is_no_fault(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=2)
    await shop.run(rows=2)
    whole = shop.bench.store
    key = f"team/orders/dt={day(1)}/_metadata.json"
    manifest, true = await read_all(whole, key), await read_all(whole, HINT)
    await whole.delete(key)

    class Raced(FaultyStore):
        """Whose manifest appears as the hint is read, as of a run that has just committed."""

        async def get(self, asked: str, /) -> StoredObject | None:
            if asked == HINT:
                await whole.put(key, manifest, expect=ANY)
            return await super().get(asked)

    shop.bench.store = Raced(whole, Script())
    async with shop.bench.engine(ScriptedSource(shop.answer)) as engine:
        plan = await engine.plan(NAME, run_date=day(2))
    assert plan.window is not None
    assert await read_all(whole, HINT) == true


@pytest.mark.asyncio
async def test_all_dates_missing_is_told_and_a_full_refresh_begins_anew(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=2)
    await shop.remove(0)
    with pytest.raises(StateError, match="holds no date"):
        await shop.run(rows=2)
    refreshed = await shop.run(full_refresh=True)
    assert window(refreshed) == (None, "4")
    await shop.remove(2)
    rebuilt = await shop.state(EntityState.rebuild)
    assert rebuilt.after is None
    assert await shop.bench.store.get(HINT) is None


@pytest.mark.asyncio
async def test_a_hint_that_is_ahead_is_told_and_one_that_is_behind_is_not_believed(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    await shop.run(rows=2)
    behind = await read_all(shop.bench.store, HINT)
    await shop.run(rows=2)
    true = await read_all(shop.bench.store, HINT)
    await shop.bench.store.put(HINT, true.replace(b'"4"', b'"40"'), expect=ANY)
    with pytest.raises(StateError, match="at 40, and the manifest, of generation 1, at 4"):
        await shop.run(rows=1)
    await shop.bench.store.put(HINT, behind, expect=ANY)
    shown = await shop.show()
    assert (shown.watermark, shown.agrees) == ("4", False)
    assert "the manifests, which are right" in (shown.differs or "")
    assert window(await shop.run(rows=1)) == ("4", "6")
    assert (await shop.show()).agrees


@pytest.mark.asyncio
async def test_a_full_load_does_not_mind_that_its_newest_date_is_gone(tmp_path: Path) -> None:
    shop = Shop(tmp_path, chain=())
    await shop.run(rows=2)
    await shop.remove(0)
    assert (await shop.run()).row_count == 2


@pytest.mark.asyncio
async def test_an_override_that_cannot_be_read_ends_the_run(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.bench.store.put(OVERRIDE, b"{", expect=ANY)
    with pytest.raises(StateError, match="is no override"):
        await shop.run(rows=2)


@pytest.mark.asyncio
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_whenever_the_process_dies_one_commit_uses_the_override(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    def is_write(method: str, key: str) -> bool:
        is_trial = "preflight" in key  # of puts that race each other
        return method in {"put", "complete", "delete", "discard"} and not is_trial

    at = committed = 0
    while True:
        shop = Shop(tmp_path)
        await shop.run(rows=5)
        await shop.set("2", force=True)
        whole = shop.bench.store
        at += 1
        shop.bench.store = dying = inject(whole, 0, "die_after", when=nth(at, is_write))
        with suppress(BronzeError):
            await shop.run(1, rows=1)
        if not dying.script.fired:
            break
        shop.bench.store = whole
        await whole.delete(lease_key("team", "orders", None))  # it has run out
        committed += await shop.bench.manifest(day(1)) is not None
        manifests = [await shop.run(number) for number in order]
        assert sum(each.override is not None for each in manifests) == 1
        assert sorted([*await shop.ids(1), *await shop.ids(2)]) == [3, 4, 5, 6]
    assert at > 10
    assert 0 < committed < at  # some died before the commit, and some after it


def nth(number: int, test: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    """True at the n-th time that the test is."""
    seen = 0

    def is_it(method: str, key: str) -> bool:
        nonlocal seen
        seen += test(method, key)
        return seen == number

    return is_it
