"""Every fault at every operation of S3: what the contract asks for, and nothing left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from bronze_engine.config.api import CircuitBreaker, Retry, Timeout
from bronze_engine.config.units import Duration
from bronze_engine.contracts import Store
from bronze_engine.errors import (
    AuthError,
    BronzeError,
    Conflict,
    OutcomeUnknown,
    RetryError,
    StoreError,
)
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.testing.stores import data_file, keys_of, parts_of, read_all, stage_bytes
from tests.integration.s3_objects import Request
from tests.integration.s3_server import Kind, S3Server, error, s3_server, serve
from tests.integration.store.s3_opened import ACCESS_KEY, SECRET, config_of, opened

__all__ = ["s3_server"]

pytestmark = pytest.mark.integration

BODY = bytes(range(256)) * 4 * 1024 * 6  # 6 MiB: more than the sockets hold, two parts
QUICK = Timeout(read=Duration(0.25))
"""Where the server is silent on purpose; elsewhere a busy machine may take its time."""


@asynccontextmanager
async def over(server: S3Server, **fields: Any) -> AsyncIterator[Store]:
    """A store with an object `there`, and a limiter that is not in the way."""
    settings = {"circuit_breaker": CircuitBreaker(failures=100), **fields}
    config = config_of(server.url, "s3://lake/bronze", **settings)
    there = Request("PutObject", "lake", "bronze/there", {}, {}, b"content")
    server.bucket("lake").answer(there)
    async with opened(config) as store:
        yield store


async def get(store: Store) -> None:
    found = await store.get("there")
    assert found is not None
    assert found.body == b"content"


async def read(store: Store) -> None:
    assert await read_all(store, "there") == b"content"


async def put_any(store: Store) -> None:
    await store.put("new", b"x" * 1000, expect=ANY)
    assert await keys_of(store, "new") == ["new"]


async def put_absent(store: Store) -> None:
    await store.put("new", b"x" * 1000, expect=ABSENT)
    assert await keys_of(store, "new") == ["new"]


async def put_match(store: Store) -> None:
    found = await store.get("there")
    assert found is not None
    await store.put("there", b"newer", expect=found.version)
    assert await read_all(store, "there") == b"newer"


async def land(store: Store) -> None:
    async with store.stage("file") as upload:
        for part in parts_of(BODY, 5 << 20):
            await upload.part(part)
        staged = await upload.seal(data_file("file", BODY))
    info = await store.complete(staged)
    assert info.size_bytes == len(BODY)
    assert await read_all(store, "file") == BODY


async def discard(store: Store) -> None:
    staged = await stage_bytes(store, "file", b"x")
    await store.discard(staged)
    assert [each async for each in store.scan_staged("")] == []


async def delete(store: Store) -> None:
    await store.delete("there")
    assert await store.get("there") is None


async def scan(store: Store) -> None:
    assert await keys_of(store) == ["there"]


async def scan_staged(store: Store) -> None:
    await stage_bytes(store, "file", b"x")
    assert [each.key async for each in store.scan_staged("")] == ["file"]


async def now(store: Store) -> None:
    await store.now()


class Operation(NamedTuple):
    act: Callable[[Store], Awaitable[None]]
    name: str
    """The request that a fault is about."""
    is_once: bool = False
    """A lost answer to it is not followed by another attempt."""


OPERATIONS = (
    Operation(get, "GetObject"),
    Operation(read, "GetObject"),
    Operation(put_any, "PutObject"),
    Operation(put_absent, "PutObject", is_once=True),
    Operation(put_match, "PutObject", is_once=True),
    Operation(land, "CreateMultipartUpload"),
    Operation(land, "UploadPart"),
    Operation(land, "CompleteMultipartUpload", is_once=True),
    Operation(land, "HeadObject"),
    Operation(discard, "AbortMultipartUpload"),
    Operation(discard, "ListParts"),
    Operation(delete, "DeleteObject"),
    Operation(scan, "ListObjectsV2"),
    Operation(scan_staged, "ListMultipartUploads"),
)
PASSING: tuple[Kind | error, ...] = (
    "lose_request",
    "lose_answer",
    "reset",
    "half",
    "stall",
    "stall_after",
    error("InternalError", 500),
    error("ServiceUnavailable", 503),
    error("BadGateway", 502),
)
REFUSED = (
    error("SlowDown", 503),
    error("TooManyRequests", 429),
    error("RequestTimeout", 400),
)
"""The server says itself that it has not done it."""
CREDENTIALS = (
    error("ExpiredToken", 400, message=f"{ACCESS_KEY} {SECRET}"),
    error("InvalidAccessKeyId", 403, message=f"{ACCESS_KEY} {SECRET}"),
    error("SignatureDoesNotMatch", 403, message=f"{ACCESS_KEY} {SECRET}"),
)


def _known(faults: Sequence[error], *, status: int) -> list[tuple[Operation, error]]:
    """All pairs but HEAD's with this status: its answers have no body, and so no code."""
    return [
        (operation, fault)
        for operation in (*OPERATIONS, Operation(now, "HeadBucket"))
        for fault in faults
        if not (operation.name.startswith("Head") and fault.status == status)
    ]


