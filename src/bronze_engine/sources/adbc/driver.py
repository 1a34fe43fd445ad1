"""The shared library of a driver, found by the name of its database or by its path."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

import msgspec

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.config.database.drivers import DRIVERS, is_library_path
from bronze_engine.errors import ConfigError, ExtractError

__all__ = ["Driver", "find_driver"]

_OPENS: Final[Mapping[str, str]] = {"duckdb": "path"}
"""What a driver calls the place of its database, where not `uri`."""

_READS_ONLY: Final[Mapping[str, tuple[str, str]]] = {"duckdb": ("access_mode", "READ_ONLY")}
"""How a driver is told that nothing will be written: several processes may read at once then."""

_FILES: Final = frozenset({"sqlite", "duckdb"})
"""Drivers that would make a database where there is none."""


@final
class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """How a database is opened."""

    name: str
    library: str
    options: dict[str, str]
    """Of the database, credentials among them: never shown."""
    entrypoint: str | None = None


def find_driver(connection: AdbcConnection) -> Driver:
    """Find the library and put its options together. Looks at files only: for a worker.

    Raises ConfigError where the driver is not installed, ExtractError where the database is
    a file that is not there.
    """
    name = connection.driver
    options = {key: value.reveal() for key, value in connection.options.items()}
    if connection.uri is not None:
        options[_OPENS.get(name, "uri")] = connection.uri.reveal()
    if name in _READS_ONLY:
        options.setdefault(*_READS_ONLY[name])
    if name in _FILES:
        _check_file(connection, options.get(_OPENS.get(name, "uri"), ""))
    if is_library_path(name):
        library, entrypoint = name, connection.entrypoint
        if not Path(library).is_file():
            raise ConfigError(
                f"connections.{connection.name}.driver: there is no file {library!r}; write the"
                " path of the driver's shared library"
            )
    else:
        library, entrypoint = _installed(connection)
    return Driver(name=name, library=library, options=options, entrypoint=entrypoint)


def _installed(connection: AdbcConnection) -> tuple[str, str | None]:
    """The library of a driver that came as a package, which is not imported for that."""
    name = connection.driver
    module = "_duckdb" if name == "duckdb" else f"adbc_driver_{name}"
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ConfigError(
            f'connections.{connection.name}: driver = "{name}" is not installed; pip install'
            f" {DRIVERS[name]}"
        )
    if name == "duckdb":  # its Python module is the driver, too
        return found.origin, "duckdb_adbc_init"
    # The name of the file is the same on every platform.
    return str(Path(found.origin).parent / f"lib{module}.so"), None


def _check_file(connection: AdbcConnection, place: str) -> None:
    path = place.removeprefix("file:").partition("?")[0] if place.startswith("file:") else place
    if path.startswith("//"):  # file:///path, file://localhost/path
        path = "/" + path[2:].partition("/")[2]
    if not path or ":memory:" in path or "mode=memory" in place or "://" in path:
        return
    if not Path(path).is_file():
        raise ExtractError(
            f"connections.{connection.name}.uri: there is no such file; a driver of"
            f" {connection.driver} would make an empty database in its place"
        )
