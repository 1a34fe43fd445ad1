"""What all slices of one run have in common."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.source import captures_pages
from bronze_engine.contracts import Request, Resources, Store
from bronze_engine.decode.stamp import Stamps
from bronze_engine.flow import Reservation
from bronze_engine.model.manifest import Manifest
from bronze_engine.model.slice import Slice
from bronze_engine.quality.judge import RunRules
from bronze_engine.quality.thresholds import Threshold

__all__ = ["Job", "Written"]


class Written(msgspec.Struct):
    """Rows that a run has written so far, over all its slices: for what is told meanwhile."""

    rows: int = 0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a slice is landed with, and where to."""

    pipeline: Pipeline
    request: Request
    partition: str
    generation: int
    target: Store
    state: Store
    rejected_key: str
    """Where the state store keeps the rejected records of a run that failed for them: those of
    its first slice; `rejected_key_of` names the others'."""
    threshold: Threshold
    resources: Resources
    grace_seconds: Callable[[], float]
    written: Written
    replayed: Manifest | None = None
    """The manifest whose captured pages are decoded again, in place of a reading."""
    mended: Manifest | None = None
    """The manifest whose quarantine is decoded again, beside what it has landed."""
    rules: RunRules | None = None
    """None where there are none."""
    writer: str = ""
    """What names the files, where that is not the run itself but a resumption of it."""
    memory: Reservation | None = None
    """What was set aside for the run, where that may be lent until there are rows."""

    @property
    def keeps_pages(self) -> bool:
        """Whether captured pages are written: those of a replay lie there already."""
        is_read = self.replayed is None and self.mended is None
        return captures_pages(self.pipeline.source) and is_read

    def rejected_key_of(self, piece: Slice) -> str:
        """Each slice has a file of its own: one would overwrite the other."""
        if piece.index == 0:
            return self.rejected_key
        folder, _, name = self.rejected_key.rpartition("/")
        run, _, suffix = name.partition(".")
        return f"{folder}/{run}-{piece.index:05}.{suffix}"

    @property
    def stamps(self) -> Stamps:
        """The columns that are added to each row."""
        output, request = self.pipeline.output, self.request
        extracted_at = request.started_at if output.extracted_at else None
        if not output.load_columns:
            return Stamps(extracted_at=extracted_at)
        return Stamps(
            load_date=request.run_date,
            system=request.system,
            entity=request.entity,
            extracted_at=extracted_at,
        )
