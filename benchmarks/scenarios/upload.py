"""One object to a server on loopback that speaks S3 and keeps nothing.

Each candidate uploads random bytes over plain HTTP, in parts of 8 MiB. Ours hashes the whole file
(SHA-256) and each part (CRC32). Imports, clients and the random bytes come before the clock starts.
First each of them uploads something small to a server that tests every checksum and the SHA-256
of the whole; then a run counts only once every byte has arrived. How late our event loop is,
beside an idle one, is watched in a candidate of its own: watching costs CPU.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.harness.comparison import BYTES, Case
from benchmarks.harness.environment import HERE, RIVALS
from benchmarks.harness.landed import Landed
from benchmarks.harness.measure import Candidate
from benchmarks.harness.scenario import Size, comparison
from benchmarks.jobs.upload import BLOCK_BYTES, BUCKET, KEY, UploadJob
from benchmarks.servers.null_s3 import NullS3, Uploaded

__all__ = ["OURS", "SCENARIO", "case", "landed_bytes"]

MIB: Final = 1024**2
CHECKED_BYTES: Final = 5 * BLOCK_BYTES + 12_345
CHECKED_BLOCKS: Final = 4
OURS: Final = Candidate("ours", "bronze-engine", "ours", HERE, "benchmarks.candidates.upload")
TRANSFER: Final = Candidate(
    "s3transfer",
    "boto3 {boto3}, its upload_fileobj",
    "library",
    RIVALS,
    "benchmarks.rivals.s3transfer",
)
OBSTORE: Final = Candidate(
    "obstore-sha256",
    "obstore {obstore}, SHA-256 a part",
    "library",
    RIVALS,
    "benchmarks.rivals.obstore_put",
    {"variant": "sha256"},
)
CANDIDATES: Final = (
    OURS,
    replace(
        OURS,
        name="ours-watched",
        label="bronze-engine, its loop watched",
        settings={"variant": "lag"},
        watch_lag=True,
    ),
    TRANSFER,
    replace(
        TRANSFER,
        name="s3transfer-unsigned",
        label="boto3 {boto3}, the body unsigned as over TLS",
        settings={"variant": "unsigned"},
    ),
    Candidate(
        "s3fs", "s3fs {s3fs}, written as a file", "library", RIVALS, "benchmarks.rivals.s3fs_file"
    ),
    OBSTORE,
    replace(
        OBSTORE,
        name="obstore-unchecked",
        label="obstore {obstore}, nothing hashed: the limit",
        kind="limit",
        settings={},
    ),
)
SIZES: Final[dict[Size, int]] = {"tiny": 24 * MIB, "short": 256 * MIB, "full": 1024 * MIB}


def case(
    size_bytes: int, server: NullS3, candidates: Sequence[Candidate], headline: str = ""
) -> Case:
    """One object of random bytes."""
    return _case(size_bytes, server, candidates, headline=headline)


def checked_case(server: NullS3, candidates: Sequence[Candidate]) -> Case:
    """A small one to a server that checks, whose every byte is looked at."""
    job = UploadJob("", CHECKED_BYTES, distinct_blocks=CHECKED_BLOCKS)
    return _case(CHECKED_BYTES, server, candidates, distinct=CHECKED_BLOCKS, sha256=job.sha256())


def _case(
    size_bytes: int,
    server: NullS3,
    candidates: Sequence[Candidate],
    *,
    distinct: int = 1,
    sha256: str | None = None,
    headline: str = "",
) -> Case:
    def check(_candidate: Candidate, _out: Path) -> Landed:
        return Landed(landed_bytes(server.take(), size_bytes, sha256))

    checked = ", every byte of it checked" if sha256 else ""
    return Case(
        name=f"{size_bytes}-checked" if sha256 else str(size_bytes),
        title=f"One object of {size_bytes / MIB:,.0f} MiB{checked}",
        unit=BYTES,
        candidates=candidates,
        job={"url": server.url, "size_bytes": size_bytes, "distinct_blocks": distinct},
        check=check,
        headline=headline,
        is_proof=sha256 is not None,
    )


def landed_bytes(
    landed: Mapping[str, Uploaded], size_bytes: int, expected_sha256: str | None = None
) -> int:
    """The bytes of the one object that has landed. Raises AssertionError where it is not right."""
    assert list(landed) == [f"{BUCKET}/{KEY}"], f"landed {list(landed)}"
    found = landed[f"{BUCKET}/{KEY}"]
    assert found.size_bytes == size_bytes, f"landed {found.size_bytes} bytes of {size_bytes}"
    assert max(found.parts) == min(size_bytes, BLOCK_BYTES), f"landed parts of {found.parts}"
    assert found.sha256 == expected_sha256, "landed other bytes"
    return found.size_bytes


def cases(size: Size, _folder: Path) -> Generator[Case, None, None]:
    with NullS3.start(check=True) as server:
        yield checked_case(server, CANDIDATES)
    with NullS3.start() as server:
        yield case(SIZES[size], server, CANDIDATES, "upload to S3")


SCENARIO: Final = comparison(
    "upload", "An upload to S3", cases, frozenset(each.name for each in CANDIDATES)
)
