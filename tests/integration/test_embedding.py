"""An engine within somebody else's program: reused, shared, cancelled anywhere, never missed."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from bronze_engine import (
    Config,
    Engine,
    StateError,
    load_config,
    open_engine,
    read_manifest,
    read_partition,
)
from bronze_engine.contracts import Hook, Store, StoreResources
from bronze_engine.store.memory import MemoryStore
from bronze_engine.telemetry.events import Event, RunFinished
from bronze_engine.testing import CutStyle, cut_at, footprint, nothing_left
from tests.integration.http_server import Seen, answer, serve
from tests.unit.run.harness import is_idle, left_in, manifest_of, unowned

pytestmark = pytest.mark.integration

NAME = "team.orders"
DAY = date(2025, 1, 15)
ROWS = 30

CONFIG = """
[engine]
target = "lake"
log_dir = ""
[stores.lake]
type = "local"
path = "bronze"
single_writer = true   # without the preflight's second process, which takes longer than a run
[apis.shop]
base_url = "{url}"
proxy = "none"
retry = {{ attempts = 1 }}
[templates.paged.source]
type = "http"
api = "shop"
paginator = {{ type = "page" }}
[pipelines.team.orders]
extends = "paged"
source.path = "/orders"
[pipelines.team.returns]
extends = "paged"
source.path = "/returns"
"""


@asynccontextmanager
async def configured(folder: Path, gate: asyncio.Event | None = None) -> AsyncIterator[Config]:
    """Three pages of ten rows, and a lake beside them; the second waits for the gate."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        number = int(seen.query.get("page", 1))
        if number == 2 and gate is not None:
            await gate.wait()
        rows = [{"id": 10 * number + row} for row in range(10)] if number < 4 else []
        return answer(rows)

    async with serve(handle) as server:
        path = folder / "pipelines.toml"
        path.write_text(CONFIG.format(url=server.url))
        yield load_config(path, environ={})


def landed(folder: Path, day: date = DAY, name: str = NAME) -> list[Any]:
    rows = read_partition(folder / "bronze", name, run_date=day)
    ids: list[Any] = rows.column("id").to_pylist()
    return ids


def hidden(folder: Path) -> list[Path]:
    """Temporaries and locks below the lake."""
    return [path for path in (folder / "bronze").rglob(".*") if path.is_file()]


async def batches_of(engine: Engine) -> int:
    rows = 0
    async with engine.batches(NAME, run_date=DAY) as stream:
        async for batch in stream:
            rows += batch.num_rows
    return rows


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.parametrize("style", ["native", "scope"])
async def test_a_run_onto_disk_is_cancelled_at_any_step(tmp_path: Path, style: CutStyle) -> None:
    """Then it runs twice in the same engine, and what has landed is whole."""
    async with configured(tmp_path) as config:
        at = 1
        fired = True
        while fired:
            shutil.rmtree(tmp_path / "bronze", ignore_errors=True)
            async with nothing_left(), open_engine(config) as engine:
                fired = await cut_at(engine.run(NAME, run_date=DAY), at, style)
                assert is_idle(engine)
                assert hidden(tmp_path) == []
                if at % 10 == 1:
                    for _ in range(2):
                        await engine.run(NAME, run_date=DAY)
                        assert len(landed(tmp_path)) == ROWS
            at += 1
        assert at > 40
        assert len(landed(tmp_path)) == ROWS
        assert hidden(tmp_path) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("style", ["native", "scope"])
async def test_a_run_into_memory_is_cancelled_at_any_step(tmp_path: Path, style: CutStyle) -> None:
    async with configured(tmp_path) as config:
        at = 1
        fired = True
        while fired:
            store = MemoryStore()

            @asynccontextmanager
            async def lend(_config: object, _resources: StoreResources) -> AsyncIterator[Store]:
                yield store  # noqa: B023  # this turn's

            async with nothing_left(), open_engine(config, stores={"local": lend}) as engine:
                fired = await cut_at(engine.run(NAME, run_date=DAY), at, style)
                assert is_idle(engine)
            manifest = await manifest_of(store)
            assert unowned(await left_in(store), manifest) == []
            at += 1
        assert at > 40
        assert manifest is not None
        assert manifest.row_count == ROWS


@pytest.mark.asyncio
@pytest.mark.parametrize("style", ["native", "scope"])
async def test_a_stream_is_cancelled_at_any_step(tmp_path: Path, style: CutStyle) -> None:
    async with configured(tmp_path) as config:
        at = 1
        fired = True
        while fired:
            async with nothing_left(), open_engine(config) as engine:
                fired = await cut_at(batches_of(engine), at, style)
                assert is_idle(engine)
                if at % 5 == 1:
                    assert await batches_of(engine) == ROWS
            at += 1
        assert at > 30
        assert not (tmp_path / "bronze/team").exists()


@pytest.mark.asyncio
async def test_an_engine_that_runs_again_and_again_holds_no_more(tmp_path: Path) -> None:
    async with configured(tmp_path) as config, nothing_left(), open_engine(config) as engine:
        for number in range(3):
            await engine.run(NAME, run_date=DAY + timedelta(days=number))
        before = footprint()
        for number in range(12):
            await engine.run(NAME, run_date=DAY + timedelta(days=number))
            assert await batches_of(engine) == ROWS
        assert footprint().beyond(before) == []
        assert is_idle(engine)


