"""Uploads against rivals: 1 GiB to a server on loopback that speaks S3 and keeps nothing.

    python -m benchmarks.upload                  ours, boto3's s3transfer, s3fs and obstore, in turn
    python -m benchmarks.upload --only ours,s3transfer
    python -m benchmarks.upload --memory         ours at 1 and at 4 GiB

Each candidate is a process of its own and uploads one object of random bytes over plain
HTTP, in parts of 8 MiB. Ours hashes the whole file (SHA-256) and each part (CRC32). Imports,
clients and the random bytes come before the clock starts. First each of them uploads
something small to a server that tests every checksum and the SHA-256 of the whole; then a
run counts only once every byte has arrived. Ratios compare runs of the same round. How late
our event loop is, beside an idle one, is watched in rounds of its own: watching costs CPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

if not __package__:  # run as a file, whose folder would hide the standard library's http
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks.content import BLOCK_BYTES, BUCKET, KEY, Job
from benchmarks.null_s3 import Landed, NullS3
from benchmarks.runner import ROOT, Candidate, Measured, measure, spread

MIB = 1024**2
GIB = 1024**3
CHECKED_BYTES = 5 * BLOCK_BYTES + 12_345
HERE = Path(sys.executable)
RIVALS = ROOT / ".bench-venv/bin/python"
OURS = Candidate("ours", HERE, "benchmarks.candidates.upload")
WATCHED = replace(OURS, name="ours, its loop watched", arguments=("--variant=lag",), watch_lag=True)
CANDIDATES = (
    OURS,
    Candidate("s3transfer", RIVALS, "benchmarks.rivals.s3transfer"),
    Candidate(
        "s3transfer-unsigned", RIVALS, "benchmarks.rivals.s3transfer", ("--variant=unsigned",)
    ),
    Candidate("s3fs", RIVALS, "benchmarks.rivals.s3fs_file"),
    Candidate("obstore-sha256", RIVALS, "benchmarks.rivals.obstore_put", ("--variant=sha256",)),
    Candidate("obstore-unchecked", RIVALS, "benchmarks.rivals.obstore_put"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.upload", description=__doc__)
    parser.add_argument("--only", help="names with commas between them, the first is compared")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=1024, help="size of the object")
    parser.add_argument("--memory", action="store_true", help="peak memory at 1 and 4 GiB")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else [each.name for each in CANDIDATES]
    chosen = [OURS] if options.memory else [each for each in CANDIDATES if each.name in names]
    if not all(each.python.exists() for each in chosen):
        print("making the rivals' environment", file=sys.stderr)
        subprocess.run(["make", "--silent", ".bench-venv/.rivals"], cwd=ROOT, check=True)
    prove(chosen)
    result = memory() if options.memory else speed(chosen, options.rounds, options.mib * MIB)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def prove(candidates: Sequence[Candidate]) -> None:
    """Let each upload something small, and look at every byte of it. Raises AssertionError."""
    with NullS3.start(check=True) as server:
        job = Job(server.url, CHECKED_BYTES, distinct_blocks=4)
        expected = job.sha256()
        for candidate in candidates:
            _run(candidate, job, server, expected)


def speed(candidates: Sequence[Candidate], rounds: int, size_bytes: int) -> dict[str, Any]:
    """All candidates in turn, `rounds` times. Prints a table; returns every figure."""
    measured: dict[str, list[Measured]] = {each.name: [] for each in candidates}
    with NullS3.start() as server:
        for number in range(rounds):
            for candidate in candidates:
                run = _run(candidate, Job(server.url, size_bytes), server)
                measured[candidate.name].append(run)
                print(
                    f"round {number + 1} {candidate.name}: {run.per_second(MIB):,.0f} MiB/s,"
                    f" {run.cpu_per(GIB):.2f} CPU-s per GiB",
                    file=sys.stderr,
                )
        watched = []
        if OURS in candidates:
            job = Job(server.url, size_bytes)
            watched = [_run(WATCHED, job, server) for _ in range(rounds)]
    print(f"\n{size_bytes // MIB:,} MiB in one object, {rounds} rounds\n")
    print("| | MiB/s | CPU-s per GiB | peak RSS, MiB |")
    print("|---|---|---|---|")
    for name, runs in measured.items():
        rates = spread([run.per_second(MIB) for run in runs])
        cpu = spread([run.cpu_per(GIB) for run in runs])
        rss = spread([run.peak_rss_bytes / MIB for run in runs])
        print(f"| {name} | {rates} | {cpu} | {rss} |")
    first, *others = measured
    for other in others:
        pairs = list(zip(measured[first], measured[other], strict=True))
        faster = spread([a.per_second() / b.per_second() for a, b in pairs])
        dearer = spread([a.cpu_per(GIB) / b.cpu_per(GIB) for a, b in pairs])
        print(f"\n{first} over {other}: {faster} x MiB/s at {dearer} x its CPU")
    for run in watched:
        assert run.lag_ms, "the watched variant reports its lag"
        assert run.idle_lag_ms, "an idle loop was watched beside it"
        print(f"\nloop lag, ms: {_lag(run.lag_ms)}; idle: {_lag(run.idle_lag_ms)}")
    if watched:
        measured[WATCHED.name] = watched
    return {name: [asdict(run) for run in runs] for name, runs in measured.items()}


def memory() -> dict[str, Any]:
    """Our peak memory at 1 and 4 GiB. Prints a table; returns every figure."""
    with NullS3.start() as server:
        runs = {gib: _run(OURS, Job(server.url, gib * GIB), server) for gib in (1, 4)}
    print("\n| GiB | MiB/s | peak RSS, MiB |\n|---|---|---|")
    for gib, run in runs.items():
        print(f"| {gib} | {run.per_second(MIB):,.0f} | {run.peak_rss_bytes / MIB:,.1f} |")
    print(f"\nratio: {runs[4].peak_rss_bytes / runs[1].peak_rss_bytes:.2f}")
    return {str(gib): asdict(run) for gib, run in runs.items()}


def _run(
    candidate: Candidate, job: Job, server: NullS3, expected_sha256: str | None = None
) -> Measured:
    arguments = [
        f"--url={job.url}",
        f"--size-bytes={job.size_bytes}",
        f"--distinct-blocks={job.distinct_blocks}",
    ]
    return measure(
        candidate, arguments, lambda: landed_bytes(server.take(), job.size_bytes, expected_sha256)
    )


def landed_bytes(
    landed: Mapping[str, Landed], size_bytes: int, expected_sha256: str | None = None
) -> int:
    """The bytes of the one object that has landed. Raises AssertionError where it is not right."""
    assert list(landed) == [f"{BUCKET}/{KEY}"], f"landed {list(landed)}"
    found = landed[f"{BUCKET}/{KEY}"]
    assert found.size_bytes == size_bytes, f"landed {found.size_bytes} bytes of {size_bytes}"
    assert max(found.parts) == min(size_bytes, BLOCK_BYTES), f"landed parts of {found.parts}"
    assert found.sha256 == expected_sha256, "landed other bytes"
    return found.size_bytes


def _lag(lag: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in lag.items())


if __name__ == "__main__":
    main()
