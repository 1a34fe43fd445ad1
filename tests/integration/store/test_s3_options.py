"""What a store's configuration says is what arrives; and the server's clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from bronze_engine.errors import StoreError
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.store.s3.store import S3Store
from bronze_engine.testing.stores import keys_of, read_all, stage_bytes, staged_keys
from bronze_engine.version import __version__
from tests.integration.s3_objects import Request
from tests.integration.s3_server import S3Server, error, s3_server
from tests.integration.store.s3_opened import config_of, opened

__all__ = ["s3_server"]

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]


@asynccontextmanager
async def over(
    server: S3Server, url: str = "s3://lake/bronze", **fields: Any
) -> AsyncIterator[S3Store]:
    async with opened(config_of(server.url, url, **fields)) as store:
        yield store


async def every_operation(store: S3Store) -> None:
    await store.put("small", b"x", expect=ABSENT)
    await store.get("small")
    await read_all(store, "small")
    await store.complete(await stage_bytes(store, "file", b"x"))
    await store.discard(await stage_bytes(store, "other", b"x"))
    await keys_of(store)
    await staged_keys(store)
    await store.delete("small")


def arrived(server: S3Server, operation: str) -> Request:
    return next(each for each in server.seen if each.operation == operation)


@pytest.mark.parametrize(
    ("options", "header", "value"),
    [
        ({"sse": "AES256"}, "x-amz-server-side-encryption", "AES256"),
        (
            {"sse": "aws:kms", "kms_key_id": "k1"},
            "x-amz-server-side-encryption-aws-kms-key-id",
            "k1",
        ),
    ],
    ids=["sse", "kms_key_id"],
)
async def test_objects_are_encrypted_as_asked(
    options: dict[str, Any], header: str, value: str, s3_server: S3Server
) -> None:
    async with over(s3_server, **options) as store:
        await every_operation(store)
    for operation in ("PutObject", "CreateMultipartUpload"):
        assert arrived(s3_server, operation).headers[header] == value


async def test_tags_are_every_objects(s3_server: S3Server) -> None:
    tags = {"team": "data & co", "cost centre": "a/b=c"}
    async with over(s3_server, tags=tags) as store:
        await every_operation(store)
    for operation in ("PutObject", "CreateMultipartUpload"):
        sent = arrived(s3_server, operation).headers["x-amz-tagging"]
        assert dict(parse_qsl(sent, strict_parsing=True)) == tags


async def test_the_storage_class_is_data_files_only(s3_server: S3Server) -> None:
    async with over(s3_server, storage_class="STANDARD_IA") as store:
        await every_operation(store)
    made = arrived(s3_server, "CreateMultipartUpload")
    assert made.headers["x-amz-storage-class"] == "STANDARD_IA"
    assert "x-amz-storage-class" not in arrived(s3_server, "PutObject").headers


async def test_the_owner_is_expected_at_every_operation(s3_server: S3Server) -> None:
    async with over(s3_server, expected_bucket_owner="111122223333") as store:
        await every_operation(store)
    owners = {each.headers.get("x-amz-expected-bucket-owner") for each in s3_server.seen}
    assert owners == {"111122223333"}
    async with over(s3_server, expected_bucket_owner="999999999999") as store:
        with pytest.raises(StoreError, match="access denied"):
            await store.put("small", b"x", expect=ANY)


@pytest.mark.parametrize(
    ("part_checksum", "header"),
    [
        ("crc32", "x-amz-checksum-crc32"),
        ("sha256", "x-amz-checksum-sha256"),
        ("md5", "content-md5"),
    ],
)
async def test_the_checksum_is_the_one_asked_for_and_no_other(
    part_checksum: str, header: str, s3_server: S3Server
) -> None:
    async with over(s3_server, part_checksum=part_checksum) as store:
        await every_operation(store)
    for operation in ("PutObject", "UploadPart"):
        headers = arrived(s3_server, operation).headers
        sent = [name for name in headers if name.startswith("x-amz-checksum-") or "md5" in name]
        assert sent == [header]
        assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


async def test_the_server_sees_who_is_asking(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        await every_operation(store)
    agents = {each.headers["user-agent"].partition(" ")[0] for each in s3_server.seen}
    assert agents == {f"bronze-engine/{__version__}"}


async def test_without_options_none_is_sent(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        await every_operation(store)
    for each in s3_server.seen:
        names = [name for name in each.headers if "encryption" in name or "tagging" in name]
        assert names == []


@pytest.mark.parametrize(
    ("url", "base"), [("s3://lake", ""), ("s3://lake/", ""), ("s3://lake/a/b/", "a/b/")]
)
async def test_keys_lie_below_the_prefix_of_the_url(
    url: str, base: str, s3_server: S3Server
) -> None:
    objects = s3_server.bucket("lake")
    async with over(s3_server, url) as store:
        assert store.url == url.rstrip("/")
        await store.put("dt=1/x", b"x", expect=ANY)
        await store.complete(await stage_bytes(store, "dt=1/y", b"y"))
        assert sorted(objects.objects) == [f"{base}dt=1/x", f"{base}dt=1/y"]
        objects.objects["outside"] = objects.objects["a/bb/z"] = objects.objects[f"{base}dt=1/x"]
        found = await keys_of(store)
        assert found == (
            ["dt=1/x", "dt=1/y"] if base else ["a/bb/z", "dt=1/x", "dt=1/y", "outside"]
        )


async def test_the_clock_is_the_servers_and_is_asked_only_when_nothing_was_heard(
    s3_server: S3Server,
) -> None:
    s3_server.ahead = timedelta(hours=3)
    async with over(s3_server) as store:
        first = await store.now()
        assert s3_server.count("HeadBucket") == 1
        assert abs(first - datetime.now(UTC) - timedelta(hours=3)) < timedelta(seconds=3)
        for _ in range(10):
            again = await store.now()
            assert again >= first
            first = again
        assert s3_server.count() == 1


async def test_a_clock_that_is_set_back_is_believed(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        s3_server.ahead = timedelta(hours=3)
        await store.now()
        s3_server.ahead = timedelta(0)
        await store.get("any")
        assert abs(await store.now() - datetime.now(UTC)) < timedelta(seconds=3)


async def test_who_may_not_look_at_the_bucket_learns_the_time_all_the_same(
    s3_server: S3Server,
) -> None:
    s3_server.ahead = timedelta(hours=3)
    s3_server.on("HeadBucket", error("AccessDenied", 403))
    async with over(s3_server) as store:
        assert await store.now() - datetime.now(UTC) > timedelta(hours=2)
        assert s3_server.count("HeadBucket") == 1


async def test_an_answer_that_is_an_error_tells_the_time_too(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        assert await store.get("nothing") is None
        await store.now()
        assert s3_server.count("HeadBucket") == 0
