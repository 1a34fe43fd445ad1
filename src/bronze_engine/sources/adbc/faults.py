"""What a driver reports, as what a run makes of it: by status and SQLSTATE, never by message.

    status                                while opening    while asking
    UNAUTHENTICATED, UNAUTHORIZED         AuthError        AuthError
    SQLSTATE 28xxx, 42501                 AuthError        AuthError
    IO, TIMEOUT; SQLSTATE 08xxx, 57P0x    Transient        Transient
    INVALID_ARGUMENT, NOT_IMPLEMENTED,
    NOT_FOUND, INVALID_STATE              ConfigError      ExtractError
    any other                             ExtractError     ExtractError

A result that breaks while it is read has no status any more, only an errno: of a file it is an
ExtractError, of a server SliceLost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import pyarrow as pa
from adbc_driver_manager import AdbcStatusCode as Status
from adbc_driver_manager import Error

from bronze_engine.config.connection import AdbcConnection
from bronze_engine.errors import AuthError, BronzeError, ConfigError, ExtractError, SliceLost
from bronze_engine.limits.transient import Transient
from bronze_engine.telemetry.redact import Redactor

__all__ = ["Faults"]

_REFUSED: Final = frozenset({Status.UNAUTHENTICATED, Status.UNAUTHORIZED})
_PASSING: Final = frozenset({Status.IO, Status.TIMEOUT})
_ADVICE: Final = "check driver, entrypoint, uri and options"
_OURS: Final = frozenset(
    {Status.INVALID_ARGUMENT, Status.NOT_IMPLEMENTED, Status.NOT_FOUND, Status.INVALID_STATE}
)


@final
class Faults:
    """The faults of one connection. Nothing that it makes shows the uri or an option."""

    def __init__(self, connection: AdbcConnection) -> None:
        self._name = f"connections.{connection.name}"
        secrets = [value.reveal() for value in connection.options.values()]
        if connection.uri is not None:
            secrets.append(connection.uri.reveal())
        self._masked: Callable[[str], str] = Redactor(secrets)

    def of_opening(self, exc: Error) -> BronzeError | Transient:
        """Of a driver, a database or a connection that does not open."""
        if exc.status_code in _OURS and not _state(exc):
            return ConfigError(f"{self._name} does not open: {self._said(exc)}; {_ADVICE}")
        return self._fault(exc, "does not open", _ADVICE)

    def of_asking(self, exc: Error) -> BronzeError | Transient:
        """Of a statement that is refused."""
        return self._fault(
            exc, "refuses the query", "check table, query, where and columns of the source"
        )

    def of_reading(self, exc: pa.ArrowException | OSError, *, is_file: bool) -> Exception:
        """Of a result that breaks after it has begun."""
        said = f"{self._name} broke off: {self._said(exc)}"
        if is_file or not isinstance(exc, OSError):
            return ExtractError(f"{said}; cast that column in a query, or mend the value")
        return SliceLost(said)

    def _fault(self, exc: Error, what: str, advice: str) -> BronzeError | Transient:
        state, said = _state(exc), f"{self._name} {what}: {self._said(exc)}"
        if exc.status_code in _REFUSED or state[:2] == "28" or state == "42501":
            return AuthError(f"{said}; check its credentials and grants")
        if exc.status_code in _PASSING or state[:2] == "08" or state[:4] == "57P0":
            return Transient(said)
        return ExtractError(f"{said}; {advice}")

    def _said(self, exc: Exception) -> str:
        """The first line of what the driver says: it repeats the whole query behind it."""
        lines = self._masked(str(exc)).strip().splitlines()
        return lines[0] if lines else type(exc).__name__


def _state(exc: Error) -> str:
    return (exc.sqlstate or "").strip("\0 ")
