"""A reader of one target: what is committed, and its rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar, final

import pyarrow as pa

from bronze_engine.adapters import StoreOpener
from bronze_engine.config.load import load_store
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.model.manifest import Manifest
from bronze_engine.reading.files import Files, open_files
from bronze_engine.reading.handler import CommittedFiles
from bronze_engine.reading.head import first_rows
from bronze_engine.reading.partition import TRIES, Partition, Superseded
from bronze_engine.reading.place import partition_named
from bronze_engine.reading.statistics import ColumnStatistics, column_statistics

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["NO_STORES", "Reader", "open_reader"]

T = TypeVar("T")

HELD_FILES: Final = 256
"""Files of a directory that are open at once, at most; a process has 1,024 by default."""
NO_STORES: Final[Mapping[str, StoreOpener]] = MappingProxyType({})


@contextmanager
def open_reader(
    target: str | os.PathLike[str] | StoreConfig,
    *,
    stores: Mapping[str, StoreOpener] = NO_STORES,
) -> Iterator[Reader]:
    """A reader for many partitions of one target: an object store is opened once for them all.

        with open_reader("s3://lake/bronze") as reader:
            days = [reader.read_partition("myteam.orders", day) for day in last_week]

    `target` is a URL, the path of a directory, or a store of a configuration. `stores`
    opens in place of the built-in types, as for `open_engine`. On leaving, what it has
    opened in an object store is closed: its datasets and streams can't be read any more.

    Raises ConfigError for a target that makes no sense, AuthError and StoreError for one
    that can't be opened.
    """
    config = target if isinstance(target, StoreConfig) else load_store(target)
    files = open_files(config, stores)
    try:
        yield Reader(files)
    finally:
        files.close()


@final
class Reader:
    """Reads the partitions of one target. Made by `open_reader`.

    `name` is `system.entity`, for most pipelines their name (`system/entity` where one of
    the two has a dot in it). Every method blocks, and may be called from any thread: an
    async service calls it in one.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def read_manifest(self, name: str, run_date: date) -> Manifest:
        """What is committed for a date. Raises StateError where that is nothing."""
        return self._partition(name, run_date).manifest()

    def partition_files(self, name: str, run_date: date) -> tuple[str, ...]:
        """The whole URLs or paths of the committed files, for programs that read by themselves.

        In the manifest's order; all of them were there a moment ago. Raises as
        `open_partition` does.
        """
        partition = self._partition(name, run_date)
        return self._committed(partition, partition.whole()).paths

    def open_partition(self, name: str, run_date: date) -> ds.Dataset:
        """The committed files as a dataset of pyarrow's; no row of them is read yet.

        It has all columns of the partition, NULL where a file lacks one, and no rows where
        none were committed. Raises StateError where nothing was committed or a file is
        missing, StoreError and AuthError where the store fails.

        A run that replaces the partition removes these files. A scan that meets that
        raises StateError, naming the new generation: open the partition again. It never
        ends with a part of the rows.
        """
        return self._dataset(self._partition(name, run_date), is_held=False)[0]

    def read_partition(
        self,
        name: str,
        run_date: date,
        *,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002  # what Arrow calls it
    ) -> pa.Table:
        """The rows of one generation as a table: `columns` of them, those that pass `filter`.

        Where a run replaces the partition meanwhile, it is read anew. Raises as
        `open_partition` does, and StateError when 20 runs have done that in a row.
        """
        partition = self._partition(name, run_date)
        names = None if columns is None else list(columns)

        def read() -> pa.Table:
            dataset, _ = self._dataset(partition, is_held=True)
            return dataset.to_table(columns=names, filter=filter)

        return _until_won(partition, read)

    def stream_partition(
        self,
        name: str,
        run_date: date,
        *,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002
    ) -> pa.RecordBatchReader:
        """The same rows as batches, in the manifest's order, in bounded memory.

        At most 4 row groups (64 MiB by default) are held, however large the partition and
        however slow its consumer. The first of them have been read when this returns; a
        race that was lost until then is run again. In a directory all files are open by
        then (256 at most), and no race can be lost any more; in an object store the
        stream ends with StateError when a later run has removed its files.
        """
        from bronze_engine.reading.portions import batches_of  # noqa: PLC0415  # imports pandas

        partition = self._partition(name, run_date)
        names = None if columns is None else list(columns)
        is_remote = not self._files.keeps_open

        def begin() -> pa.RecordBatchReader:
            dataset, manifest = self._dataset(partition, is_held=True)
            batches = batches_of(dataset, manifest, names, filter, is_remote=is_remote)
            schema = dataset.scanner(columns=names).projected_schema
            first = next(batches, None)
            return pa.RecordBatchReader.from_batches(
                schema, batches if first is None else chain((first,), batches)
            )

        return _until_won(partition, begin)

    def first_rows(
        self, name: str, run_date: date, *, rows: int, columns: Sequence[str] | None = None
    ) -> tuple[Manifest, pa.Table]:
        """What is committed for a date, and its first rows, of as many files as that takes.

        Raises ConfigError for a column that the partition does not have, else as
        `read_partition`.
        """
        partition = self._partition(name, run_date)

        def read() -> tuple[Manifest, pa.Table]:
            manifest = partition.manifest()
            handler = self._committed(partition, manifest)
            return manifest, first_rows(handler, manifest, rows, columns)

        return _until_won(partition, read)

    def column_statistics(
        self, name: str, run_date: date
    ) -> tuple[Manifest, tuple[ColumnStatistics, ...]]:
        """What is committed for a date, and what the footers of its files say of each column.

        No row is read. Raises as `read_partition` does.
        """
        partition = self._partition(name, run_date)

        def read() -> tuple[Manifest, tuple[ColumnStatistics, ...]]:
            manifest = partition.manifest()
            return manifest, column_statistics(self._committed(partition, manifest), manifest)

        return _until_won(partition, read)

    def _partition(self, name: str, run_date: date) -> Partition:
        return Partition(self._files, partition_named(name, run_date))

    def _committed(self, partition: Partition, manifest: Manifest) -> CommittedFiles:
        return CommittedFiles(self._files, partition, manifest)

    def _dataset(
        self, partition: Partition, *, is_held: bool
    ) -> tuple[ds.FileSystemDataset, Manifest]:
        from bronze_engine.reading.dataset import dataset_of  # noqa: PLC0415  # imports pandas

        manifest = partition.whole()
        is_held = is_held and self._files.keeps_open and len(manifest.files) <= HELD_FILES
        handler = self._committed(partition, manifest)
        return dataset_of(handler, manifest, is_held=is_held), manifest


def _until_won(partition: Partition, read: Callable[[], T]) -> T:
    for _ in range(TRIES):
        try:
            return read()
        except Superseded:
            continue
    raise partition.outrun()
