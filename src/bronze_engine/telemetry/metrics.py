"""Counts of one run. Written on the event loop only."""

from __future__ import annotations

from typing import final

__all__ = ["SourceTally"]


@final
class SourceTally:
    """What a source has done so far in one run."""

    def __init__(self) -> None:
        self.pages = 0
        self.requests = 0
        self.retries = 0
        self.bytes_in = 0
        """Response bodies as they came over the wire, before decompression."""
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        """Keep a warning for the report; the same one once."""
        if message not in self.warnings:
            self.warnings.append(message)
