"""A server that leaves out what S3 sends is told by its address, and with what is missing."""

from __future__ import annotations

import asyncio

import pytest

from bronze_engine.errors import StoreError
from tests.integration.http_server import Seen, answer, serve
from tests.integration.store.s3_opened import config_of, opened

pytestmark = pytest.mark.integration

OBJECT = {
    "Key": "<Key>a/b</Key>",
    "Size": "<Size>3</Size>",
    "ETag": "<ETag>e</ETag>",
    "LastModified": "<LastModified>2025-01-15T00:00:00Z</LastModified>",
}
UPLOAD = {"Key": "<Key>a/b</Key>", "UploadId": "<UploadId>u</UploadId>"}
WHERE = {
    "NextKeyMarker": "<NextKeyMarker>a/b</NextKeyMarker>",
    "NextUploadIdMarker": "<NextUploadIdMarker>u</NextUploadIdMarker>",
}


async def told(kind: str, listing: str) -> str:
    """How a listing of `kind` ends."""

    async def handle(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.method == "HEAD":
            return answer(body=b"")
        return answer(body=listing.encode(), headers={"Content-Type": "application/xml"})

    async with (
        serve(handle) as server,
        opened(config_of(server.url, "s3://lake")) as store,
    ):
        scan = store.scan("a/") if kind == "objects" else store.scan_staged("a/")
        with pytest.raises(StoreError) as failed:
            _ = [each async for each in scan]
    return failed.value.message.replace(server.url, "URL")


@pytest.mark.asyncio
@pytest.mark.parametrize("field", OBJECT)
async def test_an_entry_of_a_listing(field: str) -> None:
    entry = "".join(text for name, text in OBJECT.items() if name != field)
    listing = (
        "<ListBucketResult><IsTruncated>false</IsTruncated>"
        f"<Contents>{''.join(OBJECT.values())}</Contents><Contents>{entry}</Contents>"
        "</ListBucketResult>"
    )
    whose = "" if field == "Key" else " (of 'a/b')"
    assert await told("objects", listing) == (
        f"list_objects_v2 s3://lake: URL leaves out {field} of an entry of Contents{whose},"
        " which every S3 server sends; ask who runs it, or see endpoint_url"
    )


@pytest.mark.asyncio
async def test_a_listing_that_goes_on_without_saying_where() -> None:
    listing = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
    assert "NextContinuationToken of a listing that goes on" in await told("objects", listing)


@pytest.mark.asyncio
@pytest.mark.parametrize("field", [*UPLOAD, *WHERE])
async def test_an_entry_of_the_uploads(field: str) -> None:
    entry = "".join(text for name, text in UPLOAD.items() if name != field)
    where = "".join(text for name, text in WHERE.items() if name != field)
    listing = (
        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
        f"<Upload>{entry}</Upload>{where}</ListMultipartUploadsResult>"
    )
    assert f"URL leaves out {field} of a" in await told("uploads", listing)


@pytest.mark.asyncio
async def test_an_object_without_a_length() -> None:
    async def handle(_: Seen, writer: asyncio.StreamWriter) -> bytes:
        head = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nTransfer-Encoding: chunked\r\n\r\n'
        writer.write(head + b"3\r\nabc\r\n0\r\n\r\n")
        return b""

    async with serve(handle) as server, opened(config_of(server.url, "s3://lake")) as store:
        with pytest.raises(StoreError, match=f"{server.url} leaves out ContentLength"):
            async with store.read("a/b") as chunks:
                _ = [chunk async for chunk in chunks]
