"""The curated tables of a batch: each is made once, after the last date of its pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import final

from bronze_engine.batch.order import Key
from bronze_engine.config.config import Config
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchRun, BatchStatus

__all__ = ["Curation", "tables_of"]


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
