"""engine.memory_limit at the peak, while wide pipelines all want memory at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from benchmarks.servers.process import serve
from benchmarks.studies.batch_memory import KINDS, LIMIT_MIB, grown

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MIB = 1024**2


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve("benchmarks.servers.wide_api") as told:
        yield int(told)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "pipelines", "pages"), [("one file at a time", 8, 24), ("25 folders", 4, 14)]
)
def test_the_limit_is_held_by_running_fewer_at_once(
    port: int, kind: str, pipelines: int, pages: int
) -> None:
    """Of 250 records a page with 200 columns: more than a row group each."""
    found = grown(port, pipelines, pages, KINDS[kind])
    assert found["grown_bytes"] <= 1.15 * LIMIT_MIB * MIB, found


@pytest.mark.timeout(300)
def test_without_a_limit_in_the_way_they_take_more_than_that(port: int) -> None:
    """Or the test above would show nothing."""
    found = grown(port, 10, 40, limit_mib=4096)
    assert found["grown_bytes"] > 1.15 * LIMIT_MIB * MIB, found
