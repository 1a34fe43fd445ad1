"""What comes too late, or at the same time: nothing of one upload is ever taken for another's,
and a blob that was committed is never touched by who discards."""

from __future__ import annotations

import pytest

from bronze_engine.config.api import Retry
from bronze_engine.errors import Conflict, OutcomeUnknown, RetryError, StoreError
from bronze_engine.model.part import ABSENT, ANY, Part, Staged
from bronze_engine.store.azure.store import AzureStore
from bronze_engine.testing.stores import (
    data_file,
    keys_of,
    parts_of,
    read_all,
    stage_bytes,
    staged_keys,
)
from tests.integration.azurite import Azurite
from tests.integration.fault_proxy import (
    Request,
    corrupt,
    lose_answer,
    lose_request,
    meanwhile,
)
from tests.integration.store.azure_proxied import is_block, is_commit, proxied

pytestmark = pytest.mark.integration

ONE = b"one" * 1000
TWO = b"and two" * 1000


def is_delete(request: Request) -> bool:
    return request.method == "DELETE"


async def is_gone(store: AzureStore) -> bool:
    return await keys_of(store) == [] and await staged_keys(store) == []


async def discard_found(store: AzureStore) -> None:
    """As reaping does."""
    for found in [staged async for staged in store.scan_staged("p/")]:
        await store.discard(found)


@pytest.mark.asyncio
async def test_zombie_cannot_complete_what_was_discarded(azurite: Azurite) -> None:
    async with proxied(azurite) as (_, store, other):
        staged = await stage_bytes(store, "p/f", ONE)
        await discard_found(other)
        with pytest.raises(StoreError, match="gone"):
            await store.complete(staged)
        assert await is_gone(other)


@pytest.mark.asyncio
async def test_zombie_that_stages_on_after_its_discard_can_not_complete_a_part_of_the_file(
    azurite: Azurite,
) -> None:
    async with proxied(azurite) as (_, store, other):
        first, second = parts_of(ONE, 2000)
        async with store.stage("p/f") as upload:
            await upload.part(first)
            await sent(store)
            await discard_found(other)
            await upload.part(second)
            staged = await upload.seal(data_file("f", ONE))
        assert await staged_keys(other) == ["p/f"]  # what came late
        with pytest.raises(StoreError, match="gone"):
            await store.complete(staged)
        await store.discard(staged)
        assert await is_gone(other)


async def sent(store: AzureStore) -> None:
    """Wait until there are blocks."""
    while not await staged_keys(store):
        pass


@pytest.mark.asyncio
async def test_commit_while_a_discard_looks_at_the_blocks_keeps_the_file(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, other):
        staged = await stage_bytes(other, "p/f", ONE)
        proxy.fail(meanwhile(lambda: other.complete(staged)), when=is_commit)
        await store.discard(staged)
        assert await read_all(other, "p/f") == ONE
        assert not any(is_delete(request) for request in proxy.seen)


@pytest.mark.asyncio
async def test_commit_while_a_discard_deletes_its_empty_blob_fails_and_leaves_nothing(
    azurite: Azurite,
) -> None:
    async with proxied(azurite) as (proxy, store, other):
        staged = await stage_bytes(other, "p/f", ONE)
        refused: list[str] = []

        async def complete() -> None:
            with pytest.raises(StoreError) as caught:
                await other.complete(staged)
            refused.append(caught.value.message)

        proxy.fail(meanwhile(complete), when=is_delete)
        await store.discard(staged)
        assert len(refused) == 1
        assert await is_gone(other)


@pytest.mark.asyncio
async def test_discard_does_not_delete_what_was_written_over_its_empty_blob(
    azurite: Azurite,
) -> None:
    async with proxied(azurite) as (proxy, store, other):
        staged = await stage_bytes(other, "p/f", ONE)
        proxy.fail(meanwhile(lambda: other.put("p/f", b"mine", expect=ANY)), when=is_delete)
        await store.discard(staged)
        found = await other.get("p/f")
        assert found is not None
        assert found.body == b"mine"


@pytest.mark.asyncio
async def test_empty_blob_of_a_discard_that_died_is_removed_by_the_next(azurite: Azurite) -> None:
    async with proxied(azurite, retry=Retry(attempts=1)) as (proxy, store, other):
        staged = await stage_bytes(other, "p/f", ONE)
        proxy.fail(lose_answer, when=is_commit)
        with pytest.raises(RetryError):
            await store.discard(staged)
        assert await keys_of(other) == []
        assert await staged_keys(other) == ["p/f"]  # what a reaper sees, and removes
        late = await stage_bytes(other, "p/f", ONE)
        with pytest.raises(StoreError):
            await other.complete(late)
        await other.discard(late)
        assert await is_gone(other)


@pytest.mark.asyncio
async def test_empty_blob_of_a_discard_that_died_is_found_as_a_staged_file(
    azurite: Azurite,
) -> None:
    async with proxied(azurite, retry=Retry(attempts=1)) as (proxy, store, other):
        staged = await stage_bytes(other, "p/f", ONE)
        proxy.fail(lose_request, when=is_delete)
        with pytest.raises(RetryError):
            await store.discard(staged)
        await discard_found(other)
        assert await is_gone(other)


