"""Random dependencies and failures: every run ends in one status, in the right order."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.errors import ExtractError
from bronze_engine.telemetry.events import RunFinished, RunStarted
from tests.unit.batch.lake import Lake, statuses

pytestmark = pytest.mark.unit

NAMES = ("a.x", "a.y", "b.x", "b.y", "c.x", "c.y")


class Plan(msgspec.Struct, frozen=True):
    after: dict[str, list[str]]
    """Only names that come earlier in NAMES, so there is no circle."""
    failing: frozenset[str]
    seconds: dict[str, float]
    order: list[str]
    max_parallel: int


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    after = {
        name: sorted(draw(st.frozensets(st.sampled_from(NAMES[:at]), max_size=2)))
        for at, name in enumerate(NAMES)
        if at
    }
    return Plan(
        after=after,
        failing=draw(st.frozensets(st.sampled_from(NAMES), max_size=2)),
        seconds={name: draw(st.sampled_from((0.1, 3.0, 60.0))) for name in NAMES},
        order=draw(st.permutations(NAMES)),
        max_parallel=draw(st.integers(1, 4)),
    )


@given(plans())
@settings(max_examples=25, deadline=None)
def test_each_run_ends_in_one_status_and_begins_after_what_it_comes_after(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check(plan, Path(folder)))


async def check(plan: Plan, folder: Path) -> None:
    lake = Lake(folder, *NAMES, after=plan.after)
    lake.seconds = plan.seconds
    lake.faults = {name: ExtractError("broken off") for name in plan.failing}
    found = statuses(await lake.batch(*plan.order, max_parallel=plan.max_parallel))
    expected: dict[str, str] = {}
    for name in NAMES:
        stands = all(expected[other] == "committed" for other in plan.after.get(name, ()))
        fails = name in plan.failing
        expected[name] = "skipped" if not stands else "failed" if fails else "committed"
    assert found == expected
    ended: set[str] = set()
    begun: list[str] = []
    for event in lake.events:
        if isinstance(event, RunStarted):
            assert ended.issuperset(plan.after.get(event.pipeline, ()))
            begun.append(event.pipeline)
            assert len(begun) - len(ended) <= 2 * plan.max_parallel - 1
        elif isinstance(event, RunFinished):
            ended.add(event.pipeline)
    assert sorted(begun) == sorted(name for name in NAMES if expected[name] != "skipped")
