"""What arrives is what was sent, or nothing: parts, objects, listings and streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import CircuitBreaker, Timeout
from bronze_engine.config.units import Duration
from bronze_engine.errors import OutcomeUnknown, RetryError, StoreError
from bronze_engine.model.part import ABSENT, ANY, Staged
from bronze_engine.store.s3.store import S3Store
from bronze_engine.testing.stores import (
    data_file,
    keys_of,
    parts_of,
    read_all,
    stage_bytes,
    staged_keys,
)
from tests.integration.s3_objects import Objects
from tests.integration.s3_server import S3Server, error, s3_server
from tests.integration.store.s3_opened import config_of, opened

__all__ = ["s3_server"]

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

MIB = 1 << 20
BODY = bytes(range(256)) * 4 * 1024 * 6


@asynccontextmanager
async def over(server: S3Server, **fields: Any) -> AsyncIterator[S3Store]:
    settings = {"circuit_breaker": CircuitBreaker(failures=100), **fields}
    async with opened(config_of(server.url, "s3://lake", **settings)) as store:
        yield store


def lake(server: S3Server) -> Objects:
    return server.bucket("lake")


@pytest.mark.parametrize("part_checksum", ["crc32", "sha256", "md5"])
@pytest.mark.parametrize("fault", ["corrupt", "lie"])
async def test_a_corrupted_part_is_sent_again(
    fault: Any, part_checksum: str, s3_server: S3Server
) -> None:
    async with over(s3_server, part_checksum=part_checksum) as store:
        script = s3_server.on("UploadPart", fault, nth=2)
        staged = await stage_bytes(store, "file", BODY)
        assert script.fired == 1
        is_seen = fault == "corrupt" or part_checksum != "md5"  # no answer tells an MD5
        assert s3_server.count("UploadPart") == (3 if is_seen else 2)
        await store.complete(staged)
        assert lake(s3_server).objects["file"].body == BODY


@pytest.mark.parametrize("part_checksum", ["crc32", "sha256", "md5"])
async def test_a_part_that_always_arrives_corrupted_is_never_committed(
    part_checksum: str, s3_server: S3Server
) -> None:
    async with over(s3_server, part_checksum=part_checksum) as store:
        s3_server.on("UploadPart", "corrupt", times=0)
        with pytest.raises(RetryError, match="BadDigest"):
            await stage_bytes(store, "file", BODY)
    assert lake(s3_server).objects == {}
    assert lake(s3_server).uploads == {}


@pytest.mark.parametrize("part_checksum", ["crc32", "sha256", "md5"])
async def test_a_part_that_is_wrong_before_it_leaves_is_refused_at_once(
    part_checksum: str, s3_server: S3Server
) -> None:
    wrong = msgspec.structs.replace(parts_of(b"content", 7)[0], crc32=1)
    async with (
        over(s3_server, part_checksum=part_checksum) as store,
        store.stage("file") as upload,
    ):
        await upload.part(wrong)
        with pytest.raises(StoreError, match="do not match its CRC"):
            await upload.seal(data_file("file", b"content"))
    assert s3_server.count("UploadPart") == 1
    assert lake(s3_server).uploads == {}


@pytest.mark.parametrize("part_checksum", ["crc32", "sha256", "md5"])
async def test_a_corrupted_put_is_sent_again(part_checksum: str, s3_server: S3Server) -> None:
    async with over(s3_server, part_checksum=part_checksum) as store:
        s3_server.on("PutObject", "corrupt")
        await store.put("small", b"content", expect=ABSENT)
        assert s3_server.count("PutObject") == 2
        assert lake(s3_server).objects["small"].body == b"content"


async def test_a_small_object_that_arrives_corrupted_is_read_again(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        await store.put("small", b"content", expect=ANY)
        s3_server.on("GetObject", "corrupt_answer")
        found = await store.get("small")
        assert found is not None
        assert found.body == b"content"
        assert s3_server.count("GetObject") == 2


async def test_an_object_with_another_checksum_is_not_what_was_staged(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        staged = await stage_bytes(store, "file", BODY)
        s3_server.on("HeadObject", "lie")
        with pytest.raises(StoreError, match="ChecksumCRC32"):
            await store.complete(staged)


async def test_a_file_of_the_right_size_and_other_bytes_is_refused(s3_server: S3Server) -> None:
    """The upload is gone, and something stands at its key that is not it."""
    async with over(s3_server) as store:
        mine = await stage_bytes(store, "file", b"mine")
        other = await stage_bytes(store, "file", b"else")
        await store.discard(mine)
        await store.complete(other)
        with pytest.raises(StoreError, match="ChecksumCRC32"):
            await store.complete(mine)


@pytest.mark.parametrize("fault", ["error_applied", "error_unapplied", "lose_answer", "reset"])
async def test_completing_again_finds_out(fault: Any, s3_server: S3Server) -> None:
    """One object, of the right bytes, whatever became of the first completion."""
    async with over(s3_server) as store:
        staged = await stage_bytes(store, "file", BODY)
        s3_server.on("CompleteMultipartUpload", fault)
        is_applied = fault in ("error_applied", "lose_answer")
        if not is_applied:
            with pytest.raises(OutcomeUnknown):
                await store.complete(staged)
            assert lake(s3_server).objects == {}
        info = await store.complete(staged)
        assert s3_server.count("CompleteMultipartUpload") == 2 - is_applied
    assert info.size_bytes == len(BODY)
    assert {key: found.body for key, found in lake(s3_server).objects.items()} == {"file": BODY}
    assert lake(s3_server).uploads == {}


async def test_a_completion_of_which_nothing_can_be_learned_is_unknown(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        staged = await stage_bytes(store, "file", b"x")
        s3_server.on("*", "lose_answer", times=0)
        with pytest.raises(OutcomeUnknown):
            await store.complete(staged)
        s3_server.calm()
        await store.complete(staged)


async def test_a_completion_is_judged_by_the_object_where_parts_may_not_be_listed(
    s3_server: S3Server,
) -> None:
    async with over(s3_server) as store:
        s3_server.on("ListParts", error("AccessDenied", 403), times=0)
        staged = await stage_bytes(store, "file", b"x")
        s3_server.on("CompleteMultipartUpload", "lose_answer")
        assert (await store.complete(staged)).size_bytes == 1


@pytest.mark.parametrize(
    "tag", ["", "crc32:AAAA", "sha1:AAAA:e", "crc32:?:e", "AAAA:crc32:e"], ids=repr
)
async def test_tags_of_another_store_are_refused(tag: str, s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        staged = Staged(key="file", token="u", file=data_file("file", b"x"), tags=(tag,))
        with pytest.raises(StoreError, match="no part of an S3 upload"):
            await store.complete(staged)


async def test_a_sealed_file_is_completed_with_the_checksums_that_it_was_staged_with(
    s3_server: S3Server,
) -> None:
    async with over(s3_server, part_checksum="sha256") as store:
        staged = await stage_bytes(store, "file", BODY)
    async with over(s3_server) as store:
        await store.complete(staged)
        assert await keys_of(store) == ["file"]


async def test_an_upload_whose_parts_come_back_is_removed_again(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        staged = await stage_bytes(store, "file", b"x")
        s3_server.on("AbortMultipartUpload", "ignore", times=2)
        await store.discard(staged)
        assert s3_server.count("AbortMultipartUpload") == 3
        assert await staged_keys(store) == []
        again = await stage_bytes(store, "file", b"x")
        s3_server.calm()
        s3_server.on("AbortMultipartUpload", "ignore", times=0)
        with pytest.raises(StoreError, match="come back"):
            await store.discard(again)


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart"])
async def test_cancelled_while_the_server_is_silent_nothing_is_left(
    operation: str, s3_server: S3Server
) -> None:
    async with over(s3_server, timeout=Timeout(read=Duration(0.25))) as store:
        script = s3_server.on(operation, "stall_after")
        task = asyncio.create_task(_stage(store))
        while not script.fired:
            await SYSTEM_CLOCK.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if operation == "CreateMultipartUpload":
            # The first answer was lost: its id is known to the server alone. Nothing of the
            # second is left.
            assert len(lake(s3_server).uploads) == 1
            assert s3_server.count("AbortMultipartUpload") == 1
        else:
            assert lake(s3_server).uploads == {}


async def _stage(store: S3Store) -> None:
    await stage_bytes(store, "file", BODY)


async def test_an_upload_that_cannot_be_removed_in_time_is_left_to_the_next_run(
    s3_server: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with over(s3_server) as store:
        s3_server.on("AbortMultipartUpload", "stall", times=0)
        began = SYSTEM_CLOCK.monotonic()
        with caplog.at_level(logging.WARNING), pytest.raises(ZeroDivisionError):
            async with store.stage("file"):
                raise ZeroDivisionError
        assert SYSTEM_CLOCK.monotonic() - began < 4
    assert "s3://lake/file: an upload was not removed" in caplog.text


async def test_a_stream_goes_on_where_it_broke(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        await store.complete(await stage_bytes(store, "file", BODY))
        s3_server.on("GetObject", "half", times=3)
        assert await read_all(store, "file") == BODY
        ranges = [each.headers.get("range") for each in s3_server.seen if _is_get(each.operation)]
        assert ranges[0] is None
        assert all(text is not None for text in ranges[1:])
        matches = {each.headers.get("if-match") for each in s3_server.seen[-3:]}
        assert matches == {lake(s3_server).objects["file"].etag}


def _is_get(operation: str) -> bool:
    return operation == "GetObject"


async def test_a_stream_is_never_of_two_versions(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        await store.complete(await stage_bytes(store, "file", BODY))
        s3_server.on("GetObject", "half")
        async with store.read("file") as chunks:
            assert BODY.startswith(await anext(chunks))
            await store.put("file", BODY[::-1], expect=ANY)
            with pytest.raises(StoreError, match="replaced while it was read"):
                assert BODY.endswith(await _rest(chunks))


async def _rest(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_a_stream_that_breaks_without_progress_ends(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        await store.put("file", b"xy" * 1000, expect=ANY)
        s3_server.on("GetObject", "half", times=0)
        with pytest.raises(RetryError):
            await read_all(store, "file")


async def test_a_slow_reader_holds_no_slot(s3_server: S3Server) -> None:
    async with over(s3_server, concurrency=1) as store:
        await store.put("file", BODY, expect=ANY)
        async with store.read("file") as chunks:
            first = await anext(chunks)
            assert await keys_of(store) == ["file"]
            assert first + await _rest(chunks) == BODY


async def test_what_others_have_put_there_under_no_key_is_not_listed(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        await store.put("a/b", b"x", expect=ANY)
        objects = lake(s3_server)
        for name in ("a/", "a//b", ".hidden", "a/.b"):
            objects.objects[name] = objects.objects["a/b"]
        assert await keys_of(store) == ["a/b"]


async def test_parts_that_are_too_small_are_refused_by_the_server(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        staged = await stage_bytes(store, "file", b"x" * 100, part_bytes=50)
        with pytest.raises(StoreError, match="larger parts"):
            await store.complete(staged)


async def test_a_completion_that_names_another_part_is_refused(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        staged = await stage_bytes(store, "file", b"x")
        other = await stage_bytes(store, "other", b"y")
        with pytest.raises(StoreError, match="InvalidPart"):
            await store.complete(msgspec.structs.replace(staged, tags=other.tags))


async def test_a_listing_of_many_pages_is_whole(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        await store.put("a/0000", b"x", expect=ANY)
        names = [f"a/{number:04}" for number in range(1201)]
        lake(s3_server).objects.update(dict.fromkeys(names, lake(s3_server).objects["a/0000"]))
        assert await keys_of(store, "a/") == names
        assert s3_server.count("ListObjectsV2") == 3


async def test_parts_are_larger_than_the_sockets_hold_and_the_last_is_a_byte(
    s3_server: S3Server,
) -> None:
    body = BODY * 3 + b"."
    async with over(s3_server) as store, store.stage("file") as upload:
        for part in parts_of(body, 6 * MIB):
            await upload.part(part)
        await store.complete(await upload.seal(data_file("file", body)))
        assert lake(s3_server).objects["file"].body == body
