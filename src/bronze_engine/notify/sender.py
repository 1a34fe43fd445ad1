"""The contract of what sends messages."""

from __future__ import annotations

from typing import Protocol

from bronze_engine.notify.message import Message

__all__ = ["Sender"]


class Sender(Protocol):
    """Sends messages to one place, one at a time."""

    async def send(self, message: Message, /) -> None:
        """Send it; returns when it was taken. Raises BronzeError where it was not."""
        ...
