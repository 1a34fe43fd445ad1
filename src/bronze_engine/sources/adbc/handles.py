"""A driver's database and connection, held from before they are opened until they are closed.

What a cancelled caller no longer waits for is still known here, and given back. All methods run
in workers.
"""

from __future__ import annotations

from contextlib import suppress
from typing import final

import adbc_driver_manager as adbc
import pyarrow as pa

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.sources.adbc.dialect import GENERIC, Dialect, dialect_of
from bronze_engine.sources.adbc.driver import Driver, find_driver
from bronze_engine.sources.adbc.statement import Statement

__all__ = ["ConnectionHandle", "DatabaseHandle"]


@final
class DatabaseHandle:
    """A database, which all connections to it share."""

    def __init__(self, config: AdbcConnection) -> None:
        self._config = config
        self.driver: Driver | None = None
        self.database: adbc.AdbcDatabase | None = None

    def open(self) -> adbc.AdbcDatabase:
        """The database, opened at the first call. Raises adbc.Error and a BronzeError."""
        if self.database is None:
            self.driver = driver = find_driver(self._config)
            options = dict(driver.options)
            if driver.entrypoint is not None:
                options["entrypoint"] = driver.entrypoint
            self.database = adbc.AdbcDatabase(driver=driver.library, **options)
        return self.database

    def close(self) -> None:
        if self.database is not None:
            with suppress(adbc.Error):
                self.database.close()
        self.database = None


@final
class ConnectionHandle:
    """One connection, in a transaction that changes nothing where the database has them."""

    def __init__(self, database: DatabaseHandle) -> None:
        self._database = database
        self.connection: adbc.AdbcConnection | None = None
        self.dialect: Dialect = GENERIC
        self.vendor = ""
        """The database and its version, as the driver calls them."""

    def open(self) -> None:
        """Raises adbc.Error and a BronzeError."""
        database = self._database.open()
        self.connection = connection = adbc.AdbcConnection(database)
        self.vendor = _vendor(connection)
        driver = self._database.driver
        self.dialect = GENERIC if driver is None else dialect_of(driver.name)
        if self.dialect is GENERIC:
            self.dialect = dialect_of(self.vendor.partition(" ")[0])
        for sql in self.dialect.session:
            statement = Statement(connection, sql)
            try:
                statement.execute()
            finally:
                statement.close()
        # What is read in one run is from one transaction then; how much that is worth, the
        # database says: a snapshot in SQLite and DuckDB. A driver without them says so.
        with suppress(adbc.NotSupportedError):
            connection.set_autocommit(False)

    def close(self) -> None:
        """End the transaction and the connection; one that is lost has ended both."""
        if self.connection is None:
            return
        with suppress(adbc.Error):
            self.connection.rollback()
        with suppress(adbc.Error):
            self.connection.close()
        self.connection = None


def _vendor(connection: adbc.AdbcConnection) -> str:
    """What the driver calls its database, with the version; empty where it does not tell."""
    codes: list[int | adbc.AdbcInfoCode] = [
        adbc.AdbcInfoCode.VENDOR_NAME,
        adbc.AdbcInfoCode.VENDOR_VERSION,
    ]
    try:
        rows = pa.RecordBatchReader.from_stream(connection.get_info(codes)).read_all().to_pylist()
    except (adbc.Error, pa.ArrowException, OSError):
        return ""
    said = {row["info_name"]: str(row["info_value"]) for row in rows}
    return " ".join(said[code] for code in codes if said.get(code))
