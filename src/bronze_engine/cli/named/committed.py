"""What a command looks at: a partition or a curated table, by a name, a path or a URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bronze_engine.cli.named.place import find_folder, is_folder, load_if_there
from bronze_engine.cli.options import read_date
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.config.load import Config
from bronze_engine.errors import ConfigError
from bronze_engine.reading.committed import Committed
from bronze_engine.reading.place import place, table_place
from bronze_engine.reading.reader import open_reader

__all__ = ["committed_at", "committed_in", "committed_of"]


@contextmanager
def committed_at(
    what: str,
    path: Path,
    overrides: Sequence[str] | None,
    log: LogOptions,
    *,
    date: str | None,
    silver: bool,
) -> Iterator[Committed]:
    """By the configuration at `path`, which a path or a URL needs for its credentials alone.

    Raises ConfigError.
    """
    if is_folder(what):
        if date is not None or silver:
            raise ConfigError("a path says what it is of; leave --date and --silver out")
        with committed_in(load_if_there(path, overrides, log), what) as committed:
            yield committed
        return
    with committed_of(load(path, overrides, log), what, date=date, silver=silver) as committed:
        yield committed


@contextmanager
def committed_in(loaded: Config | None, folder: str) -> Iterator[Committed]:
    """A partition or a table at a path or a URL. Raises ConfigError."""
    store, path = find_folder(loaded, folder)
    with open_reader(store) as reader:
        yield reader.at(path)


@contextmanager
def committed_of(
    loaded: Config, name: str, *, date: str | None, silver: bool
) -> Iterator[Committed]:
    """A partition or the table of a pipeline. Raises ConfigError."""
    if silver:
        if date is not None:
            raise ConfigError("a table is of all its dates; leave --date out")
        store, folder = table_place(loaded, name)
        with open_reader(store) as reader:
            yield reader.at(folder)
        return
    run_date = read_date(date, loaded.engine)
    store, entity = place(loaded, name)
    with open_reader(store) as reader:
        yield reader.partition(entity, run_date)
