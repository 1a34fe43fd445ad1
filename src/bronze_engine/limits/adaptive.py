"""The search for the number of attempts in flight that a server can take.

It climbs by one with each success, which doubles the limit in each round trip (4 to 200 in
six), as TCP's slow start does, and stops when answers become slower, or are refused.

Slower: levels are compared, not absolute latencies. By Little's law throughput is the
number in flight over the latency, so raising the limit g times and seeing the latency rise
r times means g/r times the throughput. A raise is kept when it brought at least half of
what it could have brought; otherwise the level at which the old latency would hold, limit
x old / new, is just what the server can do at once (the gradient of Netflix's
concurrency-limits), and the raised level becomes the ceiling. Below a ceiling the search
goes on by halves (as TCP BIC does), and a level is judged by its second round: in the
first the change still works through. A ceiling that was reached is forgotten after a
while, since servers recover. There is no all-time minimum latency to compare with, as TCP
Vegas has it: deep pages are slower than the first ones, and that is no congestion. Where
the latency rises at an unchanged limit, the limit is halved for as long as the throughput
stays: then the requests only queued. Where the throughput falls with it, the server has
become slower for other reasons, and the limit goes back up.

Refused (429): a refusal comes back the same way as answers do, so the earlier attempts that
are still unanswered then are those that the server worked on when it refused: what it takes at
once. More were in flight when the refused one began, by the answers under way or unread by
a busy event loop: 8 to 20 of 100 on loopback. The last refusal of a burst tells it best, since
no other refused attempt counts as taken then. Each refusal silences the whole limit group
for half a second or more, so such a ceiling is tested again after 8.5 s of work, later and
later while it holds. A limit of concurrency refuses in the first round of a level, as soon as
all slots are filled; refusals after it, and soon again, speak of a limit of rate: then the
limit is halved for as long as that brings more than the pauses cost.
"""

from __future__ import annotations

from typing import Final, Literal, final

__all__ = ["INITIAL_LIMIT", "MAX_LIMIT", "Outcome", "Reason", "Search"]

Outcome = Literal["succeeded", "failed", "refused", "untold"]
"""Failed: 5xx, a timeout, a broken connection. Refused: asked to come back later (429). Untold:
cancelled, or another error, which says nothing of the load."""

Reason = Literal["start", "gain", "no_gain", "latency", "failures", "refused", "retest"]
"""Why a limit was chosen; `retest`: a ceiling has been there for long, and is tried again."""

INITIAL_LIMIT: Final = 4
MAX_LIMIT: Final = 200
"""Past this one process gains nothing: its own CPU is the limit at some 3,000 requests/s."""

_SHORTEST_SECONDS: Final = 1e-6
_BACKOFF: Final = 0.7
_CAUTIOUS_GROWTH: Final = 1.25
"""How a forgotten ceiling of latency is tested again."""
_LARGE_RAISE: Final = 1.5
_LATENCY_SHIFT: Final = 2.0
"""At an unchanged limit the latency may vary so much before it counts as rising."""
_STEADY: Final = 1.3
"""Latency of some answers over all before them up to which the limit goes on climbing."""
_LEAST_SAMPLE: Final = 8
"""Their number is half of the limit, and at least this; of the very first, the initial limit."""
_KEPT: Final = 0.9
"""Share of the throughput that must be left after the limit was halved: then it only queued."""
_LEAST_RESULTS: Final = 50
_FAILED_SHARE: Final = 0.05
"""More than that, and at least two: one failure in a window is chance, not load."""
_HOLD_WINDOWS: Final = 32
"""Windows at a ceiling of latency before it is forgotten."""
_HOLD_SECONDS: Final = 8.5
"""Work at a ceiling of refusals before is tested; longer with each test that fails."""
_HOLD_GROWTH: Final = 1.15
_LONGEST_HOLD_SECONDS: Final = 20.0
_RATE_BACKOFF: Final = 0.5
_RATE_STEP_SECONDS: Final = 4.0
"""Work at each level above a forgotten ceiling of rate: a server's bucket must first run dry."""
_REFUSED_SHARE: Final = 0.02
"""Refusals among the attempts up to the next one that are too many, whatever they cost."""
_WORTHWHILE: Final = 1.03
"""Less more than a level that held may be miscounted, which would cost another refusal."""
_REFUSAL_SECONDS: Final = 0.75
"""What a refusal costs: the pause of the whole group, between half a second and one."""


