"""What a server answered last within an attempt: the transport knows it, and the retry loop tells.

Between the two lie client libraries, which hand nothing through; so it goes by the context.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final, Self, final

__all__ = ["Answers", "answered"]


@final
class Answers:
    """Hears of the answers that come within its body, and not within an inner one's."""

    __slots__ = ("_outer", "status")

    def __init__(self) -> None:
        self.status: int | None = None
        """Of the last one; None: none came, or what answers has no such thing."""

    def __enter__(self) -> Self:
        self._outer: Token[Answers | None] = _hearing.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _hearing.reset(self._outer)


_hearing: Final[ContextVar[Answers | None]] = ContextVar("answers", default=None)


def answered(status: int) -> None:
    """A server has answered with this status of HTTP."""
    hearing = _hearing.get()
    if hearing is not None:
        hearing.status = status
