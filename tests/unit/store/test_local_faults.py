"""A disk that is full, read-only or broken is STG001, and leaves no temporary."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from bronze_engine.errors import OutcomeUnknown, StoreError
from bronze_engine.model.part import ABSENT
from bronze_engine.store.local import disk, folder
from bronze_engine.store.local.disk_error import disk_error
from bronze_engine.testing.stores import stage_bytes
from tests.unit.store.local_disk import FailingOs, break_os, everything, opened

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        ("pwrite", errno.ENOSPC, "full; free some space"),
        ("pwrite", errno.EDQUOT, "full; free some space"),
        ("fsync", errno.EIO, "the disk failed"),
        ("open", errno.EROFS, "read-only"),
        ("open", errno.EACCES, "permission denied"),
        ("open", errno.EMFILE, "ulimit -n"),
        ("ftruncate", errno.ENOSPC, "full"),
    ],
)
async def test_failing_disk_is_stg001_and_leaves_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int, told: str
) -> None:
    async with opened(tmp_path) as store:
        with monkeypatch.context() as broken:
            for module in ("temporary", "folder"):
                break_os(broken, module, call, error)
            with pytest.raises(StoreError, match=told) as caught:
                await stage_bytes(store, "p/f", b"x")
            assert str(tmp_path / "p/f") in caught.value.message
            assert caught.value.code == "STG001"
    assert everything(tmp_path) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("module", "call", "error"),
    [
        ("folder", "pwrite", errno.ENOSPC),
        ("disk", "fsync", errno.ENOSPC),
        ("disk", "rename", errno.ENOSPC),
        ("disk", "rename", errno.EACCES),
    ],
)
async def test_put_that_fails_before_its_rename_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, call: str, error: int
) -> None:
    async with opened(tmp_path) as store:
        version = await store.put("p/m", b"old", expect=ABSENT)
        with monkeypatch.context() as broken:
            break_os(broken, module, call, error)
            with pytest.raises(StoreError):
                await store.put("p/m", b"new", expect=version)
            with pytest.raises(StoreError):
                await store.put("q/m", b"new", expect=ABSENT)
        assert everything(tmp_path) == ["p", "p/m"]
        assert await store.put("p/m", b"new", expect=version) != version


@pytest.mark.asyncio
async def test_put_that_fails_after_its_rename_is_an_unknown_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename_then_fail(*args: Any, **kwargs: Any) -> None:
        os.rename(*args, **kwargs)  # noqa: PTH104
        monkeypatch.setattr(folder, "os", FailingOs("fsync", errno.EIO))

    async with opened(tmp_path) as store:
        renaming = FailingOs("nothing", 0)
        monkeypatch.setattr(renaming, "rename", rename_then_fail, raising=False)
        monkeypatch.setattr(disk, "os", renaming)
        with pytest.raises(OutcomeUnknown):
            await store.put("p/m", b"new", expect=ABSENT)
        monkeypatch.setattr(disk, "os", os)
        found = await store.get("p/m")
        assert found is not None
        assert found.body == b"new"


@pytest.mark.asyncio
async def test_a_file_system_that_syncs_no_folder_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of VirtualBox, SMB of an old kernel: each run of it ended in STG001."""
    break_os(monkeypatch, "folder", "fsync", errno.EINVAL)
    async with opened(tmp_path) as store:
        await store.complete(await stage_bytes(store, "p/f", b"x"))
        version = await store.put("p/m", b"old", expect=ABSENT)
        await store.put("p/m", b"new", expect=version)
        await store.delete("p/f")
    assert everything(tmp_path) == ["p", "p/m"]


@pytest.mark.parametrize("code", [*errno.errorcode, None])
def test_every_errno_becomes_a_store_error_with_its_path(code: int | None) -> None:
    text = "strange" if code is None else os.strerror(code)
    error = disk_error(OSError(code, text) if code else OSError(text), "/lake/x")
    assert isinstance(error, StoreError)
    assert error.message.startswith("/lake/x: ")
    assert len(error.message) > len("/lake/x: ")
