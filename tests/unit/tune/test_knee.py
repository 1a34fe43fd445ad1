from __future__ import annotations

import pytest

from bronze_engine.tune.knee import clearly_better, has_flattened, knee
from bronze_engine.tune.report import Point

pytestmark = pytest.mark.unit


def point(
    label: str, low: float, high: float, *, refused: int = 0, fault: str | None = None
) -> Point:
    return Point(
        value=label,
        label=label,
        rows_per_second=(low + high) / 2,
        low=low,
        high=high,
        latency_seconds=0.1,
        cpu_seconds_per_million=1.0,
        requests=10,
        refused=refused,
        measured=2,
        fault=fault,
    )


def test_the_smallest_value_near_the_best_is_the_knee() -> None:
    points = [point("1", 90, 100), point("2", 180, 200), point("4", 370, 390), point("8", 380, 400)]
    assert knee(points).label == "4"


def test_a_disturbed_measurement_does_not_decide() -> None:
    points = [point("1", 90, 100), point("2", 20, 200), point("4", 150, 200)]
    assert knee(points).label == "2"


def test_a_value_that_was_refused_is_none_while_there_are_others() -> None:
    points = [point("1", 90, 100), point("2", 180, 200, refused=3)]
    assert knee(points).label == "1"
    points = [point("1", 90, 100, refused=9), point("2", 180, 200, refused=3)]
    assert knee(points).label == "2"


def test_a_value_with_a_fault_is_none() -> None:
    points = [point("1", 90, 100), point("2", 180, 200, fault="EXT001: no")]
    assert knee(points).label == "1"
    with pytest.raises(ValueError, match="no point"):
        knee(points[1:])


def test_what_lies_within_the_spread_is_no_gain() -> None:
    own = point("zstd", 90, 110)
    assert clearly_better([own, point("lz4", 100, 180)], "zstd").label == "zstd"
    assert clearly_better([own, point("lz4", 130, 180)], "zstd").label == "lz4"
    assert clearly_better([own, point("lz4", 130, 180, fault="no")], "zstd").label == "zstd"


@pytest.mark.parametrize(
    ("rates", "has_ended"),
    [
        ([1], False),
        ([1, 2, 4], False),
        ([1, 2, 2.0], False),
        ([2, 2, 2.05], True),
        ([1, 4, 3, 4.1], True),
        ([1, 4, 3, 4.5], False),
    ],
)
def test_an_ascent_ends_where_two_steps_bring_nothing(rates: list[float], has_ended: bool) -> None:
    assert has_flattened(rates) is has_ended
