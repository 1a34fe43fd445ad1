"""Ten thousand pipelines on a hundred workers, in virtual time.

    python -m benchmarks.scale                        print the table
    python -m benchmarks.scale --page docs/scale.md   write it there

The scheduler (batch.places, batch.order) and the dealing of shares (batch.shard) are the
engine's own; what is simulated is what runs wait for: servers, rates, deaths. The same every time.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from benchmarks.scale.cluster import Outcome, Way, simulate
from benchmarks.scale.load import Job, ideal_seconds, make_jobs

__all__ = ["PIPELINES", "WAYS", "jobs_of_table", "table"]

PIPELINES = 10_000
APIS = 200
LOST = 3

WAYS = (
    Way("one process, `--max-parallel 64`", workers=1, shares=1, skips=False, max_parallel=64),
    Way("indexed job: 100 pods, 100 shards", workers=100, shares=100, skips=False),
    Way("indexed job: 100 pods, 400 shards", workers=100, shares=400, skips=False),
    Way("`--on dask://`, 100 workers", workers=100, shares=100, skips=True),
)

_HEADINGS = (
    "how",
    "no schedule is faster than",
    "99 % are committed after",
    "all are",
    "busiest worker to mean",
    "all, where 3 workers are killed and 3 freeze",
    "committed",
    "of these twice",
    "refused",
)

_MARKS = re.compile(r"(<!-- simulation -->\n).*?(<!-- end -->)", re.DOTALL)


def jobs_of_table() -> dict[str, Job]:
    return make_jobs(PIPELINES, APIS)


def table() -> str:
    """Markdown: each way with nothing going wrong but the load's own, and with workers lost."""
    jobs = jobs_of_table()
    lines = [f"| {' | '.join(_HEADINGS)} |", f"|{'---|' * len(_HEADINGS)}"]
    for way in WAYS:
        ideal = ideal_seconds(jobs, way.workers * way.max_parallel)
        well = simulate(way, jobs)
        lost = simulate(way, jobs, lost=LOST) if way.workers > 1 else None
        lines.append(_line(way, ideal, well, lost))
    return "\n".join(lines)


def _line(way: Way, ideal: float, well: Outcome, lost: Outcome | None) -> str:
    last = lost or well
    cells = (
        way.title,
        f"{ideal:.0f} s",
        f"{well.most_seconds:.0f} s",
        f"{well.seconds:.0f} s",
        f"{well.imbalance:.2f}",
        "" if lost is None else f"{lost.seconds:.0f} s",
        f"{last.committed:,}",
        f"{last.again:,}",
        f"{last.refused:,}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--page", type=Path, help="write the table there")
    page: Path | None = parser.parse_args().page
    found = table()
    if page is None:
        print(found)
        return
    text = page.read_text(encoding="utf-8")
    page.write_text(_MARKS.sub(rf"\g<1>{found}\n\g<2>", text), encoding="utf-8")


if __name__ == "__main__":
    main()
