"""What it costs to land in S3 rather than on local disk: the same API, the same pipeline, in turn.

    python -m benchmarks.end_to_end              1,000 pages of 1,000 records, three rounds

The API and S3 (moto, one request at a time) are processes of their own: only the CPU of the
process that lands counts. A run counts only once its files, read back, hold every record.
Ratios compare runs of the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

if not __package__:  # run as a file, whose folder would hide the standard library's http
    sys.path[0] = str(Path(__file__).parents[1])

from benchmarks.http import OURS, expected_totals, landed_totals
from benchmarks.null_api import NullApi
from benchmarks.runner import Measured, measure, spread
from bronze_engine.adapters import open_store
from bronze_engine.config.stores.store import S3StoreConfig
from bronze_engine.config.units import Secret
from bronze_engine.demo.api import BEARER_TOKEN
from bronze_engine.demo.moto import open_moto
from bronze_engine.workers import Workers

BUCKET = "bench"
PAGE_SIZE = 1000
PARTITION = "bench/orders/dt=2025-01-15"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.end_to_end", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    options = parser.parse_args()
    measured = asyncio.run(_measure(options.rounds, options.pages))
    print(f"\n{options.pages} pages of {PAGE_SIZE:,} records, {options.rounds} rounds\n")
    print("| | rows/s | CPU-s | CPU-s, start-up included | peak RSS, MiB |")
    print("|---|---|---|---|---|")
    for name, runs in measured.items():
        rates = spread([run.per_second() for run in runs])
        cpu = spread([run.cpu_seconds for run in runs])
        whole = spread([run.process_cpu_seconds for run in runs])
        rss = spread([run.peak_rss_bytes / 1024**2 for run in runs])
        print(f"| {name} | {rates} | {cpu} | {whole} | {rss} |")
    pairs = list(zip(measured["s3"], measured["local"], strict=True))
    work = spread([s3.cpu_seconds / local.cpu_seconds for s3, local in pairs])
    whole = spread([s3.process_cpu_seconds / local.process_cpu_seconds for s3, local in pairs])
    print(f"\ns3 over local: {work} x CPU, {whole} x with start-up")
    if options.json:
        figures = {name: [asdict(run) for run in runs] for name, runs in measured.items()}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


async def _measure(rounds: int, pages: int) -> dict[str, list[Measured]]:
    records = pages * PAGE_SIZE
    expected = expected_totals(records)
    measured: dict[str, list[Measured]] = {"local": [], "s3": []}
    with NullApi.start(records=records, latency_ms=0) as api:
        async with open_moto(BUCKET) as store:
            arguments = [
            f"--url={api.url}", f"--token={BEARER_TOKEN}", f"--records={records}",
            f"--page-size={PAGE_SIZE}",
        ]  # fmt: skip
            for number in range(rounds):
                for name, runs in measured.items():
                    # A prefix of its own for each run: none finds what another has landed.
                    place = dict(store, url=f"s3://{BUCKET}/round-{number}")
                    with _folder() as out:
                        run = measure(
                            replace(OURS, name=name, watch_lag=False),
                            [
                                *arguments,
                                f"--out={out}",
                                *([f"--store={json.dumps(place)}"] if name == "s3" else []),
                            ],
                            lambda: records,
                        )
                        if name == "s3":
                            await _download(place, out)
                        found = landed_totals(out, OURS.files)
                        assert found == expected, f"landed {found}, expected {expected}"
                    runs.append(run)
                    print(
                        f"round {number + 1} {name}: {run.per_second():,.0f} rows/s,"
                        f" {run.cpu_seconds:.2f} CPU-s,"
                        f" {run.process_cpu_seconds:.2f} with start-up",
                        file=sys.stderr,
                    )
    return measured


async def _download(place: Mapping[str, str], out: Path) -> None:
    """Copy the data files of a store to where a local run would have landed them."""
    folder = out / PARTITION
    folder.mkdir(parents=True)
    config = S3StoreConfig(
        url=place["url"],
        endpoint_url=place["endpoint_url"],
        region=place["region"],
        access_key_id=place["access_key_id"],
        secret_access_key=Secret(place["secret_access_key"]),
    )
    with Workers(1) as workers:
        async with open_store(config, workers) as store:
            async for found in store.scan(f"{PARTITION}/part-"):
                async with store.read(found.key) as chunks:
                    body = b"".join([chunk async for chunk in chunks])
                (folder / found.key.rpartition("/")[2]).write_bytes(body)


@contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bench-end-to-end-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


if __name__ == "__main__":
    main()
