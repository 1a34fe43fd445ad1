"""What only a directory can get wrong: links, names, leftovers, descriptors."""

from __future__ import annotations

import asyncio
import os
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.errors import Conflict, StoreError
from bronze_engine.model.part import ABSENT, ANY, DataFile, Part, Staged
from bronze_engine.store.local.store import LocalStore, open_local
from bronze_engine.testing.stores import (
    check_large_file_of_many_parts,
    data_file,
    keys_of,
    parts_of,
    read_all,
    stage_bytes,
    staged_keys,
)
from bronze_engine.workers import Workers
from tests.unit.store.local_disk import everything, opened

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
async def test_the_directory_is_made_by_the_first_write(tmp_path: Path) -> None:
    async with opened(tmp_path / "a" / "b") as store:
        assert store.url == str(tmp_path / "a" / "b")
        assert await store.get("k") is None
        assert [info async for info in store.scan("")] == []
        assert await store.lock_note("_state/x.lease") is None
        await store.delete("k")
        assert not (tmp_path / "a").exists()
        await store.put("k", b"x", expect=ABSENT)
        assert (tmp_path / "a" / "b" / "k").read_bytes() == b"x"


@pytest.mark.asyncio
async def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    async with opened(tmp_path / "lake") as store:
        with pytest.raises(StoreError, match=r"lake.*no directory"):
            await store.get("k")


@pytest.mark.asyncio
async def test_file_where_a_folder_belongs_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put("a", b"x", expect=ANY)
        for operation in (store.put("a/b", b"x", expect=ANY), stage_bytes(store, "a/b", b"x")):
            with pytest.raises(StoreError, match=r"/a/b: a part of the path is no directory"):
                await operation
        (tmp_path / "folder").mkdir()
        with pytest.raises(StoreError, match="a directory stands where a file belongs"):
            await store.put("folder", b"x", expect=ANY)
    assert everything(tmp_path) == ["a", "folder"]


