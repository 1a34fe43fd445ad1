"""What comes after what in a batch, date by date."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import final

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.plan.window import is_chained, is_dated

__all__ = ["Ended", "Key", "Order", "plan_order"]

Key = tuple[str, date]
"""A pipeline and a date: one run."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from the end of one run."""

    ready: tuple[Key, ...] = ()
    """Runs that may begin now."""
    skipped: tuple[tuple[Key, Key], ...] = ()
    """Runs that never will, each with the run before it that keeps it from that."""


@final
class Order:
    """Which runs may begin, and which never can.

    A run waits for those that it `needs`, which must commit, and for those that it `follows`,
    which only must have ended. Neither may lead in a circle.
    """

    def __init__(
        self,
        runs: Iterable[Key],
        *,
        needs: Mapping[Key, Iterable[Key]],
        follows: Mapping[Key, Iterable[Key]],
    ) -> None:
        self._needs = {key: frozenset(needs.get(key, ())) for key in runs}
        self._waits = {
            key: set(needed.union(follows.get(key, ()))) for key, needed in self._needs.items()
        }
        self._behind: dict[Key, list[Key]] = {key: [] for key in self._waits}
        for key, before in self._waits.items():
            for each in before:
                self._behind[each].append(key)

    @property
    def ready(self) -> tuple[Key, ...]:
        """The runs that wait for nothing."""
        return tuple(key for key, before in self._waits.items() if not before)

    def end(self, key: Key, *, committed: bool) -> Ended:
        """Say that a run has ended. One that is skipped ends here, and what needs it with it."""
        ready: list[Key] = []
        skipped: list[tuple[Key, Key]] = []
        ended = [(key, committed)]
        while ended:
            before, stands = ended.pop()
            for behind in self._behind.pop(before, ()):
                waits = self._waits.get(behind)
                if waits is None:  # skipped already
                    continue
                waits.discard(before)
                if not stands and before in self._needs[behind]:
                    del self._waits[behind]
                    skipped.append((behind, before))
                    ended.append((behind, False))
                elif not waits:
                    ready.append(behind)
        return Ended(ready=tuple(ready), skipped=tuple(skipped))


def plan_order(
    runs: Sequence[Key], pipelines: Mapping[str, Pipeline], *, full_refresh: Collection[str]
) -> tuple[Order, frozenset[Key]]:
    """The order of these runs, and those of them that are a full refresh, which the pipelines
    that `full_refresh` names are read with.

    A run needs those of its date that its pipeline comes after, as far as they are among
    `runs`. The dates of a chain follow each other, and as in a backfill one that fails keeps no
    later one from being run: that one takes up what the failed one has not landed. Of a full
    refresh one date begins the epoch that the pipeline's others join, so they need it: the first
    of a chain, the newest where dates depend on none.
    """
    known = frozenset(runs)
    days: dict[str, list[date]] = {}
    for name, day in runs:
        days.setdefault(name, []).append(day)
    needs: dict[Key, set[Key]] = {key: set() for key in runs}
    follows: dict[Key, set[Key]] = {}
    refreshing = {key for key in runs if key[0] in full_refresh}
    for name, pipeline in pipelines.items():
        dates = sorted(days.get(name, ()))
        for day in dates:
            before = {(other, day) for other in pipeline.after}
            needs[name, day] |= before & known
        if is_chained(pipeline):
            for earlier, later in pairwise(dates):
                follows[name, later] = {(name, earlier)}
        if name in full_refresh and dates and pipeline.incremental is not None:
            lead = dates[-1] if is_dated(pipeline) else dates[0]
            joining = {(name, day) for day in dates if day != lead}
            refreshing -= joining
            for key in joining:
                needs[key].add((name, lead))
    return Order(runs, needs=needs, follows=follows), frozenset(refreshing)
