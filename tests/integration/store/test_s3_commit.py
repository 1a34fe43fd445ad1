"""The commit protocol over an S3 that fails where it hurts most."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bronze_engine.clock import SYSTEM_CLOCK
from bronze_engine.config.api import CircuitBreaker, Timeout
from bronze_engine.config.units import Duration
from bronze_engine.errors import CommitUnknown, StateError, StoreError
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.publish.base import Base, read_base
from bronze_engine.publish.commit import Published, publish
from bronze_engine.publish.names import data_name
from bronze_engine.publish.preflight import Preflight
from bronze_engine.store.s3.store import S3Store
from bronze_engine.testing.stores import keys_of, stage_bytes, staged_keys
from tests.integration.s3_server import Kind, S3Server, error, s3_server
from tests.integration.store.s3_opened import config_of, opened
from tests.unit.publish.runs import MANIFEST_KEY, PARTITION, PIPELINE, manifest_of

__all__ = ["s3_server"]

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

QUICK = Timeout(read=Duration(0.25))
MANIFEST = f"*{MANIFEST_KEY}"
FILES = 3


@asynccontextmanager
async def over(server: S3Server, **fields: Any) -> AsyncIterator[S3Store]:
    settings = {"circuit_breaker": CircuitBreaker(failures=100), **fields}
    async with opened(config_of(server.url, "s3://lake/bronze", **settings)) as store:
        yield store


async def based(store: S3Store) -> Base:
    return await read_base(store, PARTITION, pipeline=PIPELINE)


async def commit(
    store: S3Store, run: str, base: Base | None = None, *, commit_seconds: float = 10
) -> Published:
    """A run of a few files."""
    base = base or await based(store)
    generation = base.generation + 1
    staged = []
    for number in range(FILES):
        name = data_name(generation=generation, run=run, slice=0, number=number)
        body = f"{run} {number}".encode() * 1000
        staged.append(await stage_bytes(store, f"{PARTITION}/{name}", body, name=name))
    manifest = manifest_of(run, generation, tuple(one.file for one in staged if one.file))
    return await publish(store, base, manifest, staged, SYSTEM_CLOCK, commit_seconds=commit_seconds)


async def assert_holds(store: S3Store, run: str, generation: int) -> None:
    """The partition is this run's, whole, and there is nothing else in it."""
    found = await store.get(MANIFEST_KEY)
    assert found is not None
    manifest = decode_manifest(found.body, MANIFEST_KEY)
    assert (manifest.run, manifest.generation) == (run, generation)
    for file in manifest.files:
        one = await store.get(f"{PARTITION}/{file.name}")
        assert one is not None
        assert hashlib.sha256(one.body).hexdigest() == file.sha256
    named = {f"{PARTITION}/{file.name}" for file in manifest.files}
    assert {key for key in await keys_of(store) if key.endswith(".parquet")} == named
    assert await staged_keys(store) == []


PASSING: tuple[Kind | error, ...] = (
    "lose_request",
    "lose_answer",
    "reset",
    "stall",
    "stall_after",
    "corrupt",
    error("InternalError", 500),
    error("SlowDown", 503),
    error("ConditionalRequestConflict", 409),
)


@pytest.mark.parametrize("fault", PASSING, ids=str)
async def test_a_commit_whose_answer_is_lost_is_found_out_and_made_once(
    fault: Any, s3_server: S3Server
) -> None:
    timeout = QUICK if fault in ("stall", "stall_after") else Timeout()
    async with over(s3_server, timeout=timeout) as store:
        script = s3_server.on("PutObject", fault, key=MANIFEST)
        published = await commit(store, "r1")
        assert script.fired == 1
        assert published.manifest.generation == 1
        assert published.superseded_by is None
        await assert_holds(store, "r1", 1)


@pytest.mark.parametrize("fault", ["error_applied", "error_unapplied", "lose_answer", "reset"])
async def test_completions_that_lie_end_in_one_object_each(fault: Any, s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        script = s3_server.on("CompleteMultipartUpload", fault, times=2)
        await commit(store, "r1")
        assert script.fired == 2
        await assert_holds(store, "r1", 1)


async def test_a_commit_that_never_gets_through_is_unknown_and_deletes_nothing(
    s3_server: S3Server,
) -> None:
    async with over(s3_server) as store:
        s3_server.on("*", "lose_request", key=MANIFEST, times=0, nth=2)  # after the base
        with pytest.raises(CommitUnknown):
            await commit(store, "r1", commit_seconds=1.5)
        s3_server.calm()
        assert len(await keys_of(store, f"{PARTITION}/part-")) == FILES


async def test_a_refused_commit_removes_its_files(s3_server: S3Server) -> None:
    async with over(s3_server) as store:
        s3_server.on("PutObject", error("AccessDenied", 403), key=MANIFEST, times=0)
        with pytest.raises(StoreError, match="s3:PutObject"):
            await commit(store, "r1")
        assert await keys_of(store) == []
        assert await staged_keys(store) == []


async def test_who_commits_second_over_the_same_base_has_changed_nothing(
    s3_server: S3Server,
) -> None:
    async with over(s3_server) as store:
        base = await based(store)
        await commit(store, "r1", base)
        with pytest.raises(StateError):
            await commit(store, "r2", base)
        await assert_holds(store, "r1", 1)


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload", "HeadObject"])
async def test_a_file_that_cannot_be_made_leaves_the_old_generation(
    operation: str, s3_server: S3Server
) -> None:
    async with over(s3_server) as store:
        await commit(store, "r1")
        s3_server.on(operation, error("AccessDenied", 403), times=0)
        with pytest.raises(StoreError):
            await commit(store, "r2")
        s3_server.calm()
        found = await store.get(MANIFEST_KEY)
        assert found is not None
        assert decode_manifest(found.body, MANIFEST_KEY).run == "r1"


async def test_a_store_that_ignores_conditions_fails_preflight_and_holds_nothing(
    s3_server: S3Server,
) -> None:
    async with over(s3_server) as store:
        await Preflight().check(store)
        assert await keys_of(store) == []
        s3_server.bucket("lake").is_conditional = False
        with pytest.raises(StoreError, match="conditional puts"):
            await Preflight().check(store)
        assert await keys_of(store) == []
