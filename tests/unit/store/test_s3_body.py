"""A part's bytes on their way to the socket."""

from __future__ import annotations

from typing import Any

import pytest
from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import PAYLOAD_REGISTRY

from bronze_engine.store.s3_body import PartBody, stream_parts

pytestmark = pytest.mark.unit

DATA = bytes(range(256)) * 5000  # 1.28 MB: three pieces, the last of them short


class Written(AbstractStreamWriter):
    """Keeps what is written, as it is given."""

    def __init__(self) -> None:
        self.pieces: list[Any] = []

    async def write(self, chunk: Any) -> None:
        self.pieces.append(chunk)

    async def write_eof(self, chunk: bytes = b"") -> None: ...
    async def drain(self) -> None: ...
    def enable_compression(self, *_: Any, **__: Any) -> None: ...
    def enable_chunking(self) -> None: ...
    async def write_headers(self, *_: Any, **__: Any) -> None: ...


class Empty:
    """The raw half of an answer without a body."""

    async def read(self) -> bytes:
        return b""


@pytest.mark.asyncio
async def test_a_part_is_written_in_pieces_and_never_copied() -> None:
    body = PartBody(DATA)
    assert body.size == len(DATA)
    assert await body.as_bytes() is DATA
    written = Written()
    await body.write(written)
    assert b"".join(written.pieces) == DATA
    assert [len(piece) for piece in written.pieces] == [524_288, 524_288, 231_424]
    assert all(piece.obj is DATA for piece in written.pieces)


@pytest.mark.asyncio
async def test_a_part_may_be_sent_again_and_be_cut_short() -> None:
    body = PartBody(DATA)
    for length in (None, 600_000, None):
        written = Written()
        await body.write_with_length(written, length)
        assert b"".join(written.pieces) == DATA[:length]


@pytest.mark.asyncio
async def test_the_client_sends_parts_so_and_waits_for_no_100_continue() -> None:
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> AioAWSResponse:
        sent.append(request)
        return AioAWSResponse(request.url, 200, {"etag": '"tag"'}, Empty())

    session = AioSession()
    async with session.create_client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=AioConfig(request_checksum_calculation="when_required"),
    ) as client:
        stream_parts(client)
        client.meta.events.register("before-send.s3", answer)
        upload = {"Bucket": "bucket", "Key": "key", "UploadId": "upload", "PartNumber": 1}
        answered = await client.upload_part(**upload, Body=DATA)
        await client.put_object(Bucket="bucket", Key="key", Body=b"small")
    part, small = sent
    assert answered["ETag"] == '"tag"'
    assert type(part.body) is PartBody
    assert PAYLOAD_REGISTRY.get(part.body) is part.body
    assert await part.body.as_bytes() is DATA
    assert "Expect" not in part.headers
    assert part.headers["Content-Length"] == str(len(DATA))
    part.reset_stream()  # what botocore does before it follows a bucket to its region
    assert await part.body.as_bytes() is DATA
    assert not isinstance(small.body, PartBody)
