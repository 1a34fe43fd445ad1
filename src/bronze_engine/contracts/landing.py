"""What becomes of a slice's batches: rules judge their rows, encoders write files of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import pyarrow as pa

from bronze_engine.model.part import DataFile, Part
from bronze_engine.model.quality import RuleResult

__all__ = ["Encoder", "Rule"]

T_contra = TypeVar("T_contra", contravariant=True)


class Rule(Protocol):
    """One rule of `quality.rules`, with the state of one slice.

    Slices are merged in their order, before the commit: any split of the same rows gives the
    same result. Never in two threads at once.
    """

    def observe(self, batch: pa.RecordBatch, /) -> pa.BooleanArray | None:
        """Look at the next rows; returns which of them break the rule, None where none does.

        Raises QualityError where the rule can't be applied to the columns that there are.
        """
        ...

    def state(self) -> bytes:
        """All that was seen, for `merge`, in this process or after a resume in another."""
        ...

    def merge(self, state: bytes, /) -> None:
        """Add what the rule has seen in a later slice."""
        ...

    def finish(self) -> RuleResult: ...


class Encoder(Protocol[T_contra]):
    """One file each: `write` and `finish` are never called in two threads at once."""

    def write(self, item: T_contra, /) -> Sequence[Part]:
        """Encode one item and return the parts that are now full, in order."""
        ...

    def finish(self) -> tuple[Sequence[Part], DataFile]:
        """End the file: the last parts, and the file as the manifest will name it."""
        ...
