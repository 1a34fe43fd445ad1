"""Reading one partition or table, once: a reader is opened for the call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from bronze_engine.model.manifest import Manifest
from bronze_engine.reading.files import open_files
from bronze_engine.reading.place import Target, place, table_place
from bronze_engine.reading.reader import NO_STORES, Reader, open_reader

if TYPE_CHECKING:
    import pyarrow.dataset as ds

__all__ = [
    "open_partition",
    "open_table",
    "partition_files",
    "read_manifest",
    "read_partition",
    "stream_partition",
]


def read_manifest(target: Target, name: str, run_date: date) -> Manifest:
    """The manifest of a committed partition.

        read_manifest("s3://lake/bronze", "myteam.orders", date(2025, 1, 15)).row_count

    `target` is a URL, the path of a directory, or a store of a configuration; `name` is
    `system.entity`, for most pipelines their name. With a whole configuration as `target`,
    `name` is a pipeline's, and its own target is read. Credentials come from the
    configuration, else from the vendors' variables and the SDKs' chains.

    Blocks; an async service calls it in a thread. Raises StateError where nothing was
    committed, ConfigError for a target or a name that makes no sense, AuthError and
    StoreError where the store fails.
    """
    with _opened(target, name) as (reader, entity):
        return reader.read_manifest(entity, run_date)


def partition_files(target: Target, name: str, run_date: date) -> tuple[str, ...]:
    """The whole URLs or paths of the committed files, for programs that read by themselves.

    In the manifest's order; all of them were there a moment ago. A run that replaces the
    partition removes them. Arguments and errors as for `open_partition`.
    """
    with _opened(target, name) as (reader, entity):
        return reader.partition_files(entity, run_date)


def open_partition(target: Target, name: str, run_date: date) -> ds.Dataset:
    """The committed files as a dataset of pyarrow's; no row of them is read yet.

        orders = open_partition("bronze", "myteam.orders", date(2025, 1, 15))
        duckdb.sql("SELECT status, sum(amount) FROM orders GROUP BY ALL")

    It has all columns of the partition, NULL where a file lacks one, and no rows where
    none were committed. An object store stays open as long as the dataset is alive.

    A run that replaces the partition removes these files. A scan that meets that raises
    StateError, naming the new generation: open the partition again, or read it with
    `read_partition`, which does so. It never ends with a part of the rows.

    `target` and `name` as for `read_manifest`. Raises StateError where nothing was
    committed or a file is missing, and otherwise what `read_manifest` raises.
    """
    store, entity = place(target, name)
    files = open_files(store, NO_STORES)
    try:
        return Reader(files).open_partition(entity, run_date)
    except BaseException:
        files.close()
        raise


def open_table(target: Target, name: str) -> ds.Dataset:
    """A curated (Silver) table as a dataset of pyarrow's; no row of it is read yet.

        customers = open_table("bronze", "myteam.customers")
        duckdb.sql("SELECT * FROM customers WHERE is_current")

    `name` is `system.entity`, or the path of the table's folder below the target; with a whole
    configuration as `target`, a pipeline's name. What holds of a partition while a run replaces
    it holds here, and the errors are those of `open_partition`.
    """
    store, path = table_place(target, name)
    files = open_files(store, NO_STORES)
    try:
        return Reader(files).at(path).dataset()
    except BaseException:
        files.close()
        raise


def read_partition(
    target: Target,
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
    with _opened(target, name) as (reader, entity):
        return reader.read_partition(entity, run_date, columns=columns, filter=filter)


def stream_partition(
    target: Target,
    name: str,
    run_date: date,
    *,
    columns: Sequence[str] | None = None,
    filter: ds.Expression | None = None,  # noqa: A002
) -> pa.RecordBatchReader:
    """The same rows as batches, in the manifest's order, in bounded memory.

    At most 4 row groups (64 MiB by default) are held, however large the partition and
    however slow its consumer. The first of them have been read when this returns; a race
    that was lost until then is run again. In a directory all files are open by then (256
    at most), and no race can be lost any more; in an object store the stream ends with
    StateError when a later run has removed its files. Other errors as for `open_partition`.
    """
    store, entity = place(target, name)
    files = open_files(store, NO_STORES)
    try:
        return Reader(files).stream_partition(entity, run_date, columns=columns, filter=filter)
    except BaseException:
        files.close()
        raise


@contextmanager
def _opened(target: Target, name: str) -> Iterator[tuple[Reader, str]]:
    store, entity = place(target, name)
    with open_reader(store) as reader:
        yield reader, entity
