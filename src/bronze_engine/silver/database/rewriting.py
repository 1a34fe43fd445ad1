"""A Parquet file with types that DuckDB has not, as one that it reads exactly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.silver.database.types import carried, carrier, is_carried

__all__ = ["must_rewrite", "rewriting"]

_ROWS: Final = 65_536
"""Of a row group that is written, and held while it is; never more than of one that is read, for
its bytes are bounded."""


def must_rewrite(path: Path) -> bool:
    """Whether DuckDB can't read every column of the file exactly."""
    with pq.ParquetFile(path) as file:
        return any(is_carried(field.type) for field in file.schema_arrow)


def rewriting(path: Path, other: Path) -> Iterator[None]:
    """Write the rows of `path` to `other`, in order, a group of them a step."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        columns = [field.with_type(carrier(field.type)) for field in file.schema_arrow]
        with pq.ParquetWriter(other, pa.schema(columns), compression="lz4") as writer:
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(_ROWS, row_groups=[group]):
                    writer.write_batch(carried(batch))
                    yield