@pytest.mark.asyncio
async def test_it_is_opened_used_and_closed_in_three_tasks(tmp_path: Path) -> None:
    async with configured(tmp_path) as config, nothing_left():
        stack = AsyncExitStack()
        engine = await asyncio.create_task(stack.enter_async_context(open_engine(config)))
        days = [DAY + timedelta(days=number) for number in range(3)]
        runs = [asyncio.create_task(engine.run(NAME, run_date=day)) for day in days]
        await asyncio.gather(*runs)
        await asyncio.create_task(stack.aclose())
        assert [len(landed(tmp_path, day)) for day in days] == [ROWS] * 3


@pytest.mark.asyncio
async def test_two_engines_of_one_process_keep_out_of_each_others_way(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with (
        configured(tmp_path, gate) as config,
        nothing_left(),
        open_engine(config) as one,
        open_engine(config) as two,
    ):
        first = asyncio.create_task(one.run(NAME, run_date=DAY))
        await reading(one)
        with pytest.raises(StateError):  # the lease is the first one's
            await two.run(NAME, run_date=DAY)
        other = asyncio.create_task(two.run("team.returns", run_date=DAY))
        await reading(two)
        assert (one.statistics().running, two.statistics().running) == (1, 1)
        gate.set()
        await asyncio.gather(first, other)
    assert len(landed(tmp_path)) == len(landed(tmp_path, name="team.returns")) == ROWS


async def reading(engine: Engine) -> None:
    """Until a request of a run is under way."""
    async with engine.clock.timeout(10):
        while not any(group.in_flight for group in engine.statistics().limit_groups):
            await engine.clock.sleep(0.005)


@pytest.mark.asyncio
async def test_loops_of_several_threads_have_engines_of_their_own(tmp_path: Path) -> None:
    """Each with its own server, loop and lake, all at once."""
    errors: list[BaseException] = []

    async def land(folder: Path) -> None:
        async with configured(folder) as config, open_engine(config) as engine:
            for number in range(2):
                await engine.run(NAME, run_date=DAY + timedelta(days=number))

    def work(folder: Path) -> None:
        try:
            asyncio.run(land(folder))
        except BaseException as exc:  # noqa: BLE001  # told below
            errors.append(exc)

    folders = [tmp_path / f"lake {number}" for number in range(3)]
    threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for folder in [*folders, tmp_path / "own"]:
        folder.mkdir()
    for thread in threads:
        thread.start()
    await land(tmp_path / "own")
    async with nothing_left():
        pass  # this loop has run on meanwhile
    for thread in threads:
        await asyncio.get_running_loop().run_in_executor(None, thread.join)
    assert errors == []
    for folder in [*folders, tmp_path / "own"]:
        assert len(landed(folder, DAY + timedelta(days=1))) == ROWS


@pytest.mark.asyncio
async def test_in_somebody_elses_task_group_it_ends_with_the_group(tmp_path: Path) -> None:
    """A sibling's fault is what the group raises; the engine goes on."""
    gate = asyncio.Event()
    async with configured(tmp_path, gate) as config, nothing_left(), open_engine(config) as engine:

        async def fail() -> None:
            await reading(engine)
            raise LookupError("a sibling of the run")

        async def run() -> None:
            await engine.run(NAME, run_date=DAY)

        async def both() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                tasks.start_soon(fail)

        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        assert is_idle(engine)
        assert hidden(tmp_path) == []
        gate.set()
        await engine.run(NAME, run_date=DAY)
    assert len(landed(tmp_path)) == ROWS


@pytest.mark.asyncio
async def test_its_own_task_group_never_shows(tmp_path: Path) -> None:
    """What a run raises is one error, never a group, and a deadline of the caller's holds."""
    gate = asyncio.Event()
    async with configured(tmp_path, gate) as config, nothing_left(), open_engine(config) as engine:
        with pytest.raises(TimeoutError):
            async with engine.clock.timeout(0.2):
                await engine.run(NAME, run_date=DAY)
        assert is_idle(engine)
        gate.set()
        await engine.run(NAME, run_date=DAY)
    assert len(landed(tmp_path)) == ROWS


class Raising:
    """Raises at the n-th event of a run."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, _event: Event, /) -> None:
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("a hook that should not raise")


@pytest.mark.asyncio
async def test_a_hook_that_raises_at_any_event_decides_nothing(tmp_path: Path) -> None:
    async with configured(tmp_path) as config:
        at, fired = 1, True
        while fired:
            told: list[Event] = []
            raising = Raising(at)
            hooks: Sequence[Hook] = [raising, told.append]
            async with nothing_left(), open_engine(config, hooks=hooks) as engine:
                report = await engine.run(NAME, run_date=DAY)
            assert report.status == "committed"
            assert [type(event) for event in told].count(RunFinished) == 1  # the others hear all
            fired = raising.left <= 0
            at += 1
        assert at > 10
    assert read_manifest(tmp_path / "bronze", NAME, DAY).generation == at - 1
