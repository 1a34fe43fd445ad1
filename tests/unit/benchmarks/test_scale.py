"""The simulation of many processes: what is committed, how often, and the table of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from benchmarks.scale.__main__ import WAYS, jobs_of_table, table
from benchmarks.scale.cluster import simulate
from benchmarks.scale.load import Job, ideal_seconds, make_jobs

from bronze_engine.batch.shard import deal
from tests.documents import Document

pytestmark = pytest.mark.unit

JOBS = make_jobs(1000, 40)
SMALL = {
    way.title: replace(way, workers=min(way.workers, 10), shares=-(-way.shares // 10))
    for way in WAYS
}


def to_commit(jobs: Mapping[str, Job]) -> int:
    """Those that commit, and come after nothing that does not."""
    stands: dict[str | None, bool] = {None: True}
    for name, job in jobs.items():  # one comes after an earlier one
        stands[name] = job.fate == "commits" and stands[job.after]
    return sum(stands.values()) - 1


@pytest.mark.parametrize("title", SMALL)
@pytest.mark.parametrize("lost", [0, 2])
def test_every_partition_is_committed_and_twice_only_where_pods_begin_anew(
    title: str, lost: int
) -> None:
    way = SMALL[title]
    outcome = simulate(way, JOBS, lost=lost if way.workers > 1 else 0)
    assert outcome.committed == to_commit(JOBS)
    if way.skips or not lost or way.workers == 1:
        assert outcome.again == 0
    else:
        assert outcome.again > 0
    assert outcome.seconds >= ideal_seconds(JOBS, way.workers * way.max_parallel)
    assert outcome == simulate(way, JOBS, lost=lost if way.workers > 1 else 0)


@pytest.mark.parametrize("title", [way.title for way in WAYS if way.shares <= way.workers])
def test_an_api_that_hangs_delays_the_others_by_less_than_a_twentieth(title: str) -> None:
    healthy = {name: job for name, job in JOBS.items() if job.fate != "hangs"}
    seconds = [simulate(SMALL[title], jobs).most_seconds for jobs in (JOBS, healthy)]
    assert seconds[0] < 1.05 * seconds[1]


def test_with_more_shards_than_pods_it_holds_those_behind_it() -> None:
    (title,) = [way.title for way in WAYS if way.shares > way.workers]
    healthy = {name: job for name, job in JOBS.items() if job.fate != "hangs"}
    seconds = [simulate(SMALL[title], jobs).most_seconds for jobs in (JOBS, healthy)]
    assert seconds[0] > 1.05 * seconds[1]


def test_shares_of_ten_thousand_are_even() -> None:
    jobs = jobs_of_table()

    def after(name: str) -> tuple[str, ...]:
        before = jobs[name].after
        return () if before is None else (before,)

    sizes = [len(share) for share in deal(tuple(jobs), 100, after)]
    assert (sum(sizes), max(sizes)) == (10_000, 100)


@pytest.mark.slow
def test_the_table_of_the_page_is_what_the_simulation_prints() -> None:
    assert f"<!-- simulation -->\n{table()}\n<!-- end -->" in Document("docs/scale.md").text
