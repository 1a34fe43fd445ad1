"""Blocks become batches: pure, in workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec
import pyarrow as pa

from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.model.text_rows import TextRows

__all__ = ["Decoded", "Decoder", "Refuse", "TextCaster", "TextTypes"]


Refuse = Callable[[Sequence[int], Sequence[str]], Sequence[Reject]]
"""Makes rejects of accepted rows: of their places in the batch, ascending, and of a reason for
each. Called in a worker, and only where a row has broken a rule."""


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one group of blocks."""

    batch: pa.RecordBatch
    """The accepted records in order, with exactly the columns of `layout`."""
    layout: Layout
    """The layout after this group; the same version as the one given unless it grew."""
    rejects: tuple[Reject, ...] = ()
    high: str | None = None
    """The highest cursor value among the accepted records, as the source wrote it."""
    late_rows: int = 0
    """Records received at or below the window's low; those at or below read_from are dropped."""
    special_values: int = 0
    """Values that their columns can't hold, landed as NULL or, as text, beside their column."""
    later_rows: int = 0
    """Records above the window's end, dropped: they belong to the next window."""
    refuse: Refuse | None = None
    """What knows each row's record, to its exact bytes; None where the source has no such record:
    a row is then kept as the JSON text of its columns."""


class Decoder(Protocol):
    """Pure and thread-safe: the result depends on its arguments alone."""

    @property
    def least_group_bytes(self) -> int:
        """What a group should have at the least, for its fixed cost not to count; 0 where the
        usual size will do."""
        ...

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        """Decode one group. `layout` is the fold so far; None for a slice's first group."""
        ...


TextTypes = Literal["text", "infer"]
"""What a column becomes whose type nobody names: text, or the type that its first values have,
where each of them can be printed again from it."""


class TextCaster(Protocol):
    """What decoders of texts (CSV, fixed-width, spreadsheets) have in common: the types of the
    columns, drift, and the layout. Pure and thread-safe, as a decoder is."""

    def cast(self, rows: TextRows, layout: Layout | None, /) -> Decoded:
        """The rows of one group as a batch of the layout, which grows by keys that are new.

        `layout` is the fold so far, as of `Decoder.decode`. Windows are the caller's: none is
        applied. Raises QualityError for drift under `on_drift = "fail"` and under
        `contract = "freeze"`.
        """
        ...