@final
class Search:
    """The limit that is being found. Decides without a clock or chance."""

    def __init__(self) -> None:
        self.limit = INITIAL_LIMIT
        self.reason: Reason = "start"
        self.is_wanted = False
        """Whether all slots were in use in this window; without demand nothing grows."""
        self._is_climbing = True
        self._cap = MAX_LIMIT
        """Where a climb waits: a test of a ceiling goes one further, and looks first."""
        self._begun = 0
        """Attempts so far. Each is known by its number, a level by the last one before it."""
        self._level_from = 0
        self._base_limit = INITIAL_LIMIT
        """The last level that was good, and its latency; None until it is measured."""
        self._base_seconds: float | None = None
        self._ceiling: int | None = None
        self._ceiling_of: Literal["latency", "refusals", "rate"] | None = None
        """What the last ceiling was met by, also when it is forgotten."""
        self._held_windows = 0
        self._worked_seconds = 0.0
        """Time in which the slots were in use, as the latencies tell it."""
        self._changed_seconds = 0.0
        """When the limit was last changed, in that time, but for its climbing."""
        self._cut_seconds = 0.0
        """When it was refused last."""
        self._cut_from = 0
        """The last attempt that began before that was seen: it may be refused for the same."""
        self._is_raised = True
        """Whether the limit was raised since."""
        self._refused = 0
        """How many were then refused."""
        self._is_of_number = False
        """Whether that was for too many at once."""
        self._unanswered: dict[int, None] = {}
        """The attempts in flight, in the order in which they began."""
        self._hold_seconds = _HOLD_SECONDS
        self._proved = 0
        """A level held for long below refusals: tests of the ceiling that fail lead back to it."""
        self._failed = self._succeeded = self._results = 0
        self._begin_level()

    def begin(self) -> int:
        """Count an attempt that begins now; the number is for `observe`."""
        self._begun += 1
        self._unanswered[self._begun] = None
        return self._begun

    def observe(self, number: int, seconds: float, outcome: Outcome, in_flight: int) -> bool:
        """Take one result in, of an attempt still among the `in_flight`.

        True when it changed the limit.
        """
        before = self.limit
        self._unanswered.pop(number, None)
        if outcome == "untold":
            if self._is_climbing and number > self._level_from:
                self._judge_sample(number, None)
            return False
        self._worked_seconds += seconds / max(1, in_flight)
        if outcome == "refused":
            self._refuse(number)
        elif number > self._level_from:
            self._results += 1
            if outcome == "failed":
                self._failed += 1
            else:
                self._succeeded += 1
                self._seconds += seconds
            if not self._is_climbing:
                self._judge_window()
            elif outcome == "failed":
                self._stop_climbing()
            else:
                self._judge_sample(number, seconds)
        if self._is_climbing and outcome == "succeeded" and in_flight >= self.limit < self._cap:
            self.limit += 1
            self._is_raised = True
        return self.limit != before

    def _climb(self, reason: Reason) -> None:
        self._is_climbing = True
        is_test = reason == "retest"
        self._cap = min(MAX_LIMIT, self.limit + 1) if is_test else MAX_LIMIT
        self.reason = reason
        self._begin_level(base_count=self._succeeded)

    def _judge_sample(self, number: int, seconds: float | None) -> None:
        """Compare the answers to the first attempts of the level with all before them.

        To the first attempts, because the quickest answers come first; None is of one that
        tells nothing.
        """
        if number > self._sample_until:
            return
        if seconds is None:
            self._sample -= 1
        else:
            self._first_succeeded += 1
            self._first_seconds += seconds
        count = self._first_succeeded
        if count < self._sample - self._sample // 8:  # a few may hang
            return
        if count:
            latency = max(_SHORTEST_SECONDS, self._first_seconds / count)
            base = self._base_seconds
            if base is not None and latency > _STEADY * base:
                self._stop_climbing()
                return
            weight = self._base_count / (self._base_count + count)
            self._base_seconds = latency if base is None else base + (latency - base) * (1 - weight)
            self._base_limit = self._level_limit
            self._cap = MAX_LIMIT
        self._begin_level(base_count=self._base_count + count)

    def _stop_climbing(self) -> None:
        """Judge where the limit is by a whole window, and what failed by the round that began."""
        failed = self._failed
        self._is_climbing = False
        self._begin_level()
        self._failed = failed
        self._results = self.limit if failed else 0

    def _begin_level(self, *, base_count: int = 0) -> None:
        self._level_from = self._begun
        self._level_limit = self.limit
        self._sample = max(_LEAST_SAMPLE, self.limit // 2) if base_count else INITIAL_LIMIT
        self._base_count = base_count
        self._sample_until = self._begun + self._sample
        self._first_succeeded = 0
        self._first_seconds = 0.0
        self._results = 0
        self._forget()

    def _forget(self) -> None:
        self._failed = self._succeeded = 0
        self._seconds = 0.0

    def _judge_window(self) -> None:
        if self._results < self.limit + max(_LEAST_RESULTS, self.limit):
            if self._results == self.limit:
                self._forget()  # the round in which the change of level still works through
            return
        level = self._level_from
        self._decide()
        if level == self._level_from:
            self._results = self.limit
            self._forget()
        self.is_wanted = False

    def _decide(self) -> None:
        """End a window: judge the present level, then choose the next."""
        raised_by = self.limit / self._base_limit
        if self._failed >= max(2, _FAILED_SHARE * (self._failed + self._succeeded)):
            # A level that was raised goes back to the last good one, which still worked.
            self._set_ceiling()
            limit = self._base_limit if raised_by > 1 else int(self.limit * _BACKOFF)
            self._rest(limit, "failures")
            return
        latency = max(_SHORTEST_SECONDS, self._seconds / self._succeeded)
        base = self._base_seconds
        if base is None or raised_by == 1:
            if base is not None and latency > base * _LATENCY_SHIFT:
                self._set_ceiling()
                self._base_seconds = latency
                self._move(self.limit // 2, "latency")
                return
        elif raised_by < 1:
            if raised_by * base / latency > _KEPT:  # as much in less: it was queueing
                self._base_limit, self._base_seconds = self.limit, latency
                self._move(self.limit // 2, "latency")
            else:
                self._move(self._base_limit, "gain")
            return
        elif raised_by * base / latency < 1 + (raised_by - 1) / 2:
            self._set_ceiling()
            # A base that was low by chance must not stay, so it is measured anew. A small change
            # drowns in noise; a large one tells how much the server can do at once, perhaps
            # less than the base, where that was measured before its queue had built up.
            estimate = max(self._base_limit // 2, round(self.limit * base / latency))
            self._rest(estimate if raised_by >= _LARGE_RAISE else self._base_limit, "no_gain")
            return
        self._base_limit, self._base_seconds = self.limit, latency
        if self.is_wanted:
            self._raise()

    def _set_ceiling(self) -> None:
        self._ceiling, self._ceiling_of = self.limit, "latency"
        self._held_windows = 0

    def _rest(self, limit: int, reason: Reason) -> None:
        """Go to a level and measure it anew."""
        self._move(limit, reason)
        self._base_limit, self._base_seconds = self.limit, None

    def _raise(self) -> None:
        if self._ceiling is not None:
            if self._ceiling - self.limit > max(1, self.limit // 10):
                self._move((self.limit + self._ceiling) // 2, "gain")
                return
            self._held_windows += 1
            if not self._is_held_for_long():
                return
            self._ceiling = None
        if self._ceiling_of is None:
            self._climb("gain")
        elif self._ceiling_of == "refusals":
            self._proved = self.limit
            self._climb("retest")
        elif self._ceiling_of == "latency" or self._is_held_for_long():
            self._proved = self.limit
            self._move(max(self.limit + 1, int(self.limit * _CAUTIOUS_GROWTH)), "retest")

    def _is_held_for_long(self) -> bool:
        if self._ceiling_of == "latency":
            return self._held_windows >= _HOLD_WINDOWS
        held_seconds = self._worked_seconds - self._changed_seconds
        return held_seconds >= (self._hold_seconds if self._ceiling else _RATE_STEP_SECONDS)

    def _move(self, limit: int, reason: Reason) -> None:
        limit = min(MAX_LIMIT, max(1, limit))
        if limit == self.limit:
            return
        self._is_raised = self._is_raised or limit > self.limit
        self.limit = limit
        self.reason = reason
        self._changed_seconds = self._worked_seconds
        self._begin_level()

    def _refuse(self, number: int) -> None:
        if number <= self._cut_from:
            self._refused += 1
            if self._is_of_number:
                self._settle(self._taken(number))
            return
        is_raised, self._is_raised = self._is_raised, False
        if not is_raised:
            self._proved = 0
        ceiling, slower = self.limit, self._slower()
        self._is_of_number = self._is_climbing or number <= self._level_from + self.limit
        if self._is_of_number:
            self._ceiling_of, limit = "refusals", self._taken(number)
        elif is_raised and self._ceiling_of == "rate":
            limit = self._proved or self._base_limit
        elif slower < self.limit:
            self._ceiling_of, limit = "rate", slower
        else:
            self._ceiling_of, limit = "refusals", max(1, self.limit - 1)
        if self._proved:
            self._hold_seconds = min(_LONGEST_HOLD_SECONDS, self._hold_seconds * _HOLD_GROWTH)
        self._refused = 1
        self._cut_from = self._begun
        self._cut_seconds = self._worked_seconds
        self._settle(limit, ceiling)

    def _taken(self, number: int) -> int:
        """How many the server worked on when it refused that attempt."""
        taken = max(1, sum(earlier < number for earlier in self._unanswered))
        return taken if taken > self._proved * _WORTHWHILE else self._proved

    def _slower(self) -> int:
        """Half of it, where refusals come so often that less in flight brings more."""
        lower = max(1, round(self.limit * _RATE_BACKOFF))
        worked = self._worked_seconds - self._cut_seconds
        share = worked / (worked + _REFUSAL_SECONDS)
        is_often = self._refused > _REFUSED_SHARE * (self._begun - self._cut_from)
        return lower if is_often or share * self.limit < lower else self.limit

    def _settle(self, limit: int, ceiling: int = 0) -> None:
        """Stay at what the server takes; one more is the ceiling, unless it is one of rate."""
        self._is_climbing = False
        self._ceiling = ceiling if self._ceiling_of == "rate" else limit + 1
        self.limit = self._base_limit = limit
        self._base_seconds = None
        self._changed_seconds = self._worked_seconds
        self.reason = "refused"
        self._begin_level()
