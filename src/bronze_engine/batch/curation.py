"""The curated tables of a batch: each is made once, after the last date of its pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Final, final

from bronze_engine.batch.order import Key
from bronze_engine.config.config import Config
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchRun, BatchStatus

__all__ = ["Curation", "check_curated", "listed", "tables_of"]


_SHOWN: Final = 10


def tables_of(config: Config, names: Iterable[str], *, with_wrong: bool = False) -> tuple[str, ...]:
    """Those of the pipelines that have a curated table.

    Of one whose configuration is wrong nobody knows: it says so when it is run, and is among these
    where nothing else of it is, `with_wrong`.
    """
    found: list[str] = []
    for name in names:
        try:
            has_table = config.pipeline(name).silver is not None
        except ConfigError:
            has_table = with_wrong
        if has_table:
            found.append(name)
    return tuple(found)


def check_curated(config: Config, names: Sequence[str], asked: Collection[str]) -> tuple[str, ...]:
    """Those of `names` that have no curated table, where one is to be made of each.

    Raises ConfigError where one of them was `asked` for by its own name, and where none of them
    has a table.
    """
    have = frozenset(tables_of(config, names, with_wrong=True))
    lacking = tuple(name for name in names if name not in have)
    wrong = [name for name in lacking if name in asked] or (lacking if not have else ())
    if wrong:
        add = f"add [pipelines.{wrong[0]}.silver] with unique_columns and order_by"
        raise ConfigError(
            f"{listed(wrong)}: no [silver], so there is no table to make; {add}"
            f"{'' if len(wrong) == 1 else ', and so for the others'}, or leave"
            f" {'it' if len(wrong) == 1 else 'them'} out"
        )
    return lacking


def listed(names: Sequence[str]) -> str:
    """As many names as a line of a log should have."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


@final
class Curation:
    """Which of these tables are due, and what has become of them.

    One whose pipeline has dates in the batch waits for them, and is skipped where none of them is
    committed: nothing new has landed.
    """

    def __init__(self, runs: Sequence[Key], tables: Collection[str], today: date) -> None:
        self._last: dict[str, date] = {}
        self._open: dict[str, int] = {}
        for name, day in runs:
            self._last[name] = max(day, self._last.get(name, day))
            self._open[name] = self._open.get(name, 0) + 1
        self.names = tuple(dict.fromkeys(tables))
        self._today = today
        self._landed: set[str] = set()
        self._results: dict[str, BatchRun] = {}

    def begin(self) -> tuple[str, ...]:
        """Those that wait for no date."""
        return tuple(name for name in self.names if name not in self._open)

    def end(self, name: str, *, committed: bool) -> bool:
        """A date of this pipeline has ended; returns whether its table is due."""
        self._open[name] -= 1
        if committed:
            self._landed.add(name)
        if self._open[name] or name not in self.names:
            return False
        if name in self._landed:
            return True
        why = "none of its dates was committed"
        self._results[name] = self.result(name, "skipped", f"{name} silver was not run: {why}")
        return False

    def keep(self, result: BatchRun) -> bool:
        """What has become of one; returns whether nothing was known of it."""
        is_news = result.pipeline not in self._results
        self._results[result.pipeline] = result
        return is_news

    def result(self, name: str, status: BatchStatus, error: str | None = None) -> BatchRun:
        """One that no run tells of."""
        day = self._last.get(name, self._today)
        return BatchRun(layer="silver", pipeline=name, run_date=day, status=status, error=error)

    @property
    def results(self) -> tuple[BatchRun, ...]:
        """In the order of asking; then those that only whoever made them knows of."""
        return tuple(
            self._results.get(name) or self.result(name, "left")
            for name in dict.fromkeys((*self.names, *self._results))
        )