@pytest.mark.asyncio
async def test_links_are_neither_followed_nor_listed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root = tmp_path / "lake"
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    async with opened(root) as store:
        for operation in (
            store.get("link/secret"),
            store.get("file"),
            store.put("link/new", b"x", expect=ANY),
            store.delete("link/secret"),
            stage_bytes(store, "link/staged", b"x"),
            read_all(store, "link/secret"),
            keys_of(store, "link/"),
        ):
            with pytest.raises(StoreError, match="symbolic link"):
                await operation
        assert await keys_of(store) == []
        await store.delete("file")  # the link itself goes, not what it leads to
    assert everything(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"


@pytest.mark.asyncio
async def test_put_replaces_a_link_and_leaves_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    root = tmp_path / "lake"
    root.mkdir()
    async with opened(root) as store:
        (root / "key").symlink_to(tmp_path / "target")
        with pytest.raises(StoreError):
            await store.put("key", b"new", expect=ANY)
    assert (tmp_path / "target").read_bytes() == b"old"


@pytest.mark.asyncio
async def test_foreign_token_can_not_name_another_file(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put("p/f", b"x", expect=ANY)
        for token in ("f", "../f", ".f.tmp", ".g.0123456789abcdef.tmp"):
            staged = Staged(key="p/f", token=token, file=data_file("f", b"x"))
            with pytest.raises(StoreError, match="is no temporary of it"):
                await store.discard(staged)
            with pytest.raises(StoreError, match="is no temporary of it"):
                await store.complete(staged)
        assert await keys_of(store) == ["p/f"]


@pytest.mark.asyncio
async def test_temporary_never_ends_in_parquet_and_starts_with_a_dot(tmp_path: Path) -> None:
    async with opened(tmp_path) as store, store.stage("p/part-1.parquet") as upload:
        await upload.part(parts_of(b"x", 1)[0])
        (found,) = (tmp_path / "p").iterdir()
        assert found.name.startswith(".part-1.parquet.")
        assert found.name.endswith(".tmp")


@pytest.mark.asyncio
async def test_folders_made_for_an_aborted_file_are_removed_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put("shop/kept/x", b"x", expect=ANY)
        async with store.stage("shop/orders/dt=2025-01-15/_quarantine/f"):
            assert (tmp_path / "shop/orders/dt=2025-01-15/_quarantine").is_dir()
        staged = await stage_bytes(store, "shop/orders/dt=2025-01-16/f", b"x")
        await store.discard(staged)
        with pytest.raises(Conflict):
            await store.put("new/folder/f", b"x", expect="never")
    assert everything(tmp_path) == ["shop", "shop/kept", "shop/kept/x"]


@pytest.mark.asyncio
async def test_scan_lists_neither_dotfiles_nor_what_is_no_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.put("a/b", b"x", expect=ANY)
        for name in (".hidden", ".put.tmp", "a/.x.tmp", ".folder/x"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        (tmp_path / os.fsdecode(b"a/\xff")).write_bytes(b"x")
        os.mkfifo(tmp_path / "fifo")
        assert await keys_of(store) == ["a/b"]
        assert await staged_keys(store) == []


@pytest.mark.asyncio
async def test_large_file_is_never_held_in_memory(tmp_path: Path) -> None:
    with Workers(4) as workers:
        config = LocalStoreConfig(path=str(tmp_path))
        tracemalloc.start()
        try:
            await check_large_file_of_many_parts(lambda: open_local(config, workers, SYSTEM_CLOCK))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 24 << 20, f"{peak >> 20} MiB for a file of 100 MiB"


@pytest.mark.asyncio
async def test_descriptors_are_closed_whatever_happens(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await exercise(store)
        before = open_descriptors()
        for _ in range(10):
            await exercise(store)
        assert open_descriptors() == before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def exercise(store: LocalStore) -> None:
    await store.put("p/m", b"x", expect=ANY)
    await store.complete(await stage_bytes(store, "p/f", b"x"))
    await read_all(store, "p/f")
    async with store.stage("p/g") as upload:
        await upload.part(parts_of(b"x", 1)[0])
    async with store.lock("_state/x.lease", b""):
        pass
    failing: tuple[Callable[[], Any], ...] = (
        lambda: store.put("p/m", b"x", expect=ABSENT),
        lambda: store.put("p/m/x", b"x", expect=ANY),
        lambda: read_all(store, "p/none"),
        lambda: store.complete(
            Staged(
                key="p/none",
                token=".none.0123456789abcdef.tmp",
                file=DataFile(name="none", size_bytes=1, sha256="", row_count=0),
            )
        ),
    )
    for operation in failing:
        with pytest.raises((StoreError, Conflict)):
            await operation()


@pytest.mark.asyncio
async def test_seal_cuts_what_a_longer_first_try_of_a_part_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        async with store.stage("p/f") as upload:
            long, short = parts_of(b"123456", 6)[0], parts_of(b"123", 3)[0]
            await upload.part(long)
            await upload.part(short)
            await store.complete(await upload.seal(data_file("f", b"123")))
        assert await read_all(store, "p/f") == b"123"


@pytest.mark.asyncio
async def test_upload_can_not_be_used_after_its_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        part: Part = parts_of(b"x", 1)[0]
        async with store.stage("p/f") as upload:
            await upload.part(part)
            await upload.seal(data_file("f", b"x"))
            with pytest.raises(StoreError, match="sealed or given up"):
                await upload.part(part)
        async with store.stage("p/g") as upload:
            pass
        with pytest.raises(StoreError, match="sealed or given up"):
            await upload.part(part)


@pytest.mark.asyncio
@pytest.mark.parametrize("times", [1, 2, 5])
async def test_repeated_native_cancellation_leaves_no_temporary_and_no_lock(
    tmp_path: Path, times: int
) -> None:
    held = anyio.Event()

    async def hold(store: LocalStore) -> None:
        async with store.lock("_state/x.lease", b""), store.stage("p/f") as upload:
            await upload.part(parts_of(b"x", 1)[0])
            held.set()
            await anyio.sleep_forever()

    async with opened(tmp_path) as store:
        task = asyncio.create_task(hold(store))
        await held.wait()
        for _ in range(times):
            task.cancel()
            await anyio.lowlevel.checkpoint()
        await asyncio.wait([task])
        assert task.cancelled()
    assert everything(tmp_path) == []


@pytest.mark.asyncio
async def test_leaving_an_upload_waits_for_a_part_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its descriptor could be closed, and its number be another file's, under a thread."""
    writing, go_on = threading.Event(), threading.Event()
    links: list[int] = []

    def slow_write(fd: int, data: bytes, offset: int) -> None:
        writing.set()
        assert go_on.wait(10)
        links.append(os.fstat(fd).st_nlink)
        os.pwrite(fd, data, offset)

    monkeypatch.setattr("bronze_engine.store.local.temporary.write_all", slow_write)
    left = anyio.Event()

    async def upload_and_leave(store: LocalStore, tasks: TaskGroup) -> None:
        async with store.stage("p/f") as upload:
            tasks.start_soon(upload.part, parts_of(b"x", 1)[0])
            while not writing.is_set():
                await anyio.lowlevel.checkpoint()
        left.set()

    async with opened(tmp_path) as store, anyio.create_task_group() as tasks:
        tasks.start_soon(upload_and_leave, store, tasks)
        while not writing.is_set():
            await anyio.lowlevel.checkpoint()
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert not left.is_set()
        go_on.set()
    assert links == [1]
    assert everything(tmp_path) == []
