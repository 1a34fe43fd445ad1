"""Our peak memory at a small and at a large amount of work: it must not follow the amount."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.data.tables import mixed
from benchmarks.harness.comparison import Case
from benchmarks.harness.figures import MIB, Figures, rate
from benchmarks.harness.scenario import Size, comparison
from benchmarks.harness.tables import table
from benchmarks.scenarios import files, paged_api, postgres, upload
from benchmarks.servers.null_api import NullApi
from benchmarks.servers.null_s3 import NullS3
from benchmarks.servers.postgres import serve

__all__ = ["SCENARIO"]


class Amounts(NamedTuple):
    """Small and large, of each kind of work."""

    pages: tuple[int, int]
    """Of 1,000 records."""
    rows: tuple[int, int]
    """Of PostgreSQL."""
    csv_megabytes: tuple[float, float]
    upload_mib: tuple[int, int]


AMOUNTS: Final[dict[Size, Amounts]] = {
    "tiny": Amounts((3, 6), (2000, 4000), (0.3, 0.6), (24, 48)),
    "short": Amounts((100, 1600), (200_000, 3_200_000), (40, 640), (256, 4096)),
    "full": Amounts((1000, 16_000), (1_000_000, 16_000_000), (1000, 8000), (1024, 16_384)),
}


def cases(size: Size, folder: Path) -> Generator[Case, None, None]:
    amounts = AMOUNTS[size]
    ours = [replace(paged_api.OURS, watch_lag=False)]
    for pages in amounts.pages:
        load = paged_api.Load(pages, 1000, 0)
        with NullApi.start(records=load.records, latency_ms=0) as api:
            yield paged_api.case(load, ours, api)
    with serve(folder) as server:
        for rows in amounts.rows:
            yield postgres.case(
                mixed(rows), server, folder, [postgres.OURS],
                title="A table of many types", slow_rows=rows,
            )  # fmt: skip
    for megabytes in amounts.csv_megabytes:
        yield files.case("csv", megabytes, folder, [files.OURS])
    with NullS3.start() as s3:
        for mib in amounts.upload_mib:
            yield upload.case(mib * MIB, s3, [upload.OURS])


def tell(figures: Figures) -> str:
    """Cases come in pairs, the small one first."""
    rows = []
    every = [case for case in figures["cases"].values() if case["outcomes"]]
    for small, large in zip(every[::2], every[1::2], strict=True):
        peaks = [max(run["peak_rss_bytes"] for run in _runs(case)) for case in (small, large)]
        for case, peak in zip((small, large), peaks, strict=True):
            run = _runs(case)[-1]
            speed = f"{rate(run, case['unit']):,.0f} {case['unit']['rate']}"
            ratio = "" if case is small else f"{peaks[1] / peaks[0]:.2f}"
            rows.append([case["title"], speed, f"{peak / MIB:,.0f}", ratio])
    return table(["", "speed", "peak RSS, MiB", "large to small"], rows)


def _runs(case: Figures) -> list[Figures]:
    runs: list[Figures] = case["outcomes"]["ours"]["runs"]
    return runs


SCENARIO: Final = comparison("memory", "Memory", cases, frozenset({"ours"}), tell=tell)
