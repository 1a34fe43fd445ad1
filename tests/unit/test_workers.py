from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator

import anyio
import pyarrow as pa
import pytest
import pytest_asyncio

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.errors import ConfigError
from bronze_engine.workers import Workers

pytestmark = [pytest.mark.unit, pytest.mark.asyncio]


class Job:
    """A job that runs until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.ended = False

    def __call__(self) -> str:
        self.begun.set()
        assert self.let_go.wait(10)
        self.ended = True
        return "done"

    async def has_begun(self) -> None:
        while not self.begun.is_set():
            await anyio.lowlevel.checkpoint()


@pytest_asyncio.fixture
async def workers() -> AsyncIterator[Workers]:
    with Workers(2) as pool:
        yield pool


def let_go_soon(job: Job) -> None:
    threading.Timer(0.05, job.let_go.set).start()


async def test_run_returns_what_the_job_returns(workers: Workers) -> None:
    name = await workers.run(lambda: threading.current_thread().name)
    assert name.startswith("bronze-worker")
    assert await workers.run(divmod, 7, 2) == (3, 1)


async def test_run_raises_what_the_job_raises(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError):
        await workers.run(divmod, 7, 0)


async def test_memory_that_the_system_does_not_give_is_no_fault_of_ours(workers: Workers) -> None:
    """As under `ulimit -v`: it ended in a traceback, with the request to report it."""

    def more_than_there_is() -> pa.Buffer:
        return pa.allocate_buffer(1 << 60)

    told = r"^CFG001 engine\.memory_limit: .* \(malloc of size 1152921504606846976 failed\); raise"
    with pytest.raises(ConfigError, match=told) as caught:
        await workers.run(more_than_there_is)
    assert isinstance(caught.value.__cause__, MemoryError)


async def test_context_variables_pass_into_the_job_and_not_out(workers: Workers) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="unset")
    name.set("caller")

    def job() -> str:
        seen = name.get()
        name.set("job")
        return seen

    assert await workers.run(job) == "caller"
    assert name.get() == "caller"


async def test_a_cancelled_scope_waits_for_the_thread(workers: Workers) -> None:
    job = Job()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(workers.run, job)
            await job.has_begun()
            let_go_soon(job)
            scope.cancel()
    assert job.ended


async def test_a_native_cancellation_waits_for_the_thread_and_is_kept(workers: Workers) -> None:
    job = Job()
    task = asyncio.create_task(workers.run(job))
    await job.has_begun()
    for _ in range(3):  # also one that comes while it waits
        task.cancel()
        await asyncio.wait([task], timeout=0.01)
        assert not task.done()
    job.let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert job.ended


async def test_a_timeout_waits_for_the_thread(workers: Workers) -> None:
    job = Job()

    async def timed() -> None:
        async with SYSTEM_CLOCK.timeout(0.01):  # a manual clock would not pass a thread by
            await workers.run(job)

    task = asyncio.create_task(timed())
    await job.has_begun()
    let_go_soon(job)
    with pytest.raises(TimeoutError):
        await task
    assert job.ended


async def test_an_error_of_a_job_whose_caller_is_gone_is_not_reported_as_lost(
    workers: Workers,
) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: reported.append(what))
    begun = threading.Event()

    def job() -> None:
        begun.set()
        time.sleep(0.05)  # noqa: TID251  # a thread at work
        raise ValueError("late")

    task = asyncio.create_task(workers.run(job))
    while not begun.is_set():
        await anyio.lowlevel.checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    await anyio.lowlevel.checkpoint()
    assert reported == []


async def test_a_job_that_has_not_begun_when_it_is_cancelled_never_begins() -> None:
    with Workers(1) as workers:
        first, second = Job(), Job()
        running = asyncio.create_task(workers.run(first))
        await first.has_begun()
        queued = asyncio.create_task(workers.run(second))
        await anyio.lowlevel.checkpoint()
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        assert not first.ended
        first.let_go.set()
        assert await running == "done"
    assert not second.begun.is_set()


async def test_cleaning_up_that_has_not_begun_when_it_is_cancelled_is_done_all_the_same() -> None:
    with Workers(1) as workers:
        first, second = Job(), Job()
        running = asyncio.create_task(workers.run(first))
        await first.has_begun()
        queued = asyncio.create_task(workers.clean(second))
        await anyio.lowlevel.checkpoint()
        queued.cancel()
        await anyio.lowlevel.checkpoint()
        queued.cancel()
        first.let_go.set()
        second.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await queued
        assert second.ended
        assert await running == "done"


async def test_a_job_that_is_begun_goes_on_meanwhile(workers: Workers) -> None:
    job = Job()
    begun = workers.begin(job)
    await job.has_begun()
    assert not begun.is_done
    job.let_go.set()
    assert await begun.result() == "done"
    assert begun.is_done


async def test_workers_are_idle_while_fewer_jobs_run_than_there_are_threads(
    workers: Workers,
) -> None:
    def is_idle() -> bool:
        return workers.is_idle

    jobs = [Job(), Job()]
    first = workers.begin(jobs[0])
    assert is_idle()
    second = workers.begin(jobs[1])
    assert not is_idle()
    for job in jobs:
        job.let_go.set()
    assert [await first.result(), await second.result()] == ["done", "done"]
    assert is_idle()


async def test_a_job_that_is_abandoned_is_waited_for_where_it_runs_and_else_never_begins() -> None:
    with Workers(1) as workers:
        first, second = Job(), Job()
        running, queued = workers.begin(first), workers.begin(second)
        await first.has_begun()
        await queued.abandon()
        let_go_soon(first)
        await running.abandon()
        assert first.ended
    assert not second.begun.is_set()


async def test_nothing_of_the_caller_is_kept(workers: Workers) -> None:
    class Buffer:
        pass

    buffer = Buffer()
    gone = weakref.ref(buffer)
    assert await workers.run(id, buffer) == id(buffer)
    del buffer
    await workers.run(int)  # a worker drops its last job when it takes the next
    await workers.run(int)
    gc.collect()
    assert gone() is None


async def test_a_result_lives_no_longer_than_its_caller_holds_it(workers: Workers) -> None:
    """A batch of 16 MiB that waits for the garbage collector is missing where it is counted."""

    class Buffer:
        pass

    gc.collect()
    gc.disable()
    try:
        gone = [weakref.ref(await workers.run(Buffer))]
        gone.append(weakref.ref(await workers.begin(Buffer).result()))
        for _ in range(100):  # a thread may still be on its way out of the job
            await workers.run(int)
        assert all(each() is None for each in gone)
    finally:
        gc.enable()


async def test_leaving_joins_every_thread() -> None:
    with Workers(3) as workers:
        await asyncio.gather(*(workers.run(int) for _ in range(9)))
    assert not [t for t in threading.enumerate() if t.name.startswith("bronze-worker")]


class Reader:
    """A blocking iterator that may be closed once, and never while it is stepped."""

    def __init__(self, count: int, gate: Job | None = None) -> None:
        self.left = count
        self.closed = 0
        self.is_stepped = False
        self.gate = gate

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.is_stepped = True
        if self.gate is not None:
            self.gate()
        self.is_stepped = False
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return self.left

    def close(self) -> None:
        assert not self.is_stepped
        assert threading.current_thread().name.startswith("bronze-worker")
        self.closed += 1


async def test_iterate_steps_to_the_end_and_closes(workers: Workers) -> None:
    reader = Reader(3)
    async with workers.iterate(reader) as items:
        assert [item async for item in items] == [2, 1, 0]
        assert reader.closed == 0
    assert reader.closed == 1


async def test_iterate_takes_what_has_no_close(workers: Workers) -> None:
    async with workers.iterate(iter([1, 2])) as items:
        assert [item async for item in items] == [1, 2]


async def test_iterate_holds_no_worker_between_items() -> None:
    with Workers(1) as workers:
        async with workers.iterate(Reader(2)) as items:
            async for _ in items:
                assert await workers.run(sum, (1, 2)) == 3


async def test_iterate_closes_when_the_body_breaks_off_or_fails(workers: Workers) -> None:
    reader = Reader(5)
    async with workers.iterate(reader) as items:
        async for _ in items:
            break
    assert reader.closed == 1
    failing = Reader(5)
    with pytest.raises(ValueError, match="body"):
        async with workers.iterate(failing):
            raise ValueError("body")
    assert failing.closed == 1


async def test_iterate_closes_after_the_step_that_a_cancellation_found_running(
    workers: Workers,
) -> None:
    reader = Reader(5, gate=Job())
    assert reader.gate is not None

    async def consume() -> None:
        async with workers.iterate(reader) as items:
            async for _ in items:
                pass

    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(consume)
            await reader.gate.has_begun()
            let_go_soon(reader.gate)
            scope.cancel()
    assert reader.closed == 1
    assert reader.left == 4


async def test_iterate_passes_the_error_of_a_step_on(workers: Workers) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk")

    async def consume() -> None:
        async with workers.iterate(broken()) as items:
            async for _ in items:
                pass

    with pytest.raises(OSError, match="disk"):
        await consume()


async def test_a_cancelled_job_is_interrupted_and_still_waited_for(workers: Workers) -> None:
    job = Job()
    task = asyncio.create_task(workers.run(job, interrupt=job.let_go.set))
    await job.has_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert job.ended


async def test_a_job_that_has_not_begun_is_not_interrupted(workers: Workers) -> None:
    jobs = [Job(), Job()]
    interrupted: list[str] = []
    async with anyio.create_task_group() as tasks:
        for job in jobs:
            tasks.start_soon(workers.run, job)
            await job.has_begun()
        waiting = asyncio.create_task(
            workers.run(str, interrupt=lambda: interrupted.append("waiting"))
        )
        await anyio.lowlevel.checkpoint()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        for job in jobs:
            job.let_go.set()
    assert interrupted == []


async def test_a_step_of_an_iterator_is_interrupted(workers: Workers) -> None:
    job = Job()

    def steps() -> Iterator[str]:
        yield job()

    async def step() -> None:
        async with workers.iterate(steps(), interrupt=job.let_go.set) as items:
            async for _ in items:
                pass

    task = asyncio.create_task(step())
    await job.has_begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert job.ended
