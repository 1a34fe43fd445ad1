"""How many rejected records a run may have before it fails with QUAL001."""

from __future__ import annotations

from typing import Final, final

from bronze_engine.config.quality import Quality
from bronze_engine.errors import QualityError
from bronze_engine.model.block import Reject

__all__ = ["KEPT_REJECTS", "SliceCount", "Threshold"]

KEPT_REJECTS: Final = 100_000
"""Rejected records past this are counted and no longer kept, and the run then fails."""


@final
class Threshold:
    """Counts accepted and rejected records over all slices of a run.

    The messages end with what is given: `look` is the command that lists the rejected records of
    the failed run, and `kept_at` the path where they lie (None where nothing keeps them); `mend`
    is where the fault may lie, and `of` whose the records are, where that is not the whole run.
    """

    def __init__(
        self,
        quality: Quality,
        *,
        look: str | None = None,
        kept_at: str | None = None,
        mend: str = "the source, [schema] or the rules",
        of: str = "",
    ) -> None:
        self._mend = mend
        self._of = of
        self._ratio = quality.max_bad_ratio
        self._rows = quality.max_bad_rows
        if self._rows is None and self._ratio is None:
            self._rows = 0
        self._look = look
        self._kept_at = kept_at
        self._first: Reject | None = None
        self.accepted = 0
        self.rejected = 0

    def count(self, accepted: int, rejects: tuple[Reject, ...]) -> None:
        """Count one group."""
        self.accepted += accepted
        self.rejected += len(rejects)
        if rejects and self._first is None:
            self._first = rejects[0]

    def reset(self) -> None:
        """Forget everything: the run reads all of it again."""
        self.accepted = self.rejected = 0
        self._first = None

    def check(self) -> None:
        """Raise QualityError as soon as the run can't succeed any more."""
        if self._rows is not None and self.rejected > self._rows:
            raise self._error(f"more than quality.max_bad_rows = {self._rows}")
        if self.rejected > KEPT_REJECTS:
            raise self._error(f"more than any run may reject ({KEPT_REJECTS})")

    def finish(self) -> None:
        """Raise QualityError where the share of rejected records is too high."""
        self.check()
        seen = self.accepted + self.rejected
        if self._ratio is not None and seen and self.rejected / seen > self._ratio:
            share = f"{self.rejected / seen:.4f} of {seen}"
            raise self._error(f"{share}, more than quality.max_bad_ratio = {self._ratio}")

    def _error(self, why: str) -> QualityError:
        first = self._first
        example = f" The first: {first.reason} ({_place(first)})." if first is not None else ""
        is_hopeless = self.rejected > KEPT_REJECTS
        them = f"the first {KEPT_REJECTS}" if is_hopeless else "them"
        look = "" if self._look is None else f"`{self._look}` lists {them}; "
        hint = "" if is_hopeless else ", or raise the limit"
        kept = "" if self._kept_at is None else f". They are kept at {self._kept_at}"
        return QualityError(
            f"{self.rejected} records were rejected{self._of}, {why}; nothing was committed."
            f"{example} {look}mend {self._mend}{hint}{kept}",
            rejected=self.rejected,
        )


@final
class SliceCount:
    """What one reading of one slice adds to the counts of its run."""

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self.accepted = 0
        self.rejected = 0

    def add(self, accepted: int, rejects: tuple[Reject, ...]) -> None:
        """Count one group."""
        self._threshold.count(accepted, rejects)
        self.accepted += accepted
        self.rejected += len(rejects)

    def withdraw(self) -> None:
        """Forget this reading: the slice is read again."""
        self._threshold.accepted -= self.accepted
        self._threshold.rejected -= self.rejected
        self.accepted = self.rejected = 0


def _place(reject: Reject) -> str:
    if reject.file is None:
        return f"page {reject.page}, record {reject.offset}"
    return f"{reject.file}, " + (
        f"record {reject.offset}" if reject.line is None else f"line {reject.line:,}"
    )
