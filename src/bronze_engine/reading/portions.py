"""The rows of a dataset, a portion of them in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from bronze_engine.model.manifest import Manifest

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["batches_of"]

PORTION: Final = 4
"""Row groups, or small files, that are in memory at once: 64 MiB by default, decoded."""
SMALL_BYTES: Final = 2 * 1024**2
SMALL_ROWS: Final = 131_072
"""A file below both is read whole: to know its row groups would cost a request."""


def batches_of(
    dataset: ds.FileSystemDataset,
    manifest: Manifest,
    columns: list[str] | None,
    filter: ds.Expression | None,  # noqa: A002  # what Arrow calls it
) -> Iterator[pa.RecordBatch]:
    """The rows in the manifest's order.

    Nothing goes on between two portions: a scanner of Arrow's reads ahead of a consumer
    that is slow, and took 2.4 GB for a file of 0.96 GB (measured).
    """
    pieces = _pieces(dataset, manifest, filter)
    while portion := list(islice(pieces, PORTION)):
        part = type(dataset)(portion, dataset.schema, dataset.format, dataset.filesystem)
        yield from part.to_table(columns=columns, filter=filter).to_batches()


def _pieces(
    dataset: ds.FileSystemDataset,
    manifest: Manifest,
    filter: ds.Expression | None,  # noqa: A002
) -> Iterator[Any]:
    for fragment, file in zip(dataset.get_fragments(), manifest.files, strict=True):
        if file.size_bytes <= SMALL_BYTES and file.row_count <= SMALL_ROWS:
            yield fragment
        else:
            yield from fragment.split_by_row_group(filter, schema=dataset.schema)