def name_of(value: object) -> str | None:
    if isinstance(value, Operation):
        return f"{value.act.__name__}-{value.name}"
    return value.code if isinstance(value, error) else str(value)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", PASSING, ids=name_of)
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_what_passes_is_tried_again_unless_it_must_not_be(
    operation: Operation, fault: Kind | error, s3_server: S3Server
) -> None:
    timeout = QUICK if fault in ("stall", "stall_after") else Timeout()
    async with over(s3_server, timeout=timeout) as store:
        script = s3_server.on(operation.name, fault)
        if operation.is_once and not _is_found_out(operation, fault):
            with pytest.raises(OutcomeUnknown):
                await operation.act(store)
        else:
            await operation.act(store)
        assert script.fired == 1


def _is_found_out(operation: Operation, fault: Kind | error) -> bool:
    """Whether a look at the store tells that a completion was applied, or the answer came."""
    if fault == "half":  # an answer to a put has no body: half of it is all
        return True
    is_applied = fault in ("lose_answer", "stall_after")
    return operation.name == "CompleteMultipartUpload" and is_applied


@pytest.mark.asyncio
@pytest.mark.parametrize(("operation", "fault"), _known(REFUSED, status=400), ids=name_of)
async def test_what_was_refused_for_now_is_tried_again(
    operation: Operation, fault: error, s3_server: S3Server
) -> None:
    async with over(s3_server) as store:
        script = s3_server.on(operation.name, fault, times=2)
        await operation.act(store)
        assert script.fired == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_what_does_not_pass_ends_as_retries_exhausted(
    operation: Operation, s3_server: S3Server
) -> None:
    async with over(s3_server) as store:
        s3_server.on(operation.name, error("InternalError", 500), times=0)
        with pytest.raises((RetryError, OutcomeUnknown)) as failed:
            await operation.act(store)
        may_be_applied = operation.name in ("PutObject", "CompleteMultipartUpload")
        assert isinstance(failed.value, OutcomeUnknown) == may_be_applied
        attempts = 1 if operation.is_once else 3
        parts = 2 if operation.name == "UploadPart" else 1
        assert attempts <= s3_server.count(operation.name) <= attempts * parts


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_a_page_of_somebody_elses_is_no_answer(
    operation: Operation, s3_server: S3Server
) -> None:
    """As a listing it had nothing in it, and as an upload no id."""
    async with over(s3_server) as store:
        script = s3_server.on(operation.name, "page", times=2)
        if operation.is_once:
            with pytest.raises(OutcomeUnknown, match="200 by somebody else"):
                await operation.act(store)
        else:
            await operation.act(store)
            assert script.fired == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", [*OPERATIONS, Operation(now, "HeadBucket")], ids=name_of)
async def test_a_redirect_names_who_it_leads_to(operation: Operation, s3_server: S3Server) -> None:
    """botocore asked for the region without an end where that was redirected, too."""
    async with over(s3_server) as store:
        s3_server.on(operation.name, "redirect", times=0)
        s3_server.on("HeadBucket", "redirect", times=0)
        with pytest.raises(StoreError, match=r"redirected to https://gate\.example:8443 \(302\)"):
            await operation.act(store)
        assert s3_server.count("HeadBucket") <= 2


