"""Disks that are full, read-only, or not ours to write to: real ones.

A run fails with STG001 and says what to do; nothing of it is left, and the old partition is
as readable as before. After the commit nothing fails it: what could not be written is told.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bronze_engine import StoreError, load_config, open_engine
from bronze_engine.contracts import Store, StoreResources
from bronze_engine.model.report import RunReport
from bronze_engine.store.local.store import open_local
from bronze_engine.testing.faults import FaultyStore, inject
from tests.integration.cli.command import tree
from tests.integration.store.places import local_place
from tests.integration.store.run_server import Bronze, Land, source
from tests.integration.store.runs import (
    COMMITTED,
    STG001,
    Runs,
    assert_clean,
    version_in,
)
from tests.killing import hidden_or_empty
from tests.unit.run.harness import DAY, NAME, partition_of

pytestmark = pytest.mark.integration

MANIFEST = f"{partition_of()}/_metadata.json"
CHECKSUMS = f"{partition_of()}/_checksums.json"
HINT = "_state/team/orders.json"
NOBODY = 65534
BALLAST = "ballast"

FULL = r"the disk \(or its quota\) is full; free some space and run again"


class Disk:
    """A small file system of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """To the last byte."""
        with suppress(OSError), (self.path / BALLAST).open("ab", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def fill_inodes(self) -> None:
        """To the last name."""
        (self.path / BALLAST).mkdir(exist_ok=True)
        with suppress(OSError):
            for number in range(10**6):
                (self.path / BALLAST / str(number)).touch()

    def empty(self) -> None:
        """Take the ballast out again."""
        ballast = self.path / BALLAST
        if ballast.is_dir():
            for each in ballast.iterdir():
                each.unlink()
            ballast.rmdir()
        else:
            ballast.unlink(missing_ok=True)

    def remount(self, mode: str) -> None:
        mount("-o", f"remount,{mode}", str(self.path))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A tmpfs of 1 MiB and 200 inodes."""
    path = tmp_path / "disk"
    path.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=1m,nr_inodes=200,mode=755", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as exc:
        pytest.skip(f"may not mount a tmpfs here (needs root): {exc}")
    try:
        yield Disk(path)
    finally:
        unmount(path)


def unmount(path: Path) -> None:
    subprocess.run(["umount", str(path)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


class Bench:
    """One place on a small disk, and runs there in this process."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self.disk = disk
        self.place = local_place(folder, disk.path / "bronze")
        self.wrapped: FaultyStore | None = None

    async def run(self, version: int, at: int = 0, do: Any = None) -> RunReport:
        """One run; before its `at`-th operation on the store something is done to the disk."""
        config = load_config(self.place.folder / "pipelines.toml", environ={})

        @asynccontextmanager
        async def opener(settings: Any, resources: StoreResources) -> AsyncIterator[Store]:
            async with open_local(settings, resources.workers, resources.clock) as store:
                self.wrapped = inject(store, at, "cancel_before", cancel=do or (lambda: None))
                yield self.wrapped

        sources = {"http": source(version)}
        async with open_engine(config, sources=sources, stores={"local": opener}) as engine:
            return await engine.run(NAME, run_date=DAY)

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Of the last run."""
        assert self.wrapped is not None
        return self.wrapped.script.operations

    async def version(self) -> int | None:
        async with self.place.opened() as store:
            return await version_in(store)

    async def assert_clean(self) -> None:
        async with self.place.opened() as store:
            await assert_clean(store)
        if (self.disk.path / "bronze").exists():
            assert [path for path in hidden_or_empty(self.disk.path) if not is_root(path)] == []


async def outcome(run: Awaitable[RunReport]) -> RunReport | StoreError:
    try:
        return await run
    except StoreError as exc:
        return exc


def is_root(path: str) -> bool:
    """The store's own folder, which may be empty."""
    return path.endswith("/bronze")


@pytest.mark.asyncio
@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])
@pytest.mark.parametrize("of", ["bytes", "inodes"])
async def test_full_before_any_operation(
    small_disk: Disk, tmp_path: Path, of: str, again: bool
) -> None:
    bench = Bench(small_disk, tmp_path / "run")
    fill = small_disk.fill if of == "bytes" else small_disk.fill_inodes
    before: int | None = None
    if again:
        await bench.run(before := 1)
    degraded: set[str] = set()
    failed = 0
    for at in range(1, 1000):
        version = 1000 + at
        ended = await outcome(bench.run(version, at, fill))
        small_disk.empty()
        if isinstance(ended, StoreError):
            assert ("put", MANIFEST) not in bench.operations[: at - 1]
            assert re.search(FULL, str(ended))
            assert ended.exit_code == STG001
            assert await bench.version() == before
            failed += 1
        else:
            degraded |= {told.partition(" ")[0] for told in ended.degraded}
            assert await bench.version() == version
            before = version if again else None
        await bench.assert_clean()
        if not again:
            shutil.rmtree(bench.place.store.location, ignore_errors=True)
        if at > len(bench.operations):
            break
    assert failed > 20
    assert degraded == {"the", HINT}
    assert at > 40


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])
async def test_full_before_the_run(small_disk: Disk, tmp_path: Path, again: bool) -> None:
    bench = Bench(small_disk, tmp_path / "run")
    if again:
        await bench.run(1)
    small_disk.fill()
    with pytest.raises(StoreError, match=FULL):
        await bench.run(2)
    assert await bench.version() == (1 if again else None)
    await bench.assert_clean()
    small_disk.empty()
    assert (await bench.run(3)).degraded == ()
    assert await bench.version() == 3


