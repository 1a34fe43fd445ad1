"""The thread behind a reader of an object store: begun when it is needed, and gone with it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from bronze_engine import StoreError, open_reader
from bronze_engine.contracts import Store
from bronze_engine.reading.connection import Connection
from bronze_engine.reading.files import open_files
from bronze_engine.reading.reader import Reader
from bronze_engine.store.memory import MemoryStore
from tests.unit.reading.landed import DAY, FILES, NAME, ROWS, land, lending, local

pytestmark = pytest.mark.unit


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith("bronze-")]


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    asyncio.run(land(store, 1))
    return store


def test_one_thread_and_its_workers_end_with_the_reader(store: MemoryStore, tmp_path: Path) -> None:
    assert threads() == []
    with open_reader(local(tmp_path), stores=lending(store)) as reader:
        reader.read_partition(NAME, DAY)
        assert [each.name for each in threads()].count("bronze-reader") == 1
    assert threads() == []


def test_a_directory_needs_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lake").mkdir()
    monkeypatch.setattr(threading.Thread, "start", None)
    with open_reader(tmp_path / "lake"):
        assert threads() == []


def test_a_dataset_keeps_its_store_open_and_closes_it(store: MemoryStore, tmp_path: Path) -> None:
    files = open_files(local(tmp_path), lending(store))
    orders: ds.Dataset | None = Reader(files).open_partition(NAME, DAY)
    del files
    [thread] = [each for each in threads() if each.name == "bronze-reader"]
    assert orders is not None
    assert orders.count_rows() == FILES * ROWS
    orders = None
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_what_cannot_be_opened_says_so_and_leaves_no_thread(tmp_path: Path) -> None:
    def closed(*_: object) -> AbstractAsyncContextManager[Store]:
        raise StoreError("the bucket does not exist; create it")

    for _ in range(2):
        with (
            pytest.raises(StoreError, match="create it"),
            open_reader(local(tmp_path), stores={"local": closed}),
        ):
            pass
        for each in threads():
            each.join(10)
    assert threads() == []


def test_a_reader_that_was_left_is_closed(store: MemoryStore, tmp_path: Path) -> None:
    with open_reader(local(tmp_path), stores=lending(store)) as reader:
        orders = reader.open_partition(NAME, DAY)
    with pytest.raises(RuntimeError, match="is closed; open another"):
        reader.read_manifest(NAME, DAY)
    with pytest.raises(RuntimeError, match="is closed; open another"):
        orders.to_table()


def test_closing_ends_what_is_under_way(store: MemoryStore, tmp_path: Path) -> None:
    connection = Connection(local(tmp_path), lending(store))
    begun = threading.Event()
    ended = threading.Event()
    told: list[BaseException] = []

    async def wait(_: Store) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def call() -> None:
        try:
            connection.call(wait)
        except RuntimeError as exc:
            told.append(exc)

    caller = threading.Thread(target=call)
    caller.start()
    assert begun.wait(10)
    connection.close()
    caller.join(10)
    assert ended.is_set()
    assert "was closed while it was used" in str(told[0])
    connection.close()  # again, to no effect


def test_an_interrupted_caller_cancels_the_operation(store: MemoryStore, tmp_path: Path) -> None:
    connection = Connection(local(tmp_path), lending(store))
    ended = threading.Event()

    async def wait(_: Store) -> None:
        # When the main thread has begun to wait for this very operation.
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    # Whoever starts the tests in the background has SIGINT ignored in them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            connection.call(wait)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.wait(10)
    connection.close()


def test_many_threads_share_one_connection(store: MemoryStore, tmp_path: Path) -> None:
    rows: list[int] = []
    with open_reader(local(tmp_path), stores=lending(store)) as reader:
        callers = [
            threading.Thread(target=lambda: rows.append(reader.read_partition(NAME, DAY).num_rows))
            for _ in range(8)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
    assert rows == [FILES * ROWS] * 8


SCRIPT = """
import asyncio, os, sys
from contextlib import asynccontextmanager
from pathlib import Path
from bronze_engine import open_reader
from bronze_engine.reading.files import open_files
from bronze_engine.reading.reader import Reader
from bronze_engine.store.memory import MemoryStore
from tests.unit.reading.landed import *

class Slow:
    def __init__(self):
        self._memory = MemoryStore()

    def __getattr__(self, name):
        return getattr(self._memory, name)

    @asynccontextmanager
    async def read(self, key, /, *, start=0, length=None):
        await asyncio.sleep(0.05)
        async with self._memory.read(key, start=start, length=length) as chunks:
            yield chunks

def landed(**options):
    store = Slow()
    asyncio.run(land(store, 1, **options))
    return lending(store)

def dataset(stores):
    return Reader(open_files(local(Path("/nowhere")), stores)).open_partition(NAME, DAY)

"""


def script(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "last",
    [
        "print(orders.head(5).num_rows)",
        "for batch in orders.to_batches():\n    print(5)\n    break",
        "stream = orders.scanner().to_reader(); stream.read_next_batch(); print(5)",
        "print(5); sys.exit(0)",
    ],
    ids=["head", "one batch", "a reader left open", "nothing read"],
)
def test_a_process_that_leaves_a_scan_unfinished_ends_as_it_should(last: str) -> None:
    """With pyarrow's threads amid a read, the interpreter would hang or abort."""
    body = f"orders = dataset(landed(files=40, rows=2000))\n{last}"
    with ThreadPoolExecutor(3) as pool:
        for done in pool.map(script, [body] * 3):
            assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


def test_a_forked_child_opens_the_store_anew_and_the_parent_goes_on() -> None:
    done = script(
        """
        orders = dataset(landed())
        print(orders.count_rows(), flush=True)
        child = os.fork()
        if child == 0:
            print(orders.to_table().num_rows, flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(status, orders.to_table().num_rows)
        """
    )
    assert (done.returncode, done.stdout.split()) == (0, ["600", "600", "0", "600"]), done.stderr


def test_importing_starts_no_thread() -> None:
    done = script("import threading; print(threading.active_count())")
    assert done.stdout == "1\n", done.stderr