@pytest.mark.asyncio
async def test_a_bucket_of_another_account_may_be_what_is_refused(s3_server: S3Server) -> None:
    async with over(s3_server, expected_bucket_owner="111122223333") as store:
        s3_server.on("GetObject", error("AccessDenied", 403), times=0)
        with pytest.raises(StoreError, match=r"or correct expected_bucket_owner \(111122223333\)"):
            await get(store)


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
async def test_a_missing_permission_is_named(operation: Operation, s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        script = s3_server.on(operation.name, error("AccessDenied", 403), times=0)
        if operation.name == "ListParts":
            with pytest.raises(StoreError, match="s3:ListMultipartUploadParts"):
                await operation.act(store)
            return
        with pytest.raises(StoreError, match=f"grant {PERMISSIONS[operation.name]}") as denied:
            await operation.act(store)
        assert script.fired == s3_server.count(operation.name) <= 2  # parts go side by side
        _assert_no_secret(denied.value)


PERMISSIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("operation", "fault"), _known(CREDENTIALS, status=403), ids=name_of)
async def test_a_refused_credential_is_auth001_at_once(
    operation: Operation, fault: error, s3_server: S3Server
) -> None:
    async with over(s3_server) as store:
        script = s3_server.on(operation.name, fault, times=0)
        with pytest.raises(AuthError) as refused:
            await operation.act(store)
        assert script.fired == s3_server.count(operation.name) <= 2  # parts go side by side
        _assert_no_secret(refused.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", [*OPERATIONS, Operation(now, "HeadBucket")], ids=name_of)
async def test_a_missing_bucket_is_told_apart_from_a_missing_object(
    operation: Operation, s3_server: S3Server
) -> None:
    async with over(s3_server) as store:
        s3_server.on(operation.name, error("NoSuchBucket", 404), times=0)
        told = "the staged file is gone" if operation.name == "HeadObject" else "create it"
        with pytest.raises(StoreError, match=told):
            await operation.act(store)


@pytest.mark.asyncio
async def test_no_server_is_retries_exhausted_and_nothing_was_written() -> None:
    config = config_of("http://127.0.0.1:9", "s3://lake", timeout=QUICK)
    async with opened(config) as store:
        for operation in (get, put_absent, land, scan, now):
            with pytest.raises(RetryError, match="can't connect"):
                await operation(store)


@pytest.mark.asyncio
async def test_a_wrong_secret_is_auth001() -> None:
    """By a server that computes the signature itself."""
    with serve(keys={ACCESS_KEY: f"not {SECRET}"}) as server:
        async with over(server) as store:
            with pytest.raises(AuthError, match="SignatureDoesNotMatch") as refused:
                await put_absent(store)
        assert server.bucket("lake").objects.keys() == {"bronze/there"}
    _assert_no_secret(refused.value)


@pytest.mark.asyncio
async def test_a_long_pause_that_is_asked_for_is_retry001(s3_server: S3Server) -> None:
    """Also of a conditional put: what was refused was not written."""
    retry = Retry(attempts=3, backoff=Duration(0.01), max_wait=Duration(5))
    async with over(s3_server, retry=retry) as store:
        s3_server.on("PutObject", error("SlowDown", 503, retry_after=3600))
        with pytest.raises(RetryError, match="3600 s"):
            await put_absent(store)


@pytest.mark.asyncio
async def test_retry_after_is_waited_for(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        script = s3_server.on("PutObject", error("ServiceUnavailable", 503, retry_after=1))
        await put_absent(store)
        assert script.fired == 1


def _assert_no_secret(error: BaseException) -> None:
    seen: BaseException | None = error
    assert isinstance(error, BronzeError | Conflict)
    while isinstance(seen, BronzeError | Conflict):
        assert SECRET not in f"{seen} {seen!r} {vars(seen)}"
        seen = seen.__cause__
