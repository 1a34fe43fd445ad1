"""What one slice left in the stores."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError
from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.landed_file import LandedFile
from bronze_engine.model.layout import Layout
from bronze_engine.model.part import Staged
from bronze_engine.quality.duplicates import Repeats
from bronze_engine.quality.quarantine import Kept

__all__ = ["Landed", "discard", "last_layout"]

log = logging.getLogger(__name__)


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """What one slice left in the stores, whole and invisible."""

    index: int
    """The slice's place in the plan."""
    files: tuple[Staged, ...]
    rejects: Kept | None
    layout: Layout | None
    """None where the slice had no record."""
    high: str | None
    late_rows: int
    later_rows: int
    special_values: int = 0
    pages: tuple[Staged, ...] = ()
    """Files of captured pages."""
    sources: tuple[LandedFile, ...] = ()
    """The files that the slice has read, where its source reads files."""
    changes: ChangeCounts = ChangeCounts()
    """What the rows did, where they are changes."""
    repeats: Repeats = Repeats()
    """Rows whose key came before."""
    rules: tuple[bytes, ...] = ()
    """What each of `quality.rules` has seen, in their order."""
    accepted: int = 0
    rejected: int = 0
    """What it has added to the counts of the run's threshold."""

    @property
    def rows(self) -> int:
        return sum(staged.file.row_count for staged in self.files if staged.file is not None)

    @property
    def committed(self) -> tuple[Staged, ...]:
        """What the commit makes visible."""
        rejects = () if self.rejects is None else (self.rejects.committed,)
        return (*self.files, *rejects, *self.pages)

    async def discard(self, target: Store, state: Store) -> None:
        """Remove all of it; what the store refuses to remove is left to the next run's reap."""
        await discard(target, self.committed)
        await self.discard_rejected(state)

    async def discard_rejected(self, state: Store) -> None:
        """Remove the rejected records that only a failed run keeps."""
        if self.rejects is not None:
            await discard(state, [self.rejects.failed])


def last_layout(landed: Sequence[Landed]) -> Layout | None:
    """The layout that the last slice with records has ended with; None where no slice had one."""
    return next((each.layout for each in reversed(landed) if each.layout), None)


async def discard(store: Store, files: Sequence[Staged]) -> None:
    """Remove staged files; one that the store refuses to remove is told."""
    for staged in files:
        try:
            await store.discard(staged)
        except BronzeError as exc:
            log.warning("%s was not removed, and is left to the next run: %s", staged.key, exc)
