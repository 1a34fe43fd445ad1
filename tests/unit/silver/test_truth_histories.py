"""Whatever happens to Bronze, and in whatever order Silver runs: the table is the oracle's.

2,160 lives in all, through `Engine.silver` and its stores, files and commits.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .histories import Pattern, histories
from .life import live

pytestmark = [pytest.mark.unit, pytest.mark.slow]

PATTERNS: Final = tuple(
    Pattern(load=load, history=history, deletes=deletes)
    for load in ("full", "incremental", "cdc")
    for history in ("current", "full")
    for deletes in ("ignore", "tombstone", "hard")
) + tuple(
    Pattern(load=load, kind="event", has_keys=has_keys)
    for load in ("full", "incremental", "cdc")
    for has_keys in (True, False)
    if has_keys or load != "cdc"  # changes have a primary key, and so has their table
)
EXAMPLES: Final = 80
"""Of each pattern; a quarter as many in which dates vanish."""


def play(folder: Path, pattern: Pattern, examples: int, *, removes: bool = False) -> None:
    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def lives(data: st.DataObject) -> None:
        history = data.draw(histories(pattern, removes=removes))
        place = Path(tempfile.mkdtemp(dir=folder))
        try:
            asyncio.run(live(place, history))
        finally:
            shutil.rmtree(place)

    lives()


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_the_table_is_a_function_of_what_counts(tmp_path: Path, pattern: Pattern) -> None:
    play(tmp_path, pattern, EXAMPLES)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_dates_that_retention_takes_stay_in_the_table(tmp_path: Path, pattern: Pattern) -> None:
    play(tmp_path, pattern, EXAMPLES // 8, removes=True)
