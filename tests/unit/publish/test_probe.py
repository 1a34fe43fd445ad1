"""The probe names the promise that a store breaks, goes on where that makes sense, and leaves
nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, final

import anyio
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.stores.store import LocalStoreConfig
from bronze_engine.contracts import Store, Upload
from bronze_engine.errors import AuthError, RetryError, StoreError
from bronze_engine.model.part import ANY, Expect, ObjectInfo, Staged, StoredObject, Version
from bronze_engine.model.probe import Probed
from bronze_engine.publish import probe as probing
from bronze_engine.publish.probe import probe_store
from bronze_engine.store.local.store import open_local
from bronze_engine.store.memory import MemoryStore
from bronze_engine.testing.faults import Fault, FaultyStore, Script, inject
from bronze_engine.testing.stores import keys_of, staged_keys
from bronze_engine.workers import Workers

pytestmark = pytest.mark.unit

SUBJECTS = [
    "clock", "write", "read", "read a range", "list", "put if absent", "put if unchanged",
    "upload", "list uploads", "complete", "abort upload", "delete",
]  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """No store of these has a least size of parts."""
    monkeypatch.setattr(probing, "_FIRST_PART_BYTES", 5000)


async def probe(store: Store, *, single_writer: bool = False) -> dict[str, Probed]:
    with Workers(2) as workers:
        results = await probe_store(store, workers, SYSTEM_CLOCK, single_writer=single_writer)
    found = {each.subject: each for each in results}
    assert len(found) == len(results)
    for each in results:
        assert (each.exit_code != 0) == (each.status == "FAIL")
        assert each.detail
    return found


def failed(found: dict[str, Probed]) -> list[str]:
    return [subject for subject, each in found.items() if each.status == "FAIL"]


def skipped(found: dict[str, Probed]) -> list[str]:
    return [subject for subject, each in found.items() if each.status == "skipped"]


@pytest.mark.asyncio
async def test_a_sound_store_keeps_every_promise_and_is_left_as_it_was() -> None:
    store = MemoryStore()
    await store.put("a/b", b"x", expect=ANY)
    found = await probe(store)
    assert list(found) == SUBJECTS
    assert {each.status for each in found.values()} == {"ok"}
    assert (await keys_of(store), await staged_keys(store)) == (["a/b"], [])


@pytest.mark.asyncio
async def test_a_store_with_locks_is_asked_for_them(tmp_path: Path) -> None:
    with Workers(2) as workers:
        config = LocalStoreConfig(path=str(tmp_path / "lake"))
        async with open_local(config, workers, SYSTEM_CLOCK) as store:
            found = await probe(store)
            assert (await keys_of(store), await staged_keys(store)) == ([], [])
    assert found["lock"].status == "ok"
    assert not failed(found)


@pytest.mark.asyncio
async def test_a_lock_that_excludes_nobody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workers(2) as workers:
        config = LocalStoreConfig(path=str(tmp_path / "lake"))
        async with open_local(config, workers, SYSTEM_CLOCK) as store:

            async def excludes(_: object) -> bool:
                return False

            monkeypatch.setattr(type(store), "excludes", excludes)
            found = await probe(store)
            promised = await probe(store, single_writer=True)
    assert failed(found) == ["lock"]
    assert "single_writer" in found["lock"].detail
    assert skipped(promised) == ["put if absent", "put if unchanged", "lock"]


Broken = Literal[
    "get", "read", "scan", "put condition", "visible at once", "scan_staged", "complete", "discard"
]


@final
class BrokenStore(FaultyStore):
    """A store that breaks one promise without a word."""

    def __init__(self, store: Store, broken: Broken) -> None:
        super().__init__(store, Script())
        self._broken = broken

    async def get(self, key: str, /) -> StoredObject | None:
        found = await super().get(key)
        if self._broken == "get" and found is not None:
            return StoredObject(key=key, body=b"of yesterday", version=found.version)
        return found

    @asynccontextmanager
    async def read(
        self, key: str, /, *, start: int = 0, length: int | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        if self._broken == "read":
            start, length = 0, None
        async with super().read(key, start=start, length=length) as chunks:
            yield chunks

    async def put(self, key: str, body: bytes, /, *, expect: Expect) -> Version:
        if self._broken == "put condition":
            expect = ANY
        return await super().put(key, body, expect=expect)

    @asynccontextmanager
    async def stage(self, key: str, /) -> AsyncIterator[Upload]:
        if self._broken == "visible at once":
            await super().put(key, b"half", expect=ANY)
        async with super().stage(key) as upload:
            yield upload

    async def complete(self, staged: Staged, /) -> ObjectInfo:
        info = await super().complete(staged)
        if self._broken == "complete":
            await super().put(staged.key, b"\0" * info.size_bytes, expect=ANY)
        return info

    async def discard(self, staged: Staged, /) -> None:
        if self._broken != "discard":
            await super().discard(staged)

    async def scan(self, prefix: str, /) -> AsyncIterator[ObjectInfo]:
        async for info in super().scan(prefix):
            if self._broken != "scan":
                yield info

    async def scan_staged(self, prefix: str, /) -> AsyncIterator[Staged]:
        async for staged in super().scan_staged(prefix):
            if self._broken != "scan_staged":
                yield staged


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("broken", "subject", "said"),
    [
        ("get", "read", "cache"),
        ("read", "read a range", "ranges"),
        ("scan", "list", "consistent"),
        ("put condition", "put if absent", "ignores conditions"),
        ("visible at once", "upload", "before it is complete"),
        ("scan_staged", "list uploads", "is not listed"),
        ("complete", "complete", "another checksum"),
        ("discard", "abort upload", "listed all the same"),
    ],
)
async def test_broken_promise_is_named(broken: Broken, subject: str, said: str) -> None:
    store = MemoryStore()
    found = await probe(BrokenStore(store, broken))
    assert failed(found) == [subject]
    assert said in found[subject].detail
    assert found[subject].exit_code == 6
    assert await keys_of(store) == []
    assert len(await staged_keys(store)) == (broken == "discard")


def refusing(store: Store, method: str, error: Exception) -> Store:
    """A store whose policy forbids one operation."""

    @asynccontextmanager
    async def step(name: str, _: str) -> AsyncIterator[None]:
        if name == method:
            raise error
        yield

    faulty = inject(store)
    faulty.script.step = step  # type: ignore[method-assign, assignment]
    return faulty


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "fails", "rests_on_it"),
    [
        ("now", ["clock"], []),
        (
            "put",
            ["write", "put if absent"],
            ["read", "read a range", "list", "put if unchanged"],
        ),
        ("get", ["read", "put if unchanged", "upload"],
         ["list uploads", "complete", "abort upload"]),
        ("read", ["read a range", "complete"], []),
        ("scan", ["list"], []),
        ("part", ["upload"], ["list uploads", "complete", "abort upload"]),
        ("scan_staged", ["list uploads"], []),
        ("complete", ["complete"], []),
        ("discard", ["abort upload"], []),
        ("delete", ["delete"], []),
    ],
)  # fmt: skip
async def test_missing_permission_is_told_and_the_rest_is_asked_all_the_same(
    method: str, fails: list[str], rests_on_it: list[str]
) -> None:
    store = MemoryStore()
    error = StoreError(f"s3://lake: the permission s3:{method} is missing; grant it")
    found = await probe(refusing(store, method, error))
    assert list(found) == SUBJECTS
    assert failed(found) == fails
    assert skipped(found) == rests_on_it
    assert all(f"s3:{method}" in found[subject].detail for subject in fails)
    assert all("needs" in found[subject].detail for subject in rests_on_it)
    if method not in {"delete", "discard"}:
        assert (await keys_of(store), await staged_keys(store)) == ([], [])


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [AuthError("the key is unknown"), RetryError("no answer")])
async def test_what_would_fail_alike_is_not_asked(error: AuthError | RetryError) -> None:
    found = await probe(refusing(MemoryStore(), "put", error))
    assert failed(found) == ["write"]
    assert found["write"].exit_code == error.exit_code
    assert skipped(found) == SUBJECTS[2:]
    assert "would fail alike" in found["delete"].detail


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["cancel_before", "cancel_after", "fail_after", "lost"])
async def test_broken_off_anywhere_it_leaves_nothing(fault: Fault) -> None:
    recorded = inject(MemoryStore())
    await probe(recorded)
    for at, (method, key) in enumerate(recorded.script.operations, start=1):
        store = MemoryStore()
        tasks: list[asyncio.Task[dict[str, Probed]]] = []

        def cancel(tasks: list[asyncio.Task[dict[str, Probed]]] = tasks) -> None:
            tasks[0].cancel()

        faulty = inject(store, at, fault, cancel=cancel)
        tasks.append(asyncio.create_task(probe(faulty)))
        await asyncio.wait(tasks)
        where = f"{fault} at {at} ({method} {key})"
        if not faulty.script.fired:  # nothing comes after a put that loses its race
            assert (method, key[-5:], fault[-6:]) == ("put", "/race", "_after"), where
            continue
        if fault.startswith("cancel"):
            assert tasks[0].cancelled(), where
        else:
            # A race has one winner all the same; a lost answer in one leaves it undecided.
            assert len(failed(tasks[0].result())) <= 1, where
        assert await keys_of(store) == [], where
        if method != "seal":  # sealed, and nobody was told: that is for gc
            assert await staged_keys(store) == [], where


@pytest.mark.asyncio
async def test_cancelled_by_a_scope_it_leaves_nothing() -> None:
    store = MemoryStore()
    with anyio.CancelScope() as scope:
        await probe(inject(store, 20, "cancel_before", cancel=scope.cancel))
    assert scope.cancelled_caught
    assert (await keys_of(store), await staged_keys(store)) == ([], [])
