"""Whatever a server answers, in whatever order: somebody may always go on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.limits.adaptive import MAX_LIMIT, Outcome, Search

pytestmark = pytest.mark.unit

OUTCOMES = st.sampled_from(["succeeded", "failed", "refused", "untold"])
ANSWERS = st.lists(
    st.tuples(OUTCOMES, st.floats(0, 5), st.integers(0, 300)), min_size=1, max_size=400
)
"""How an attempt ended, how long it took, and which of those in flight it was."""


def limits_of(answers: Sequence[tuple[Outcome, float, int]]) -> list[int]:
    """The limit after each answer; as many are always in flight as may be."""
    search = Search()
    in_flight: list[int] = []
    found: list[int] = []
    for outcome, seconds, which in answers:
        while len(in_flight) < search.limit:
            in_flight.append(search.begin())
        search.is_wanted = True
        number = in_flight.pop(which % len(in_flight))
        search.observe(number, seconds, outcome, len(in_flight) + 1)
        found.append(search.limit)
    return found


@settings(max_examples=200, deadline=None)
@given(ANSWERS)
def test_the_limit_is_never_below_one_nor_above_the_highest(
    answers: list[tuple[Outcome, float, int]],
) -> None:
    assert all(1 <= limit <= MAX_LIMIT for limit in limits_of(answers))


def test_a_server_that_refuses_everything_is_asked_one_by_one() -> None:
    refusals: list[tuple[Outcome, float, int]] = [("refused", 0.01, 0)] * 100
    assert limits_of(refusals)[-1] == 1
    assert min(limits_of([("succeeded", 0.1, 0), *refusals])) == 1
