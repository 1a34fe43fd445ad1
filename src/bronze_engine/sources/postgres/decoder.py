"""What makes record batches of a COPY's blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.contracts import Decoded
from bronze_engine.model.arrow import Array, DataType
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from bronze_engine.model.types.row_text import Origin, printed_rejects
from bronze_engine.model.window import CursorType
from bronze_engine.sources.copy_binary.batch import CopyBinary
from bronze_engine.sources.copy_binary.framing import BrokenFraming
from bronze_engine.sources.postgres.framing import Framing

__all__ = ["GROUP_BYTES", "Mark", "PostgresDecoder", "is_ordered_as"]

GROUP_BYTES: Final = 2 * 1024**2
"""Some hundred calls of numpy a group, whatever its size: with groups of 1 MiB a run over lineitem
takes a seventh more CPU, and with 4 MiB they no longer fit the caches (measured)."""

_ORDERED: Final[dict[CursorType, tuple[Callable[[DataType], bool], ...]]] = {
    "timestamp": (pa.types.is_timestamp,),
    "date": (pa.types.is_date,),
    "integer": (pa.types.is_integer, pa.types.is_decimal),
    "text": (pa.types.is_string,),
    "xid8": (pa.types.is_integer, pa.types.is_decimal),
}


def is_ordered_as(kind: DataType, cursor_type: CursorType) -> bool:
    """Whether values of an Arrow type compare as the cursor's do."""
    return any(fits(kind) for fits in _ORDERED[cursor_type])


@final
class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The watermark that a window leaves, and what tells its late rows."""

    high: str
    low: str | None = None
    """Rows below it count as late; None where none are read."""
    is_low_late: bool = True
    """Whether those at it do, too."""
    column: str | None = None
    """What the cursor lands as; None where it does not."""


@final
class PostgresDecoder:
    """Decodes whole rows. Its layout is fixed: whatever rows come, they land as it says."""

    def __init__(
        self, rows: CopyBinary, layout: Layout, mark: Mark | None, framing: Framing
    ) -> None:
        self._rows: Final = rows
        self._layout: Final = layout
        self._mark: Final = mark
        self._framing: Final = framing
        self._is_cut: Final = framing.is_cut
        self._low: Any = None
        if mark is not None and mark.low is not None and mark.column is not None:
            self._low = pa.scalar(mark.low).cast(layout.schema.field(mark.column).type)

    @property
    def least_group_bytes(self) -> int:
        return GROUP_BYTES

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:  # noqa: ARG002  # fixed
        """Decode one group.

        Raises SnapshotLost where its blocks are not whole rows: the next reading finds rows
        one after another, and what is none then is an ExtractError. Raises QualityError for
        values that may not land.
        """
        try:
            found = self._rows.decode([block.data for block in blocks if block.data])
        except BrokenFraming as exc:
            raise self._framing.fault(exc, was_cut=self._is_cut) from exc
        batch = found.batch
        if batch.num_columns:
            batch = pa.RecordBatch.from_arrays(batch.columns, schema=self._layout.schema)
        page = blocks[0].page if blocks else 0  # rows are found in all blocks together
        return Decoded(
            batch=batch,
            layout=self._layout,
            rejects=tuple(reject for block in blocks for reject in block.rejects),
            high=None if self._mark is None or not batch.num_rows else self._mark.high,
            late_rows=self._late_rows(batch),
            special_values=sum(found.specials.values()),
            refuse=partial(printed_rejects, batch, [Origin(page, 0, batch.num_rows)]),
        )

    def _late_rows(self, batch: pa.RecordBatch) -> int:
        if self._low is None or self._mark is None or self._mark.column is None:
            return 0
        is_late = pc.less_equal if self._mark.is_low_late else pc.less
        late: Array = is_late(batch.column(self._mark.column), self._low)
        return int(late.true_count)