@pytest.mark.asyncio
async def test_uploads_of_one_key_that_are_both_discarded_leave_nothing(azurite: Azurite) -> None:
    async with proxied(azurite) as (_, store, other):
        one = await stage_bytes(store, "p/f", ONE)
        two = await stage_bytes(store, "p/f", TWO)
        await store.discard(one)
        assert await staged_keys(other) == ["p/f"]  # it must stay, for the sake of the other
        await store.discard(two)
        assert await is_gone(other)


@pytest.mark.asyncio
async def test_only_blocks_of_its_own_are_committed(azurite: Azurite) -> None:
    async with proxied(azurite) as (_, store, other):
        one = await stage_bytes(store, "p/f", ONE)
        two = await stage_bytes(other, "p/f", TWO)
        assert not set(one.tags) & set(two.tags)
        await other.complete(two)
        assert await read_all(store, "p/f") == TWO
        with pytest.raises(StoreError, match="another stands in its place"):
            await store.complete(one)
        await store.discard(one)
        assert await read_all(store, "p/f") == TWO


@pytest.mark.asyncio
async def test_two_uploads_of_the_same_bytes_complete_as_one(azurite: Azurite) -> None:
    async with proxied(azurite) as (_, store, other):
        one = await stage_bytes(store, "p/f", ONE)
        two = await stage_bytes(other, "p/f", ONE)
        first = await store.complete(one)
        assert await other.complete(two) == first


@pytest.mark.asyncio
async def test_block_that_was_corrupted_on_the_way_is_sent_again(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, other):
        proxy.fail(corrupt, when=is_block)
        staged = await stage_bytes(store, "p/f", ONE)
        await store.complete(staged)
        assert await read_all(other, "p/f") == ONE
        assert len([request for request in proxy.seen if is_block(request)]) == 2


@pytest.mark.asyncio
async def test_block_that_is_always_corrupted_is_never_committed(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, other):
        proxy.fail(corrupt, when=is_block, times=99)
        with pytest.raises(RetryError, match="the bytes changed on the way"):
            await stage_bytes(store, "p/f", ONE)
        assert await is_gone(other)
        assert not any(is_commit(request) for request in proxy.seen)


@pytest.mark.asyncio
async def test_corrupted_put_is_refused_and_sent_again(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, other):
        proxy.fail(corrupt, times=2)
        version = await store.put("k", ONE, expect=ABSENT)
        found = await other.get("k")
        assert found is not None
        assert (found.body, found.version) == (ONE, version)


@pytest.mark.asyncio
async def test_completion_whose_answer_is_lost_is_found_out_by_size_and_sha256(
    azurite: Azurite,
) -> None:
    async with proxied(azurite) as (proxy, store, other):
        staged = await stage_bytes(store, "p/f", ONE)
        forged = await stage_bytes(other, "p/g", ONE[::-1])
        proxy.fail(lose_answer, when=is_commit)
        assert (await store.complete(staged)).size_bytes == len(ONE)
        await other.complete(forged)
        same_size = Staged(key="p/g", token=staged.token, file=staged.file, tags=staged.tags)
        with pytest.raises(StoreError, match="another stands in its place"):
            await store.complete(same_size)


@pytest.mark.asyncio
async def test_completion_that_is_lost_and_not_there_is_unknown(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, other):
        staged = await stage_bytes(store, "p/f", ONE)
        proxy.fail(lose_answer, when=is_commit)
        proxy.fail(
            meanwhile(lambda: other.delete("p/f")), when=lambda request: request.method == "HEAD"
        )
        with pytest.raises(OutcomeUnknown):
            await store.complete(staged)


@pytest.mark.asyncio
async def test_read_of_an_object_that_is_replaced_does_not_mix(azurite: Azurite) -> None:
    body = bytes(9 << 20)
    async with proxied(azurite) as (_, store, other):
        await other.put("k", body, expect=ANY)
        async with store.read("k") as chunks:
            assert set(await anext(chunks)) == {0}
            await other.put("k", b"\1" * len(body), expect=ANY)
            with pytest.raises(StoreError, match="replaced or removed while it was being read"):
                assert {byte async for chunk in chunks for byte in set(chunk)} == {0}


@pytest.mark.asyncio
async def test_get_of_an_object_that_is_replaced_starts_again(azurite: Azurite) -> None:
    old, new = bytes(9 << 20), b"\1" * (9 << 20)
    async with proxied(azurite) as (proxy, store, other):
        await other.put("k", old, expect=ANY)
        proxy.fail(meanwhile(lambda: other.put("k", new, expect=ANY)), after=1)
        found = await store.get("k")
        assert found is not None
        assert found.body == new


@pytest.mark.asyncio
async def test_version_that_the_service_can_not_have_made_is_a_conflict(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, _):
        with pytest.raises(Conflict):
            await store.put("k", b"x", expect='no "etag"')
        assert proxy.seen == []


@pytest.mark.asyncio
async def test_empty_part_is_no_block(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, other):
        async with store.stage("p/f") as upload:
            await upload.part(Part(number=1, offset=0, pieces=(b"",), crc32=0))
            staged = await upload.seal(data_file("f", b""))
        assert proxy.seen == []
        await store.complete(staged)
        assert await keys_of(other) == ["p/f"]
