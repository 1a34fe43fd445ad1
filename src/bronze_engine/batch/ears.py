"""What is heard of each run of a batch, from the events of its engine."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, final

from bronze_engine.batch.places import Sign, Turn
from bronze_engine.model.report import RunReport
from bronze_engine.telemetry.events import (
    BreakerChanged,
    ConcurrencyChanged,
    Event,
    PageFetched,
    RequestFinished,
    RequestRetried,
    RowsWritten,
    RunFinished,
    RunPhase,
)

__all__ = ["Ears"]

_SAYS_NOTHING: Final = (RequestRetried, BreakerChanged, ConcurrencyChanged)
"""A run that is refused, or waits, is not at work."""

_heard: Final[ContextVar[tuple[Ears, Turn] | None]] = ContextVar("heard", default=None)


@final
class Ears:
    """A hook that says which run it hears of.

    `on_sign` is told what is heard, `on_report` of the report at the end.

    Hooks are called by the tasks of the run that an event is of, and these have the context of
    the task that began it: events need not be told apart by names, which not all of them have,
    and of which two runs of one pipeline share the most. The runs of another batch of the same
    engine are not its own.
    """

    def __init__(
        self,
        *,
        on_sign: Callable[[Turn, Sign], None],
        on_report: Callable[[Turn, RunReport], None],
    ) -> None:
        self._on_sign = on_sign
        self._on_report = on_report

    def listen(self, turn: Turn) -> None:
        """What the current task does from now on is of this run."""
        _heard.set((self, turn))

    def __call__(self, event: Event, /) -> None:
        heard = _heard.get()
        if heard is None or heard[0] is not self or isinstance(event, _SAYS_NOTHING):
            return
        turn = heard[1]
        sign: Sign = "step"
        match event:
            case RequestFinished():
                if event.outcome != "succeeded":
                    return
                sign = "work" if event.group == turn.group else "step"
            case PageFetched() | RowsWritten():
                sign = "work"
            case RunPhase(phase="waiting for memory"):
                sign = "memory"
            case RunFinished():
                self._on_report(turn, event.report)
            case _:
                pass
        self._on_sign(turn, sign)
