"""Whose turn it is: places for the runs of a batch, fair between limit groups.

At most `max_parallel` runs hold a place. The next place goes to the limit group with the
fewest runs under way, and within it in the order of asking, so a slow API keeps no other
waiting. A run of which nothing is heard for SILENT_SECONDS (its server hangs, has asked for a
pause, its breaker is open) is set aside where another group could use its place: it goes on,
its place is given away, and its memory lent until it has rows. Its group is then out of favour
until one of its runs is heard of again: meanwhile its runs begin aside, a few at a time, or in
places that nobody else wants.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Final, Literal, final

from bronze_engine.clock import Clock
from bronze_engine.flow import Reservation

__all__ = ["SILENT_SECONDS", "Places", "Sign", "Turn"]

SILENT_SECONDS: Final = 1.0
"""Most requests are answered by then; a run that is set aside too early loses nothing."""

BEGUN_ASIDE: Final = 2
"""Runs of a silent group that are tried at once, beside the places. One would do to find out
whether its server is back; the second goes on while the first is at its last attempt."""

Sign = Literal["work", "step", "memory"]
"""What is heard of a run: its source has given something, it goes on without that, or it waits
for memory."""


@final
class Turn:
    """One run of a batch: where it stands, and when something was last heard of it."""

    def __init__(self, number: int, group: str) -> None:
        self.number = number
        """Its place in the order of asking."""
        self.group = group
        self.heard_at = 0.0
        self.is_aside = False
        self.waits_for_memory = False
        """Silent because of the others: setting it aside would help nobody."""
        self._memory: Reservation | None = None

    def admit(self, memory: Reservation) -> None:
        """Memory was set aside for it; one that is aside lends that."""
        self._memory = memory
        if self.is_aside:
            memory.lend()

    @property
    def has_lent(self) -> bool:
        return self._memory is not None and self._memory.is_lent

    def set_aside(self) -> None:
        self.is_aside = True
        if self._memory is not None:
            self._memory.lend()

    def __lt__(self, other: Turn) -> bool:
        return self.number < other.number


@final
class _Group:
    """The runs of one limit group that are ready, and those that are under way."""

    def __init__(self) -> None:
        self.ready: list[Turn] = []
        self.under_way = 0
        self.aside = 0
        self.is_silent = False
        """Since a run of it was set aside, until one of it is heard of again."""


@final
class Places:
    """Who holds a place, who waits for one, and who was set aside.

    Under way are at most 2 x `max_parallel` - 1 runs; with 1 there is never a second one.
    """

    def __init__(self, max_parallel: int, clock: Clock) -> None:
        self._max_parallel = max_parallel
        self._most_aside = max_parallel - 1
        self._most_of_group = max_parallel // 2
        self._clock = clock
        self._groups: dict[str, _Group] = {}
        self._ready: dict[_Group, None] = {}
        """Those that have runs ready, which may be few of thousands."""
        self._holding: set[Turn] = set()
        self._aside: set[Turn] = set()

    def add(self, turn: Turn) -> None:
        """Let it wait for its turn."""
        group = self._groups.setdefault(turn.group, _Group())
        heapq.heappush(group.ready, turn)
        self._ready[group] = None

    def clear(self) -> None:
        """Forget all who wait."""
        for group in self._ready:
            group.ready.clear()
        self._ready.clear()

    def take(self) -> Turn | None:
        """The run whose turn it is, which is under way from now on; None where nobody's is.

        While a run waits for memory no other begins: it would only wait behind it. What is
        silent then lends what it has.
        """
        if self._waits_for_memory():
            while (turn := self._silent_turn()) is not None:
                self._set_aside(turn)
            return None
        if len(self._holding) < self._max_parallel:
            group = self._next(is_silent=False) or self._next(is_silent=True)
            return None if group is None else self._begin(group)
        if next(self._wanting(is_silent=False), None) is None:
            return None
        if (turn := self._silent_turn()) is not None:
            self._set_aside(turn)
            return self.take()
        out_of_it = self._next(is_silent=True)
        if out_of_it is not None and self._may_begin_aside(out_of_it):
            turn = self._begin(out_of_it)
            self._set_aside(turn)
            return turn
        return None

    def hear(self, turn: Turn, sign: Sign) -> bool:
        """Something was heard of this run; returns whether `take` may know more now.

        One that was set aside has its place again with a sign of its source, and its group is
        in favour.
        """
        turn.heard_at = self._clock.monotonic()
        had_waited, turn.waits_for_memory = turn.waits_for_memory, sign == "memory"
        group = self._groups[turn.group]
        if sign == "work" and group.is_silent and (turn.is_aside or not group.aside):
            group.is_silent = False
            self._take_back(turn)
            return True
        return had_waited and not turn.waits_for_memory

    def leave(self, turn: Turn) -> None:
        """The run has ended."""
        self._take_back(turn)
        self._holding.discard(turn)
        self._groups[turn.group].under_way -= 1

    @property
    def look_in_seconds(self) -> float | None:
        """When `take` may know more although no run has ended; None: not before one has."""
        if len(self._holding) < self._max_parallel and not self._waits_for_memory():
            return None
        heard = min((turn.heard_at for turn in self._in_the_way()), default=None)
        if heard is None:
            return None
        return max(0.0, heard + SILENT_SECONDS - self._clock.monotonic())

    def _begin(self, group: _Group) -> Turn:
        turn = heapq.heappop(group.ready)
        if not group.ready:
            del self._ready[group]
        turn.heard_at = self._clock.monotonic()
        group.under_way += 1
        self._holding.add(turn)
        return turn

    def _set_aside(self, turn: Turn) -> None:
        group = self._groups[turn.group]
        turn.set_aside()
        group.is_silent = True
        group.aside += 1
        self._holding.discard(turn)
        self._aside.add(turn)

    def _take_back(self, turn: Turn) -> None:
        if turn.is_aside:
            turn.is_aside = False
            self._groups[turn.group].aside -= 1
            self._aside.discard(turn)
            self._holding.add(turn)

    def _next(self, *, is_silent: bool) -> _Group | None:
        """The group whose turn it is, of those in favour or of those out of it."""
        return min(
            self._wanting(is_silent=is_silent),
            key=lambda group: (group.under_way, group.ready[0].number),
            default=None,
        )

    def _wanting(self, *, is_silent: bool) -> Iterator[_Group]:
        """The groups that have runs ready, of those in favour or of those out of it."""
        for group in self._ready:
            if group.is_silent is is_silent:
                yield group

    def _silent_turn(self) -> Turn | None:
        """The run that has been silent longest, of those in the way of others."""
        until = self._clock.monotonic() - SILENT_SECONDS
        silent = (turn for turn in self._in_the_way() if turn.heard_at <= until)
        return min(silent, key=lambda turn: (turn.heard_at, turn.number), default=None)

    def _in_the_way(self) -> Iterator[Turn]:
        """The runs whose place, or whose memory, would be another group's, were they silent."""
        first_two = list(islice(self._wanting(is_silent=False), 2))
        for turn in self._holding:
            group = self._groups[turn.group]
            if turn.waits_for_memory or not self._may_set_aside(group):
                continue
            wants_place = any(other is not group for other in first_two)
            if wants_place or self._waits_for_memory(but=turn.group):
                yield turn

    def _waits_for_memory(self, *, but: str | None = None) -> bool:
        """Whether a run waits for memory, of whichever group but this one."""
        return any(
            turn.waits_for_memory and turn.group != but for turn in (*self._holding, *self._aside)
        )

    def _may_begin_aside(self, group: _Group) -> bool:
        """Only while those that are aside take next to no memory from the others."""
        return (
            self._may_set_aside(group)
            and group.aside < BEGUN_ASIDE
            and all(turn.has_lent for turn in self._aside)
        )

    def _may_set_aside(self, group: _Group) -> bool:
        return len(self._aside) < self._most_aside and group.aside < self._most_of_group
