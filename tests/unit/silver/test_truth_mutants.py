"""The random lives fail where Silver is wrong: each of these faults is found by some of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from bronze_engine.silver import making, steps
from bronze_engine.silver.fold import versions as fold_versions
from bronze_engine.silver.fold import winners
from bronze_engine.silver.inputs import inputs
from bronze_engine.silver.merge import facts as merge_facts
from bronze_engine.silver.merge import merge

from .histories import Pattern
from .life import play
from .test_truth_histories import EXAMPLES, PARTS

pytestmark = [pytest.mark.unit, pytest.mark.slow]

Plant = Callable[[pytest.MonkeyPatch], None]


def rewritten(module: Any, name: str, old: str, new: str) -> Plant:
    """SQL that a function returns, or that a constant is, with a piece of it replaced."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        whole = getattr(module, name)
        if isinstance(whole, str):
            assert old in whole
            monkeypatch.setattr(module, name, whole.replace(old, new))
            return

        def wrong(*args: Any, **more: Any) -> str:
            sql: str = whole(*args, **more)
            assert old in sql
            return sql.replace(old, new)

        monkeypatch.setattr(module, name, wrong)

    return plant


def raises_the_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys below `_deleted/` are not looked at."""
    known = merge_facts.known_of

    def wrong(shape: Any, rows: str, _departed: str | None, keys: str, **more: Any) -> str:
        return known(shape, rows, None, keys, **more)

    monkeypatch.setattr(merge, "known_of", wrong)


def takes_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of the generation before stays beside what is landed again."""
    plan = merge.plan_merge

    async def wrong(
        database: Any, shape: Any, held: Any, news: merge.News, *rest: Any, **more: Any
    ) -> Any:
        forgotten = msgspec.structs.replace(news, back=())
        return await plan(database, shape, held, forgotten, *rest, **more)

    monkeypatch.setattr(making, "plan_merge", wrong)


def sees_nothing_landed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    select = inputs.select

    def wrong(*args: Any, **more: Any) -> Any:
        return msgspec.structs.replace(select(*args, **more), relanded=())

    monkeypatch.setattr(steps, "select", wrong)


def lets_vanished_keys_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full history of snapshots is made as if none had lacked a key."""
    plan = merge.plan_merge

    async def wrong(
        database: Any, shape: Any, held: Any, news: merge.News, *more: Any, **named: Any
    ) -> Any:
        blind = msgspec.structs.replace(news, snapshots=())
        return await plan(database, shape, held, blind, *more, **named)

    monkeypatch.setattr(making, "plan_merge", wrong)


UPDATES: Final = Pattern(load="incremental")
VERSIONS: Final = Pattern(load="incremental", history="full")
MUTANTS: Final[dict[str, tuple[Pattern, Plant]]] = {
    "the earlier row of a tie": (UPDATES, rewritten(winners, "descending", "nth DESC", "nth ASC")),
    "the earlier file of a tie": (
        UPDATES,
        rewritten(winners, "descending", "part DESC", "part ASC"),
    ),
    "the earlier date of a tie": (
        UPDATES,
        rewritten(winners, "descending", "landed DESC", "landed ASC"),
    ),
    "NULL is the newest": (
        UPDATES,
        rewritten(winners, "descending", "moment DESC NULLS LAST", "moment DESC NULLS FIRST"),
    ),
    "NULL keys differ": (
        UPDATES,
        rewritten(merge_facts, "same_keys", "IS NOT DISTINCT FROM", "="),
    ),
    "a version for each record": (
        Pattern(load="full", history="full"),
        rewritten(fold_versions, "_IS_NEWS", "OR NOT (dead OR repeats)", "OR TRUE"),
    ),
    "a moment has its oldest version": (
        VERSIONS,
        rewritten(fold_versions, "descending", "landed DESC", "landed ASC"),
    ),
    "vanished keys live": (
        Pattern(load="full", history="full", deletes="tombstone"),
        lets_vanished_keys_live,
    ),
    "the dead are raised": (Pattern(load="cdc", deletes="hard"), raises_the_dead),
    "the dead of a history are raised": (
        Pattern(load="cdc", history="full", deletes="hard"),
        raises_the_dead,
    ),
    "what is landed again comes beside what was there": (UPDATES, takes_nothing_back),
    "what is landed again is not seen": (UPDATES, sees_nothing_landed_again),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pattern, plant = MUTANTS[name]
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        play_all(tmp_path, pattern)


def play_all(folder: Path, pattern: Pattern) -> None:
    """The very lives that judge Silver: what others would find counts for nothing."""
    for part in range(PARTS):
        play(folder, pattern, EXAMPLES, part=part)
