"""Numbers take no more room than their column has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bronze_engine.cli.display.columns import shortened
from bronze_engine.cli.display.numbers import SIZE_WIDTH, count, duration, memory, speed, tokens
from bronze_engine.cli.printing.text import size

pytestmark = pytest.mark.unit


@given(st.integers(0, 10**13))
def test_they_fit(number: int) -> None:
    assert len(count(number)) <= 9
    assert len(size(number)) <= SIZE_WIDTH
    assert len(speed(min(number, 10**9))) <= 7
    assert len(duration(number)) <= 7
    assert len(tokens(min(number, 999_999))) <= 6


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (1_234_567, "1,234,567"),
        (9_999_999, "9,999,999"),
        (10_000_000, "10.0M"),
        (9_999_999_999, "10,000.0M"),
        (12_345_678_901, "12.3G"),
    ],
)
def test_counts(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0:00"),
        (59.6, "1:00"),
        (725, "12:05"),
        (3723, "1:02:03"),
        (43_500, "12h05m"),
        (363_600, "4d05h"),
        (10**9, ">999d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_speeds_and_memory() -> None:
    assert [speed(each) for each in (0, 999_999.4, 999_999.6)] == ["0", "999,999", "1.00M"]
    assert memory(130_000_000, 2 * 1024**3) == "124 of 2,048 MiB"
    assert [tokens(each) for each in (4.54, 1234.5)] == ["4.5", "1234"]


@given(st.text(st.characters(categories=["L"]), max_size=50), st.integers(0, 60))
def test_names_keep_both_ends(text: str, width: int) -> None:
    short = shortened(text, width)
    assert len(short) == min(len(text), width)
    if 3 <= width < len(text):
        head, tail = short.split("…")
        assert text.startswith(head)
        assert text.endswith(tail)
