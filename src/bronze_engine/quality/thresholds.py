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

    `kept_at` is the path that the messages give: where the rejected records can be read
    after the run has failed, `mend` where they say that the fault may lie, `of` whose the records
    are, where that is not the whole run.
    """

    def __init__(
        self,
        quality: Quality,
        kept_at: str,
        mend: str = "the source or [schema]",
        *,
        of: str = "",
    ) -> None:
        self._mend = mend
        self._of = of
        self._ratio = quality.max_bad_ratio
        self._rows = quality.max_bad_rows
        if self._rows is None and self._ratio is None:
            self._rows = 0
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
        kept = f"The first {KEPT_REJECTS} are" if is_hopeless else "They are"
        hint = "" if is_hopeless else ", or raise the limit"
        return QualityError(
            f"{self.rejected} records were rejected{self._of}, {why}; nothing was committed."
            f"{example} {kept} kept with their reasons at {self._kept_at}; mend {self._mend}{hint}"
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
