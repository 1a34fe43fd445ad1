# ruff: noqa: S101  # asserting is what a check does
"""The behaviour of a store, as checks that every implementation passes.

    @pytest.mark.parametrize("check", STORE_CHECKS, ids=name_of)
    async def test_contract(check):
        await check(lambda: open_my_store(fresh_bucket))

A check is given a factory. Each call of it opens the same, at first empty, storage anew:
what one opening leaves behind, the next one sees. Checks raise AssertionError.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import anyio

from bronze_engine.contracts import Store
from bronze_engine.errors import Conflict, StoreError
from bronze_engine.model.part import ABSENT, ANY, DataFile, Part, Staged

__all__ = [
    "STORE_CHECKS",
    "StoreCheck",
    "StoreFactory",
    "data_file",
    "keys_of",
    "name_of",
    "parts_of",
    "read_all",
    "stage_bytes",
    "staged_keys",
]

StoreFactory = Callable[[], AbstractAsyncContextManager[Store]]
StoreCheck = Callable[[StoreFactory], Awaitable[None]]

MIB: Final = 1 << 20


def parts_of(body: bytes, size: int) -> list[Part]:
    """Cut a body into parts of `size` bytes, at least one."""
    offsets = range(0, len(body), size) if body else range(1)
    return [
        _part(number, offset, body[offset : offset + size])
        for number, offset in enumerate(offsets, start=1)
    ]


def data_file(name: str, body: bytes, *, row_count: int = 1) -> DataFile:
    return DataFile(
        name=name,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        row_count=row_count,
    )


async def stage_bytes(
    store: Store, key: str, body: bytes, *, name: str | None = None, part_bytes: int = 5 * MIB
) -> Staged:
    """Stage and seal a small file under `key`; its name is the key unless told."""
    async with store.stage(key) as upload:
        for part in parts_of(body, part_bytes):
            await upload.part(part)
        return await upload.seal(data_file(name or key, body))


async def read_all(store: Store, key: str, *, start: int = 0, length: int | None = None) -> bytes:
    async with store.read(key, start=start, length=length) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def keys_of(store: Store, prefix: str = "") -> list[str]:
    return [info.key async for info in store.scan(prefix)]


async def staged_keys(store: Store, prefix: str = "") -> list[str]:
    return sorted([staged.key async for staged in store.scan_staged(prefix)])


async def check_put_and_get(open_store: StoreFactory) -> None:
    async with open_store() as store:
        assert await store.get("a/b") is None
        version = await store.put("a/b", b"one", expect=ABSENT)
        found = await store.get("a/b")
        assert found is not None
        assert (found.key, found.body, found.version) == ("a/b", b"one", version)
        newer = await store.put("a/b", b"two", expect=version)
        assert newer != version
        assert await store.put("a/b", b"three", expect=ANY) not in {version, newer}
        await store.put("a/c", b"", expect=ANY)
    async with open_store() as store:
        assert await _body(store, "a/b") == b"three"
        assert await _body(store, "a/c") == b""


async def check_put_refuses_another_version(open_store: StoreFactory) -> None:
    async with open_store() as store:
        await _conflicts(store, "a", "no such version")
        assert await keys_of(store) == []
        version = await store.put("a", b"one", expect=ABSENT)
        await _conflicts(store, "a", ABSENT)
        await store.put("a", b"two", expect=version)
        await _conflicts(store, "a", version)
        assert await _body(store, "a") == b"two"


async def check_conditional_puts_have_one_winner(open_store: StoreFactory) -> None:
    """32 at once, over two openings: expecting absence, then a version, again and again."""
    async with open_store() as one, open_store() as two:
        expect: object = ABSENT
        for round_number in range(3):
            won: list[tuple[bytes, str]] = []
            lost: list[bytes] = []

            async def put(store: Store, body: bytes, expect: object) -> None:
                try:
                    won.append((body, await store.put("race", body, expect=expect)))  # type: ignore[arg-type]  # noqa: B023
                except Conflict:
                    lost.append(body)  # noqa: B023

            async with anyio.create_task_group() as tasks:
                for number in range(32):
                    body = f"{round_number} {number}".encode()
                    tasks.start_soon(put, (one, two)[number % 2], body, expect)
            assert len(won) == 1, f"{len(won)} of 32 conditional puts won"
            assert len(lost) == 31
            assert await _body(one, "race") == won[0][0]
            expect = won[0][1]


async def check_staged_file_is_invisible_until_complete(open_store: StoreFactory) -> None:
    body = b"x" * 1000
    async with open_store() as store:
        async with store.stage("p/f.parquet") as upload:
            await upload.part(_part(1, 0, body))
            assert await keys_of(store) == []
            staged = await upload.seal(data_file("f.parquet", body))
        assert await keys_of(store) == []
        assert await store.get("p/f.parquet") is None
        assert await staged_keys(store, "p/") == ["p/f.parquet"]
        info = await store.complete(staged)
        assert (info.key, info.size_bytes) == ("p/f.parquet", len(body))
        assert await keys_of(store) == ["p/f.parquet"]
        assert await staged_keys(store) == []
        assert await read_all(store, "p/f.parquet") == body


async def check_settled_parts_are_there(open_store: StoreFactory) -> None:
    """Settling waits for parts on their way, as often as it is asked, and ends nothing."""
    body = bytes(range(256)) * (11 * MIB // 256)
    async with open_store() as store:
        async with store.stage("s/f") as upload:
            await upload.settle()
            for part in parts_of(body, 5 * MIB):
                await upload.part(part)
                await upload.settle()
            staged = await upload.seal(data_file("f", body))
        await store.complete(staged)
        assert await read_all(store, "s/f") == body


async def check_unsealed_upload_is_removed(open_store: StoreFactory) -> None:
    async with open_store() as store:
        async with store.stage("p/left") as upload:
            await upload.part(_part(1, 0, b"x"))
        try:
            async with store.stage("p/failed") as upload:
                await upload.part(_part(1, 0, b"x"))
                raise _BodyError
        except _BodyError:
            pass
        async with store.stage("p/empty"):
            pass
        assert await keys_of(store) == []
        assert await staged_keys(store) == []


async def check_sealed_file_outlives_its_opening(open_store: StoreFactory) -> None:
    async with open_store() as store:
        staged = await stage_bytes(store, "p/f", b"content")
    async with open_store() as store:
        assert await staged_keys(store) == ["p/f"]
        await store.complete(staged)
        assert await read_all(store, "p/f") == b"content"


async def check_complete_is_idempotent(open_store: StoreFactory) -> None:
    async with open_store() as store:
        staged = await stage_bytes(store, "p/f", b"content")
        first = await store.complete(staged)
        again = await store.complete(staged)
        assert (first.key, first.size_bytes) == (again.key, again.size_bytes)
        assert await read_all(store, "p/f") == b"content"
    async with open_store() as store:
        await store.complete(staged)
        assert await keys_of(store) == ["p/f"]


async def check_complete_refuses_what_is_gone_or_foreign(open_store: StoreFactory) -> None:
    async with open_store() as store:
        staged = await stage_bytes(store, "p/f", b"content")
        async for found in store.scan_staged("p/"):
            await _refused(store.complete(found), "found by a scan")
        await store.discard(staged)
        await _refused(store.complete(staged), "discarded")
        await store.put("p/f", b"something else", expect=ANY)
        await _refused(store.complete(staged), "of another size")


async def check_discard_and_delete_are_idempotent(open_store: StoreFactory) -> None:
    async with open_store() as store:
        staged = await stage_bytes(store, "p/f", b"content")
        found = [each async for each in store.scan_staged("p/")]
        assert len(found) == 1
        await store.discard(found[0])
        await store.discard(staged)
        assert await staged_keys(store) == []
        await store.put("p/g", b"x", expect=ANY)
        await store.delete("p/g")
        await store.delete("p/g")
        assert await keys_of(store) == []


async def check_parts_may_come_in_any_order(open_store: StoreFactory) -> None:
    """And side by side; all but the last have 5 MiB, the least that S3 takes."""
    body = bytes(range(256)) * (11 * MIB // 256) + b"tail"
    async with open_store() as store:
        async with store.stage("p/f") as upload:
            async with anyio.create_task_group() as tasks:
                for part in reversed(parts_of(body, 5 * MIB)):
                    tasks.start_soon(upload.part, part)
            await store.complete(await upload.seal(data_file("f", body)))
        assert await read_all(store, "p/f") == body


async def check_part_may_be_sent_again(open_store: StoreFactory) -> None:
    async with open_store() as store, store.stage("p/f") as upload:
        await upload.part(_part(1, 0, b"content"))
        await upload.part(_part(1, 0, b"content"))
        await store.complete(await upload.seal(data_file("f", b"content")))
        assert await read_all(store, "p/f") == b"content"


async def check_corrupt_part_is_refused(open_store: StoreFactory) -> None:
    async with open_store() as store:
        async with store.stage("p/f") as upload:
            bad = Part(number=1, offset=0, pieces=(b"content",), crc32=zlib.crc32(b"Content"))

            async def send() -> None:
                await upload.part(bad)
                await upload.seal(data_file("f", b"content"))

            await _refused(send(), "with a wrong CRC")
        assert await staged_keys(store) == []


async def check_seal_refuses_gaps_and_wrong_sizes(open_store: StoreFactory) -> None:
    cases: Sequence[tuple[str, Sequence[Part]]] = (
        ("without its first part", [_part(2, 3, b"456")]),
        ("with a gap", [_part(1, 0, b"12"), _part(2, 3, b"456")]),
        ("too short", [_part(1, 0, b"123")]),
        ("too long", [_part(1, 0, b"1234567")]),
        ("without any part", []),
    )
    async with open_store() as store:
        for what, parts in cases:
            async with store.stage("p/f") as upload:
                for part in parts:
                    await upload.part(part)
                await _refused(upload.seal(data_file("f", b"123456")), what)
        assert await keys_of(store) == []
        assert await staged_keys(store) == []


async def check_two_uploads_of_one_key(open_store: StoreFactory) -> None:
    """Each completes what it staged: a retried slice may stage the same name again."""
    async with open_store() as store:
        one = await stage_bytes(store, "p/f", b"one")
        two = await stage_bytes(store, "p/f", b"three")
        assert one.token != two.token
        await store.discard(one)
        await store.complete(two)
        assert await read_all(store, "p/f") == b"three"


async def check_large_file_of_many_parts(open_store: StoreFactory) -> None:
    """20 parts of 5 MiB, made and checked one at a time."""
    count = 20

    def made() -> Iterator[bytes]:
        for number in range(count):
            yield bytes([number]) * (5 * MIB)

    digest = hashlib.sha256()
    for piece in made():
        digest.update(piece)
    file = DataFile(
        name="f", size_bytes=count * 5 * MIB, sha256=digest.hexdigest(), row_count=count
    )
    async with open_store() as store:
        async with store.stage("p/f") as upload:
            for number, piece in enumerate(made()):
                await upload.part(_part(number + 1, number * 5 * MIB, piece))
            staged = await upload.seal(file)
        await store.complete(staged)
        seen = hashlib.sha256()
        async with store.read("p/f") as chunks:
            async for chunk in chunks:
                assert len(chunk) <= MIB, "a chunk is larger than 1 MiB"
                seen.update(chunk)
        assert seen.hexdigest() == file.sha256


async def check_read_ranges(open_store: StoreFactory) -> None:
    body = bytes(range(256)) * 8192 + b"end"
    async with open_store() as store:
        await store.complete(await stage_bytes(store, "p/f", body))
        ranges: Iterable[tuple[int, int | None]] = (
            (0, None),
            (0, 0),
            (0, 1),
            (5, 10),
            (MIB - 1, 2),
            (MIB, MIB),
            (len(body) - 3, None),
            (len(body) - 3, 100),
            (len(body), None),
        )
        for start, length in ranges:
            end = len(body) if length is None else start + length
            assert await read_all(store, "p/f", start=start, length=length) == body[start:end]
        try:
            await read_all(store, "p/none")
        except StoreError:
            pass
        else:
            raise AssertionError("reading what does not exist was not refused")


async def check_scan_order_and_prefix(open_store: StoreFactory) -> None:
    """Plain order of the whole key, as object stores list; a prefix may end inside a name."""
    keys = ["a", "a-b", "a/b", "a/b/c", "a/b-c", "a/c", "a0", "b/_m.json", "b/dt=1/x", "Z", "é/ü"]
    async with open_store() as store:
        files = [key for key in keys if key not in {"a", "a/b"}]  # local: no file beside its folder
        for key in reversed(files):
            await store.put(key, key.encode(), expect=ABSENT)
        for prefix in ("", "a", "a/", "a/b", "a/b/", "a-", "b/dt=", "b/dt=1/x", "zzz", "é/"):
            expected = sorted(key for key in files if key.startswith(prefix))
            assert await keys_of(store, prefix) == expected, prefix
        async for info in store.scan("a-b"):
            assert info.size_bytes == 3
            assert info.modified.tzinfo is not None
        await stage_bytes(store, "a/staged", b"x")
        await stage_bytes(store, "b/staged", b"x")
        assert await staged_keys(store) == ["a/staged", "b/staged"]
        assert await staged_keys(store, "a/st") == ["a/staged"]
        assert await staged_keys(store, "a/x") == []


async def check_unicode_keys(open_store: StoreFactory) -> None:
    async with open_store() as store:
        key = "システム/país=España/名前 mit Leerzeichen%20+&?.json"
        await store.put(key, b"x", expect=ABSENT)
        assert await keys_of(store, "システム/") == [key]
        await store.complete(await stage_bytes(store, f"{key}.parquet", b"yz"))
        assert await read_all(store, f"{key}.parquet") == b"yz"
        await store.delete(key)
        assert await keys_of(store) == [f"{key}.parquet"]


async def check_bad_keys_are_refused(open_store: StoreFactory) -> None:
    bad = (
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        "a/./b",
        ".a",
        "a/.b",
        "a\\b",
        "a\x00b",
        "a\nb",
    )
    async with open_store() as store:
        for key in (*bad, "x" * 201, "/".join(["x" * 100] * 11), "a\ud800"):
            await _refused(store.get(key), f"get of {key!r}")
            await _refused(store.put(key, b"x", expect=ANY), f"put of {key!r}")
            await _refused(store.delete(key), f"delete of {key!r}")
            await _refused(stage_bytes(store, key, b"x"), f"stage of {key!r}")
            await _refused(read_all(store, key), f"read of {key!r}")
        for prefix in ("../", "/", "a/../", "."):
            await _refused(keys_of(store, prefix), f"scan of {prefix!r}")
        assert await keys_of(store) == []


async def check_cancel_during_part_leaves_nothing(open_store: StoreFactory) -> None:
    """Cancelled with parts under way, the upload is removed and the store goes on."""
    body = b"x" * (5 * MIB)
    async with open_store() as store:
        async with anyio.create_task_group() as tasks:

            async def upload_forever() -> None:
                async with store.stage("p/f") as upload, anyio.create_task_group() as parts:
                    for number in range(6):
                        parts.start_soon(upload.part, _part(number + 1, number * len(body), body))
                    begun.set()
                    await anyio.sleep_forever()

            begun = anyio.Event()
            tasks.start_soon(upload_forever)
            await begun.wait()
            tasks.cancel_scope.cancel()
        assert await staged_keys(store) == []
        assert await keys_of(store) == []
        await store.complete(await stage_bytes(store, "p/f", b"later"))
        assert await read_all(store, "p/f") == b"later"


async def check_clock_is_aware_and_runs_forward(open_store: StoreFactory) -> None:
    async with open_store() as store:
        first = await store.now()
        assert first.tzinfo is not None
        assert await store.now() >= first


STORE_CHECKS: Final[tuple[StoreCheck, ...]] = (
    check_put_and_get,
    check_put_refuses_another_version,
    check_conditional_puts_have_one_winner,
    check_staged_file_is_invisible_until_complete,
    check_settled_parts_are_there,
    check_unsealed_upload_is_removed,
    check_sealed_file_outlives_its_opening,
    check_complete_is_idempotent,
    check_complete_refuses_what_is_gone_or_foreign,
    check_discard_and_delete_are_idempotent,
    check_parts_may_come_in_any_order,
    check_part_may_be_sent_again,
    check_corrupt_part_is_refused,
    check_seal_refuses_gaps_and_wrong_sizes,
    check_two_uploads_of_one_key,
    check_large_file_of_many_parts,
    check_read_ranges,
    check_scan_order_and_prefix,
    check_unicode_keys,
    check_bad_keys_are_refused,
    check_cancel_during_part_leaves_nothing,
    check_clock_is_aware_and_runs_forward,
)


def name_of(check: object) -> str:
    """The behaviour's name, for a test's id."""
    return str(getattr(check, "__name__", check)).removeprefix("check_")


class _BodyError(Exception):
    pass


def _part(number: int, offset: int, data: bytes) -> Part:
    return Part(number=number, offset=offset, pieces=(data,), crc32=zlib.crc32(data))


async def _body(store: Store, key: str) -> bytes | None:
    found = await store.get(key)
    return None if found is None else found.body


async def _conflicts(store: Store, key: str, expect: object) -> None:
    try:
        await store.put(key, b"must not be written", expect=expect)  # type: ignore[arg-type]
    except Conflict:
        return
    raise AssertionError(f"put of {key} expecting {expect} was not refused")


async def _refused(operation: Awaitable[object], what: str) -> None:
    try:
        await operation
    except StoreError:
        return
    raise AssertionError(f"not refused: {what}")
