"""Runs of Silver that are cut off: at every operation on their store, refused, cancelled, dead.

A reader sees all of the old table or all of the new one; the next run makes of it what Bronze
has, and then nothing is left: no file that the manifest does not name, no temporary, no lock.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, nullcontext, suppress
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import anyio
import pyarrow as pa
import pytest

from bronze_engine import open_engine
from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.load import load_config
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.errors import BronzeError
from bronze_engine.store.local.store import open_local
from bronze_engine.testing import Fault, inject
from bronze_engine.testing.faults import Script
from tests.killing import KillServer, hidden_or_empty, kill_server
from tests.unit.silver import oracle
from tests.unit.silver.lake import NAME, Lake, comparable
from tests.unit.silver.oracle import Landed, Table

from .kill_server import Command

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]  # some are a hundred runs

COMMITTED, KILLED = 0, -signal.SIGKILL
OPERATIONS: Final = 20
"""A run has more operations than this; an enumeration that ends before is broken."""
DAYS: Final = tuple(date(2025, 3, day) for day in (1, 2, 3))
COLUMNS: Final[dict[str, Any]] = {
    "id": pa.int64(),
    "lsn": pa.int64(),
    "v": pa.string(),
    "op": pa.string(),
}
SCHEMA: Final = pa.schema(list(COLUMNS.items()))
What = Literal["first run", "newer", "re-landed"]


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    with kill_server("tests.integration.silver.kill_server") as server:
        yield server


def table() -> Table:
    return Table(
        columns=("id", "lsn", "v"),
        keys=("id",),
        order=("lsn",),
        history="full",
        deletes="hard",
        operation="op",
        delete_codes=("D",),
    )


def changes(day: int, generation: int = 1) -> Landed:
    """Eight keys, of which two are deleted, and come again the day after."""
    rows = tuple(
        {
            "id": key,
            "lsn": 100 * day + key,
            "v": f"{day}.{generation}.{key}",
            "op": "D" if key % 4 == day % 4 else "U",
        }
        for key in range(8)
        if day < 2 or key < 3
    )
    return Landed(run_date=DAYS[day], files=(rows[:4], rows[4:]), load="cdc", generation=generation)


class Scene:
    """A lake before a run of Silver: what the table holds, and what it shall hold."""

    def __init__(self, folder: Path, what: What) -> None:
        self.lake = Lake(folder, table(), SCHEMA, load="cdc")
        self.what = what
        self.old: list[str] | None = None
        self.new: list[str] = []
        self._mended: set[tuple[str, ...]] = set()

    async def prepare(self) -> None:
        self.lake.config(output={"max_rows_per_file": 3, "row_group_rows": 2})
        dates = {} if self.what == "first run" else {day: changes(day) for day in (0, 1)}
        for landed in dates.values():
            self.lake.land(landed)
        if dates:
            await run(self.lake)
            self.old = self.expected(dates.values())
        dates[2] = changes(2)
        if self.what == "re-landed":
            dates[0] = changes(0, generation=2)
        for landed in dates.values():
            self.lake.land(landed)
        self.new = self.expected(dates.values())

    def expected(self, dates: Any) -> list[str]:
        return comparable(oracle.rows(self.lake.table, dates))

    def at(self, folder: Path) -> Lake:
        """A copy of the lake."""
        shutil.copytree(self.lake.folder, folder)
        return Lake(folder, self.lake.table, SCHEMA, load="cdc")

    def seen(self, lake: Lake) -> bool:
        """Whether a reader sees the new table; else it sees the old one. Whole, either way."""
        rows = lake.rows()
        found = None if rows is None else comparable(rows)
        assert found in (self.old, self.new)
        return found == self.new

    async def mended(self, lake: Lake) -> None:
        """The next run makes of it what Bronze has. Where it had nothing to commit, for that run
        died after its commit, garbage collection removes what stood before.

        That is seen once of each state that runs leave: most cut off before they stage leave one.
        """
        state = left(lake)
        if state in self._mended:
            return
        self._mended.add(state)
        await run(lake)
        assert self.seen(lake)
        await collect(lake)
        assert self.seen(lake)
        assert lake.unowned() == []
        assert hidden_or_empty(lake.root) == []


_OF_A_RUN: Final = re.compile(r"[0-9a-f]{12,}|\d{4}-\d\d-\d\dT[\d:.]+Z|\d+\.\d+")
"""Identities, instants and seconds: all that differs of two runs that did the same."""


def left(lake: Lake) -> tuple[str, ...]:
    """Every name below the lake and what it holds, but for what is of a single run: the words of
    its report, too, which no run reads."""
    found = []
    for path in sorted(lake.root.rglob("*")):
        is_read = path.is_file() and "_runs" not in path.parts
        body = path.read_bytes() if is_read else b""
        if path.suffix == ".json":
            body = _OF_A_RUN.sub("", body.decode()).encode()
        name = _OF_A_RUN.sub("", str(path.relative_to(lake.root)))
        found.append(f"{name} {hashlib.sha256(body).hexdigest()}")
    return tuple(sorted(found))


async def collect(lake: Lake) -> None:
    """`bronze gc --delete`."""
    config = load_config(lake.folder / "pipelines.toml", environ={})
    async with open_engine(config, clock=SYSTEM_CLOCK) as engine:
        report = await engine.gc(NAME, delete=True)
    assert report.faults == ()


async def run(lake: Lake, at: int = 0, fault: Fault | None = None) -> bool:
    """Silver, over a store that fails once; whether there was such an operation."""
    scripts: list[Script] = []
    config = load_config(lake.folder / "pipelines.toml", environ={})
    with anyio.CancelScope() as scope:

        @asynccontextmanager
        async def faulty(settings: Any, resources: StoreResources) -> AsyncIterator[Store]:
            async with open_local(settings, resources.workers, resources.clock) as store:
                wrapped = inject(store, at, fault or "fail_before", cancel=scope.cancel)
                scripts.append(wrapped.script)
                yield wrapped

        stores = {} if fault is None else {"local": faulty}
        async with open_engine(config, stores=stores, clock=SYSTEM_CLOCK) as engine:
            with nullcontext() if fault is None else suppress(BronzeError):
                await engine.silver(NAME)
    # One that the store refuses has no answer to fail after: a race of conditional puts has losers.
    return any(len(script.operations) >= at for script in scripts)


FAULTS: Final[tuple[Fault, ...]] = (
    "fail_before",
    "fail_after",
    "lost",
    "cancel_before",
    "cancel_after",
    "die_before",
)


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "fault"),
    [*(("re-landed", fault) for fault in FAULTS), ("first run", "lost"), ("newer", "die_before")],
)
async def test_a_run_that_is_cut_off_leaves_the_old_table_or_the_new(
    tmp_path: Path, what: What, fault: Fault
) -> None:
    scene = Scene(tmp_path / "before", what)
    await scene.prepare()
    seen: list[bool] = []
    for at in range(1, 1000):
        lake = scene.at(tmp_path / str(at))
        if not await run(lake, at, fault):
            break
        seen.append(scene.seen(lake))
        await scene.mended(lake)
        shutil.rmtree(lake.folder)
    assert len(seen) > OPERATIONS
    assert (seen[0], seen[-1]) == (False, True)


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ("first run", "kill_after"),
        ("newer", "kill_before"),
        ("re-landed", "kill_before"),
        ("re-landed", "kill_after"),
    ],
)
async def test_kill_at_any_operation_leaves_the_old_table_or_the_new(
    server: KillServer, tmp_path: Path, what: What, fault: Fault
) -> None:
    await kill_everywhere(server, tmp_path, what, fault, 1)


@pytest.mark.asyncio
@pytest.mark.slow
async def test_kill_at_system_calls_leaves_the_old_table_or_the_new(
    server: KillServer, tmp_path: Path
) -> None:
    await kill_everywhere(server, tmp_path, "re-landed", None, 5)


@pytest.mark.asyncio
async def test_kill_at_some_operations_leaves_the_old_table_or_the_new(
    server: KillServer, tmp_path: Path
) -> None:
    await kill_everywhere(server, tmp_path, "re-landed", "kill_after", 6)


async def kill_everywhere(
    server: KillServer, folder: Path, what: What, fault: Fault | None, stride: int
) -> None:
    scene = Scene(folder / "before", what)
    await scene.prepare()
    seen: list[bool] = []
    for at in range(1, 1000, stride):
        lake = scene.at(folder / str(at))
        ended = server.run(Command(folder=str(lake.folder), at=at, fault=fault))
        if ended == [COMMITTED]:
            break
        assert ended == [KILLED]
        seen.append(scene.seen(lake))
        await scene.mended(lake)
        shutil.rmtree(lake.folder)
    assert len(seen) > OPERATIONS // stride
    assert (seen[0], seen[-1]) == (False, True)
    assert seen == sorted(seen), "once committed, always so"
