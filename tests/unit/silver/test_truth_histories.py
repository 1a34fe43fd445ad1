"""Whatever happens to Bronze, and in whatever order Silver runs: the table is the oracle's.

2,070 lives in all, through `Engine.silver` and its stores, files and commits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from .histories import Pattern
from .life import play

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
PARTS: Final = 4
EXAMPLES: Final = 20
"""Of each part of each pattern; half as many in which dates vanish."""
MODES: Final = {"append", "recompute", "rebuild"}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_the_table_is_a_function_of_what_counts(
    tmp_path: Path, pattern: Pattern, part: int
) -> None:
    modes = play(tmp_path, pattern, EXAMPLES, part=part)
    assert modes == MODES, "or the lives say nothing of merges"


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_dates_that_retention_takes_stay_in_the_table(tmp_path: Path, pattern: Pattern) -> None:
    play(tmp_path, pattern, EXAMPLES // 2, removes=True)
