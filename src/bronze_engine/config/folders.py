"""The folders of all pipelines of a file: which of them lie upon, or within, each other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, final

import msgspec

__all__ = ["Claim", "Folders"]


class Claim(msgspec.Struct, frozen=True):
    """A folder below a pipeline's target that it writes to."""

    pipeline: str
    folder: str
    target: Any
    """As the file has it, unexpanded."""
    is_table: bool
    """A curated table's; else that of the partitions."""


@final
class Folders:
    """Claims by their folders: thousands of pipelines are each looked up in a moment."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._claims: dict[str, list[Claim]] = {}
        for claim in claims:
            self._claims.setdefault(claim.folder, []).append(claim)
        self._sorted = sorted(self._claims)

    def upon(self, folder: str) -> Iterator[Claim]:
        """Claims to this folder, one around it, or one within it."""
        parts = folder.split("/")
        for depth in range(1, len(parts) + 1):
            yield from self._claims.get("/".join(parts[:depth]), ())
        within = f"{folder}/"
        for place in range(bisect_left(self._sorted, within), len(self._sorted)):
            if not self._sorted[place].startswith(within):
                return
            yield from self._claims[self._sorted[place]]
