"""Small versions of the upload benchmarks, and what their server proves."""

from __future__ import annotations

import base64
import hashlib
import http.client
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from benchmarks.jobs.upload import BLOCK_BYTES, BUCKET, KEY, Reader, UploadJob
from benchmarks.scenarios.upload import landed_bytes
from benchmarks.servers.null_s3 import NullS3, Uploaded

from tests.benching import bench

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def checking() -> Iterator[NullS3]:
    with NullS3.start(check=True) as server:
        yield server


def put(
    server: NullS3, body: bytes, headers: dict[str, str], query: str = ""
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    connection.request("PUT", f"/{BUCKET}/{KEY}{query}", body=body, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_ours_is_proved_and_measured(tmp_path: Path) -> None:
    told, found = bench(tmp_path, "upload", "--only=ours,ours-watched", rounds=2)
    assert "| bronze-engine |" in told
    assert "Loop lag of ours-watched" in told
    [case] = found["cases"].values()
    for outcome in case["outcomes"].values():
        assert [run["amount"] for run in outcome["runs"]] == [24 * 1024**2] * 2
        assert all(0 < run["cpu_seconds"] < run["process_cpu_seconds"] for run in outcome["runs"])
    assert all(run["lag_ms"]["p99"] >= 0 for run in case["outcomes"]["ours-watched"]["runs"])


@pytest.mark.parametrize(
    ("header", "right", "wrong"),
    [
        ("x-amz-checksum-crc32", zlib.crc32(b"body").to_bytes(4, "big"), bytes(4)),
        ("x-amz-checksum-sha256", hashlib.sha256(b"body").digest(), bytes(32)),
        ("Content-MD5", hashlib.md5(b"body", usedforsecurity=False).digest(), bytes(16)),
    ],
)
def test_a_wrong_checksum_is_refused(
    checking: NullS3, header: str, right: bytes, wrong: bytes
) -> None:
    checking.take()
    assert put(checking, b"body", {header: base64.b64encode(wrong).decode()}).status == 400
    assert checking.take() == {}
    assert put(checking, b"body", {header: base64.b64encode(right).decode()}).status == 200
    landed = Uploaded([4], hashlib.sha256(b"body").hexdigest(), [header.lower()])
    assert checking.take() == {f"{BUCKET}/{KEY}": landed}


def test_chunks_of_aws_are_decoded_and_their_trailer_is_tested(checking: NullS3) -> None:
    checking.take()
    crc = base64.b64encode(zlib.crc32(b"bodybody").to_bytes(4, "big")).decode()
    for trailer, status in ((crc, 200), (base64.b64encode(bytes(4)).decode(), 400)):
        body = f"4\r\nbody\r\n4\r\nbody\r\n0\r\nx-amz-checksum-crc32:{trailer}\r\n\r\n".encode()
        headers = {
            "Content-Encoding": "aws-chunked",
            "x-amz-decoded-content-length": "8",
            "x-amz-trailer": "x-amz-checksum-crc32",
        }
        assert put(checking, body, headers).status == status
    found = checking.take()[f"{BUCKET}/{KEY}"]
    assert (found.parts, found.sha256) == ([8], hashlib.sha256(b"bodybody").hexdigest())


def test_what_is_thrown_away_is_counted() -> None:
    with NullS3.start() as server:
        assert put(server, bytes(3_000_000), {"Expect": "100-continue"}).status == 200
        assert server.take() == {f"{BUCKET}/{KEY}": Uploaded([3_000_000])}
        assert server.take() == {}


def test_a_lost_byte_and_a_wrong_part_size_are_seen() -> None:
    key = f"{BUCKET}/{KEY}"
    size = BLOCK_BYTES + 5
    assert landed_bytes({key: Uploaded([BLOCK_BYTES, 5], "hash")}, size, "hash") == size
    for wrong in (
        {},
        {"other": Uploaded([BLOCK_BYTES, 5], "hash")},
        {key: Uploaded([BLOCK_BYTES, 4], "hash")},
        {key: Uploaded([BLOCK_BYTES // 2, BLOCK_BYTES // 2, 5], "hash")},
        {key: Uploaded([BLOCK_BYTES, 5], "another")},
    ):
        with pytest.raises(AssertionError):
            landed_bytes(wrong, size, "hash")


def test_every_candidate_is_given_the_same_content() -> None:
    job = UploadJob("", 4 * BLOCK_BYTES + 777, distinct_blocks=3)
    file = Reader(job)
    digests = set()
    for pieces in (job.blocks(), job.pieces(), iter(lambda: file.read(999_999), b"")):
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        digests.add(digest.hexdigest())
    assert digests == {job.sha256()}