@pytest.mark.asyncio
async def test_command_line_on_a_full_disk(small_disk: Disk, runs: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    local_place(folder, small_disk.path / "bronze")
    small_disk.fill()
    pid = await runs.until_stopped(
        Bronze(folder=str(folder), arguments=["run", NAME, "--date", str(DAY)])
    )
    assert await runs.resume(pid) == STG001
    log = runs.log(str(folder), pid)
    assert re.search(f"ERROR STG001 {small_disk.path}/bronze/[^ ]*: {FULL}", log), log


READ_ONLY = "the file system is read-only; mount it writable, or choose another target"


@pytest.mark.asyncio
@pytest.mark.parametrize("again", [False, True], ids=["first run", "re-run"])
async def test_read_only_file_system(small_disk: Disk, tmp_path: Path, again: bool) -> None:
    bench = Bench(small_disk, tmp_path / "run")
    if again:
        await bench.run(1)
    small_disk.remount("ro")
    with pytest.raises(StoreError, match=READ_ONLY):
        await bench.run(2)
    assert await bench.version() == (1 if again else None)
    await bench.assert_clean()
    small_disk.remount("rw")
    await bench.run(3)
    assert await bench.version() == 3
    await bench.assert_clean()


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["complete", "put", "delete"])
async def test_file_system_that_becomes_read_only(
    small_disk: Disk, tmp_path: Path, method: str
) -> None:
    """As one does after an error. What is staged then can't be removed but by the next run."""
    bench = Bench(small_disk, tmp_path / "run")
    await bench.run(1)
    await bench.run(2)
    key = MANIFEST if method == "put" else f"{partition_of()}/"
    at = next(
        at
        for at, (one, of) in enumerate(bench.operations, 1)
        if one == method and of.startswith(key)
    )
    partition = small_disk.path / "bronze" / partition_of()
    ended = await outcome(bench.run(3, at, lambda: make_read_only(partition)))
    try:
        if method == "delete":
            assert not isinstance(ended, StoreError)
            assert any("was not removed" in told for told in ended.degraded)
            assert await bench.version() == 3
        else:
            assert isinstance(ended, StoreError)
            assert READ_ONLY in str(ended)
            assert await bench.version() == 2
    finally:
        unmount(partition)
    await bench.run(4)
    assert await bench.version() == 4
    await bench.assert_clean()


def make_read_only(folder: Path) -> None:
    """By a mount over it: what is open elsewhere, the lock of the run, stays as it is."""
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,bind,ro", str(folder))


DENIED = "permission denied; let this user read and write there, or choose another target"


RUNS = "_runs/team/orders/2025-01-15"
NO_WRITE = [(each, 0o555) for each in ("_state", "_state/team", RUNS, partition_of())]
NO_READ = [(each, 0) for each in ("", "_state", "_state/team", RUNS, "team/orders", partition_of())]


@pytest.mark.asyncio
@pytest.mark.parametrize(("closed", "mode"), [*NO_WRITE, *NO_READ])
async def test_missing_permission(runs: Runs, open_folder: Path, closed: str, mode: int) -> None:
    place = local_place(open_folder, "bronze")
    assert await runs.run(Land(folder=str(open_folder), version=1)) == COMMITTED
    bronze = open_folder / "bronze"
    (bronze / "_state/team").mkdir(exist_ok=True)
    for folder in (bronze, *bronze.rglob("*")):
        shutil.chown(folder, NOBODY, NOBODY)
    held = tree(bronze)
    os.chmod(bronze / closed, mode)  # noqa: PTH101
    pid = runs.start(Land(folder=str(open_folder), version=2, uid=NOBODY))
    assert await runs.wait() == (pid, STG001), runs.log(str(open_folder), pid)
    assert DENIED in runs.log(str(open_folder), pid)
    os.chmod(bronze / closed, 0o700)  # noqa: PTH101
    assert without_reports(tree(bronze)) == without_reports(held)
    async with place.opened() as store:
        assert await version_in(store) == 1
        await assert_clean(store)
    assert await runs.run(Land(folder=str(open_folder), version=3)) == COMMITTED


@pytest.mark.asyncio
async def test_missing_permission_for_the_first_run(runs: Runs, open_folder: Path) -> None:
    local_place(open_folder, "bronze")
    os.chmod(open_folder, 0o755)  # noqa: PTH101, S103
    pid = runs.start(Land(folder=str(open_folder), version=1, uid=NOBODY))
    assert await runs.wait() == (pid, STG001), runs.log(str(open_folder), pid)
    assert DENIED in runs.log(str(open_folder), pid)
    assert not (open_folder / "bronze").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user may reach: pytest's own are closed."""
    if os.geteuid() != 0:
        pytest.skip("may not become another user here (needs root)")
    folder = Path(tempfile.mkdtemp(prefix="bronze-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def without_reports(found: dict[str, bytes]) -> dict[str, bytes]:
    return {path: body for path, body in found.items() if not path.startswith("_runs/")}
