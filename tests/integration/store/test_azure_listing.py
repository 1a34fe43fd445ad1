"""What listings of the service hold and Azurite's do not: directories, and half-known blobs."""

from __future__ import annotations

import pytest

from bronze_engine.errors import StoreError
from bronze_engine.model.part import ABSENT, ANY
from bronze_engine.testing.stores import keys_of, stage_bytes, staged_keys
from tests.integration.azurite import Azurite
from tests.integration.fault_proxy import Exchange, Fault, answer
from tests.integration.store.azure_opened import config_of, opened
from tests.integration.store.azure_proxied import proxied

pytestmark = pytest.mark.integration

WHOLE = (
    "<Last-Modified>Wed, 25 Nov 2026 13:00:00 GMT</Last-Modified><Etag>0x8DE1</Etag>"
    "<Content-Length>{size}</Content-Length><BlobType>BlockBlob</BlobType>"
)


def blob(name: str, size: int = 3) -> str:
    properties = f"<Properties>{WHOLE.format(size=size)}</Properties>"
    return f"<Blob><Name>lake/{name}</Name>{properties}<Metadata/></Blob>"


def directory(name: str) -> str:
    properties = f"<Properties>{WHOLE.format(size=0)}<ResourceType>directory</ResourceType>"
    metadata = "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>"
    return f"<Blob><Name>lake/{name}</Name>{properties}</Properties>{metadata}</Blob>"


def uncommitted(name: str) -> str:
    """`Some properties might not be returned` of it, the documentation says."""
    properties = "<Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>"
    return f"<Blob><Name>lake/{name}</Name><Properties>{properties}</Properties></Blob>"


def listing(*blobs: str, marker: str = "") -> Fault:
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<EnumerationResults ServiceEndpoint="https://acme.blob.core.windows.net/" '
        f'ContainerName="lake"><Blobs>{"".join(blobs)}</Blobs><NextMarker>{marker}</NextMarker>'
        "</EnumerationResults>"
    ).encode()

    async def fault(exchange: Exchange) -> None:
        fields = f"Content-Type: application/xml\r\nContent-Length: {len(body)}"
        head = f"HTTP/1.1 200 OK\r\nx-ms-request-id: test\r\n{fields}\r\n\r\n"
        await exchange.give(head.encode() + body)

    return fault


@pytest.mark.asyncio
async def test_directories_of_a_hierarchical_namespace_are_no_objects(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, _):
        proxy.fail(listing(directory("a"), blob("a/b"), blob("c")))
        assert await keys_of(store) == ["a/b", "c"]
        proxy.fail(listing(directory("a")))
        assert await staged_keys(store) == []


@pytest.mark.asyncio
async def test_hierarchical_order_becomes_that_of_keys(azurite: Azurite) -> None:
    """Depth first, `a/...` comes before `a-b`; as keys it is the other way round."""
    async with proxied(azurite) as (proxy, store, _):
        proxy.fail(listing(blob("0"), directory("a"), blob("a/x"), marker="more"))
        proxy.fail(listing(directory("a/y"), blob("a/y/z"), blob("a-b"), blob("a0")))
        assert await keys_of(store) == ["0", "a-b", "a/x", "a/y/z", "a0"]
        assert [request.query.get("marker") for request in proxy.seen] == [None, "more"]


@pytest.mark.asyncio
async def test_uncommitted_blob_of_which_little_is_known_is_found(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, direct):
        await stage_bytes(direct, "p/f", b"x")
        proxy.fail(listing(blob("a"), uncommitted("p/f"), uncommitted("p/gone")))
        assert await staged_keys(store) == ["p/f"]


@pytest.mark.asyncio
async def test_empty_object_is_no_staged_file(azurite: Azurite) -> None:
    async with proxied(azurite) as (_, store, _direct):
        await store.put("empty", b"", expect=ANY)
        assert await staged_keys(store) == []
        assert await keys_of(store) == ["empty"]


@pytest.mark.asyncio
async def test_version_of_a_listing_is_that_of_the_object(azurite: Azurite) -> None:
    """The service writes ETags without quotes there, and with them in headers."""
    async with proxied(azurite) as (proxy, store, _):
        version = await store.put("k", b"x", expect=ABSENT)
        [info] = [info async for info in store.scan("")]
        assert info.version == version
        proxy.fail(listing(blob("k")))
        [info] = [info async for info in store.scan("")]
        assert info.version == '"0x8DE1"'


@pytest.mark.asyncio
async def test_long_listing_comes_in_pages(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, direct):
        keys = [f"a/{number:03}" for number in range(205)]
        for key in keys:
            await direct.put(key, b"x", expect=ANY)
        assert await keys_of(store, "a/") == keys
        assert len(proxy.seen) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["a.", "a./b", "a/b."])
async def test_key_that_the_service_would_cut_is_refused(key: str, azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, _):
        with pytest.raises(StoreError, match="ends with a dot"):
            await store.put(key, b"x", expect=ANY)
        assert proxy.seen == []


@pytest.mark.asyncio
async def test_key_that_its_prefix_makes_too_long_is_refused(azurite: Azurite) -> None:
    async with opened(config_of(azurite.url, f"az://lake/{'p' * 200}")) as store:
        with pytest.raises(StoreError, match="with its prefix it is over 1024 long"):
            await store.put("/".join(["k" * 150] * 6), b"x", expect=ANY)


@pytest.mark.asyncio
async def test_clock_is_the_service_s_and_goes_on_between_answers(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, _):
        first = await store.now()
        assert len(proxy.seen) == 1
        second = await store.now()
        assert len(proxy.seen) == 1
        assert 0 <= (second - first).total_seconds() < 5


@pytest.mark.asyncio
async def test_clock_does_not_run_backwards(azurite: Azurite) -> None:
    """Dates have whole seconds: each answer's is up to a second behind what was counted on."""
    async with proxied(azurite) as (_, store, _direct):
        before = began = await store.now()
        while (before - began).total_seconds() < 1.2:
            await store.get("k")
            now = await store.now()
            assert now >= before
            before = now


@pytest.mark.asyncio
async def test_clock_of_a_gateway_is_not_the_service_s(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, _):
        proxy.fail(answer(502, Date="Thu, 01 Jan 2015 00:00:00 GMT"), after=1)
        before = await store.now()
        await store.get("k")
        assert len(proxy.seen) == 3
        assert 0 <= (await store.now() - before).total_seconds() < 60


@pytest.mark.asyncio
async def test_answers_without_a_date_are_told(azurite: Azurite) -> None:
    async with proxied(azurite) as (proxy, store, _):
        proxy.fail(listing(), times=2)
        with pytest.raises(StoreError, match="no Date header"):
            await store.now()
