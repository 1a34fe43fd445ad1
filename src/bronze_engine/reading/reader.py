"""A reader of one target: what is committed, and its rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, final

import pyarrow as pa

from bronze_engine.adapters import StoreOpener
from bronze_engine.config.load import load_store
from bronze_engine.config.stores.store import StoreConfig
from bronze_engine.model.manifest import Manifest
from bronze_engine.reading.committed import Committed
from bronze_engine.reading.files import Files, open_files
from bronze_engine.reading.place import partition_named, table_named
from bronze_engine.reading.statistics import ColumnStatistics

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = ["NO_STORES", "Reader", "open_reader"]

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
    """Reads the partitions and tables of one target. Made by `open_reader`.

    `name` is `system.entity`, for most pipelines their name (`system/entity` where one of
    the two has a dot in it). Every method blocks, and may be called from any thread: an
    async service calls it in one.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def partition(self, name: str, run_date: date) -> Committed:
        """What is committed for a date. Raises ConfigError for what is no name."""
        return self.at(partition_named(name, run_date))

    def table(self, name: str) -> Committed:
        """A curated table: of `system.entity`, or at a path below the target, which has a slash.

        Raises ConfigError for what is neither.
        """
        return self.at(table_named(name))

    def at(self, path: str) -> Committed:
        """What is committed at a path below the target."""
        return Committed(self._files, path)

    def read_manifest(self, name: str, run_date: date) -> Manifest:
        """What is committed for a date. Raises StateError where that is nothing."""
        return self.partition(name, run_date).manifest()

    def partition_files(self, name: str, run_date: date) -> tuple[str, ...]:
        """The whole URLs or paths of the committed files; see `Committed.paths`."""
        return self.partition(name, run_date).paths()

    def open_partition(self, name: str, run_date: date) -> ds.Dataset:
        """The committed files as a dataset of pyarrow's; see `Committed.dataset`."""
        return self.partition(name, run_date).dataset()

    def read_partition(
        self,
        name: str,
        run_date: date,
        *,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002  # what Arrow calls it
    ) -> pa.Table:
        """The rows of one generation; see `Committed.table`."""
        return self.partition(name, run_date).table(columns=columns, filter=filter)

    def stream_partition(
        self,
        name: str,
        run_date: date,
        *,
        columns: Sequence[str] | None = None,
        filter: ds.Expression | None = None,  # noqa: A002
    ) -> pa.RecordBatchReader:
        """The same rows as batches, in bounded memory; see `Committed.stream`."""
        return self.partition(name, run_date).stream(columns=columns, filter=filter)

    def first_rows(
        self, name: str, run_date: date, *, rows: int, columns: Sequence[str] | None = None
    ) -> tuple[Manifest, pa.Table]:
        """What is committed for a date, and its first rows, of as many files as that takes."""
        return self.partition(name, run_date).first_rows(rows, columns=columns)

    def column_statistics(
        self, name: str, run_date: date
    ) -> tuple[Manifest, tuple[ColumnStatistics, ...]]:
        """What is committed for a date, and what the footers of its files say of each column."""
        return self.partition(name, run_date).column_statistics()
