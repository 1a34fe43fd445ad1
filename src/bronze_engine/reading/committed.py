"""What lies committed at one path of a target, a partition or a curated table, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeVar, final

import pyarrow as pa

from bronze_engine.model.manifest import Manifest
from bronze_engine.reading.files import Files
from bronze_engine.reading.handler import CommittedFiles
from bronze_engine.reading.head import first_rows
from bronze_engine.reading.partition import TRIES, Partition, Superseded
from bronze_engine.reading.statistics import ColumnStatistics, column_statistics

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["Committed"]

T = TypeVar("T")

HELD_FILES: Final = 256
"""Files of a directory that are open at once, at most; a process has 1,024 by default."""


@final
class Committed:
    """A partition, or a curated table. Made by `Reader`, and of use as long as that is.

    Every method looks at what is committed now, blocks, and may be called from any thread.
    They raise StateError where nothing is committed, StoreError and AuthError where the store
    fails.
    """

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._partition = Partition(files, path)

    @property
    def location(self) -> str:
        """Its whole path or URL, without secrets."""
        return self._files.location(self._partition.path)

    def manifest(self) -> Manifest:
        """What is committed."""
        return self._partition.manifest()

    def paths(self) -> tuple[str, ...]:
        """The whole URLs or paths of the committed files, in the manifest's order.

        All of them were there a moment ago; else it is StateError.
        """
        return self._of(self._partition.whole()).paths

    def dataset(self) -> ds.Dataset:
        """The committed files as a dataset of pyarrow's; no row of them is read yet.

        It has all columns, NULL where a file lacks one, and no rows where none were committed.
        A run that replaces it removes its files. A scan that meets that raises StateError,
        naming the new generation: open it again. It never ends with a part of the rows.
        """
        return self._dataset(is_held=False)[0]

    def table(
        self,
        *,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002  # what Arrow calls it
    ) -> pa.Table:
        """The rows of one generation: `columns` of them, those that pass `filter`.

        Where a run replaces it meanwhile, it is read anew; StateError when 20 runs have done
        that in a row.
        """
        names = None if columns is None else list(columns)

        def read() -> pa.Table:
            dataset, manifest = self._dataset(is_held=True)
            # What is invalid to Arrow may be the filter.
            with self._of(manifest).decoding():
                return dataset.to_table(columns=names, filter=filter)

        return self._until_won(read)

    def stream(
        self,
        *,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002
    ) -> pa.RecordBatchReader:
        """The same rows as batches, in the manifest's order, in bounded memory.

        At most 4 row groups (64 MiB by default) are held, however many rows there are and
        however slow their consumer. The first of them have been read when this returns; a
        race that was lost until then is run again. In a directory all files are open by
        then (256 at most), and no race can be lost any more; in an object store the
        stream ends with StateError when a later run has removed its files.
        """
        from bronze_engine.reading.portions import batches_of  # noqa: PLC0415  # imports pandas

        names = None if columns is None else list(columns)
        is_remote = not self._files.keeps_open

        def begin() -> pa.RecordBatchReader:
            dataset, manifest = self._dataset(is_held=True)
            portions = batches_of(dataset, manifest, names, filter, is_remote=is_remote)
            batches = self._decoded(manifest, portions)
            schema = dataset.scanner(columns=names).projected_schema
            first = next(batches, None)
            return pa.RecordBatchReader.from_batches(
                schema, batches if first is None else chain((first,), batches)
            )

        return self._until_won(begin)

    def first_rows(
        self, rows: int, *, columns: Sequence[str] | None = None
    ) -> tuple[Manifest, pa.Table]:
        """What is committed, and its first rows, of as many files as that takes.

        Raises ConfigError for a column that it does not have.
        """

        def read() -> tuple[Manifest, pa.Table]:
            manifest = self.manifest()
            return manifest, first_rows(self._of(manifest), manifest, rows, columns)

        return self._until_won(read)

    def column_statistics(self) -> tuple[Manifest, tuple[ColumnStatistics, ...]]:
        """What is committed, and what the footers of its files say of each column.

        No row is read.
        """

        def read() -> tuple[Manifest, tuple[ColumnStatistics, ...]]:
            manifest = self.manifest()
            return manifest, column_statistics(self._of(manifest), manifest)

        return self._until_won(read)

    def _decoded(
        self, manifest: Manifest, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        with self._of(manifest).decoding():
            yield from batches

    def _of(self, manifest: Manifest) -> CommittedFiles:
        return CommittedFiles(self._files, self._partition, manifest)

    def _dataset(self, *, is_held: bool) -> tuple[ds.FileSystemDataset, Manifest]:
        from bronze_engine.reading.dataset import dataset_of  # noqa: PLC0415  # imports pandas

        manifest = self._partition.whole()
        is_held = is_held and self._files.keeps_open and len(manifest.files) <= HELD_FILES
        return dataset_of(self._of(manifest), manifest, is_held=is_held), manifest

    def _until_won(self, read: Callable[[], T]) -> T:
        for _ in range(TRIES):
            try:
                return read()
            except Superseded:
                continue
        raise self._partition.outrun()
