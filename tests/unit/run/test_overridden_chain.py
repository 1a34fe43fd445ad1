"""Days, re-runs in any order, watermarks set by hand: no row moves that nobody moved."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.upkeep.test_state import Shop

pytestmark = pytest.mark.unit


class Turn(NamedTuple):
    """Rows are written; perhaps the watermark is moved; the next date is run, or one again."""

    rows: int
    moved: int | None
    again: int | None


turns = st.builds(
    Turn,
    st.integers(0, 4),
    st.one_of(st.none(), st.none(), st.integers(-6, 4)),
    st.one_of(st.none(), st.integers(0, 5)),
)


async def play(folder: Path, steps: list[Turn]) -> None:
    shop = Shop(folder)
    await shop.run(rows=3)
    may_be_twice: set[int] = set()
    may_be_missing: set[int] = set()
    for rows, by, again in steps:
        if by is not None:
            was = (await shop.show()).newest
            assert was is not None
            assert was.watermark is not None
            high = int(was.watermark.high or 0)
            value = max(0, high + by)
            await shop.set(str(value), force=True)
            may_be_twice.update(range(value + 1, high + 1))
            may_be_missing.update(range(high + 1, value + 1))
        await shop.run(None if again is None else again % shop.days, rows=rows)
    newest = await shop.run(rows=1)
    assert newest.watermark is not None
    found: Counter[int] = Counter()
    for number in range(shop.days):
        found.update(await shop.ids(number))
    ended = max(int(newest.watermark.high or 0), *found, 0)
    assert {at for at in range(1, ended + 1) if not found[at]} <= may_be_missing
    assert {at for at, count in found.items() if count > 1} <= may_be_twice


@settings(max_examples=60, deadline=None)
@given(st.lists(turns, min_size=1, max_size=6))
def test_no_row_is_lost_or_comes_twice_but_those_that_a_person_moved_past(
    steps: list[Turn],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), steps))
