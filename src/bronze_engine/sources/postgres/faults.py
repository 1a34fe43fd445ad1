"""What goes wrong between us and PostgreSQL, by type and SQLSTATE.

    while connecting     of_connecting   Transient where it may pass; else the error
    while reading        of_reading      SliceLost where it may be read again; else the error

Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import Final, Literal

import asyncpg
import msgspec

from bronze_engine.config.database.address import Endpoint
from bronze_engine.errors import AuthError, BronzeError, ConfigError, ExtractError, SliceLost
from bronze_engine.limits.transient import Transient
from bronze_engine.model.identifier import quote_ident

__all__ = [
    "DATABASE_ERRORS",
    "STATES",
    "Kind",
    "Subject",
    "Tls",
    "kind_of",
    "of_connecting",
    "of_reading",
]

DATABASE_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What asyncpg raises for what the server or the network does; TimeoutError is an OSError."""

Kind = Literal[
    "lost",
    "full",
    "credential",
    "permission",
    "database",
    "name",
    "sql",
    "canceled",
    "writes",
    "value",
    "resources",
    "server",
]
"""What a SQLSTATE means for whoever connects or reads."""

STATES: Final[dict[str, Kind]] = {
    "08": "lost",  # the connection broke
    "22": "value",
    "25006": "writes",
    "25P02": "lost",  # something before has failed in this transaction
    "25P03": "lost",  # idle in a transaction for too long, as the server sees it
    "28": "credential",
    "3D": "database",
    "3F": "name",
    "40": "lost",  # serialization failures, deadlocks, conflicts with recovery on a standby
    "42": "sql",
    "42501": "permission",
    "42703": "name",
    "42704": "name",
    "42883": "name",
    "42P01": "name",
    "53": "resources",
    "53300": "full",
    "54": "resources",
    "55P03": "lost",  # lock_timeout
    "57014": "canceled",
    "57P01": "lost",  # an administrator ended the session, or the server
    "57P02": "lost",  # another session crashed: all are ended
    "57P03": "lost",  # starting up, shutting down
    "57P04": "database",
    "57P05": "lost",
    "72000": "lost",  # the snapshot is too old
}
"""Whole codes, and classes of them; anything else is the server's own affair."""


_STEPS: Final[dict[Kind, tuple[type[BronzeError], str]]] = {
    "credential": (
        AuthError,
        (
            "check user, password (or PGPASSWORD, or the passfile), database and sslmode of the "
            "connection, and the server's pg_hba.conf"
        ),
    ),
    "database": (ExtractError, "check database of the connection; psql -l lists those of a server"),
    "name": (
        ExtractError,
        (
            "check table, columns, query and where; a name with capitals goes into quotes, and one "
            "outside of the search_path needs its schema"
        ),
    ),
    "sql": (ConfigError, "mend query, where or the types in schema.columns"),
    "canceled": (
        ExtractError,
        (
            "it ran for as long as statement_timeout of the connection allows; raise that, read "
            "less at once (where, incremental, partitions), or add an index"
        ),
    ),
    "writes": (ExtractError, "runs only read: take out of query or where what writes"),
    "value": (ExtractError, "mend the value at the source, or the expression in query or where"),
    "resources": (
        ExtractError,
        (
            "the server ran out of something that this needs; read less at once (where, "
            "incremental, partitions), or let its administrator make room"
        ),
    ),
    "server": (ExtractError, "the server's own log says more; run again once it is well"),
}
"""What is raised, and the next step; the other kinds have cases of their own."""

_REPORT: Final = "the server asks for what asyncpg can't do"
_FOREIGN: Final = "this is no PostgreSQL, or a proxy changes what it says; connect to it directly"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What messages say of an attempt to connect or to read."""

    text: str
    """Which connection, where it leads, and what is read there."""
    role: str
    """Whom the server knows us as."""
    grant: str | None = None
    """What the role must be granted: `SELECT ON public.orders`; None where only the query
    says what it reads."""


Tls = Literal["yes", "no", "foreign", "unknown"]
"""What an endpoint answered to the question whether it speaks TLS."""


def kind_of(sqlstate: str | None) -> Kind:
    """What a code means, by itself or by its class."""
    state = sqlstate or ""
    return STATES.get(state) or STATES.get(state[:2]) or "server"


def of_reading(
    exc: BaseException, subject: Subject, *, is_overdue: bool = False
) -> BronzeError | SliceLost:
    """What an error means that a statement ended with: to be raised `from exc`.

    SliceLost where the rows may be read again; whoever lost the snapshot with it makes a
    SnapshotLost of that. `is_overdue` says that the statement had run for as long as
    statement_timeout allows: the server cancels with one code whatever its reason.
    """
    exc = _spoken(exc)
    if not isinstance(exc, asyncpg.PostgresError):
        return _refusal(exc, subject) or SliceLost(f"{subject.text}: {_words(exc)}")
    kind = kind_of(exc.sqlstate)
    if kind in ("lost", "full") or (kind == "canceled" and not is_overdue):
        return SliceLost(f"{subject.text}: {_words(exc)}")
    return _refused(exc, kind, subject)


def of_connecting(
    exc: BaseException, endpoint: Endpoint, subject: Subject, *, tls: Tls = "unknown"
) -> BronzeError | Transient:
    """What an error means that an attempt to connect ended with: to be raised `from exc`.

    `tls` is what `endpoint` answers where asyncpg only says that TLS did not come about.
    """
    exc = _spoken(exc)
    match exc:
        case asyncpg.PostgresError():
            kind = kind_of(exc.sqlstate)
            if kind in ("lost", "full", "canceled"):
                return Transient(_words(exc), is_sent=False)
            if kind in ("name", "sql", "value"):  # nothing else of ours has reached the server
                return ConfigError(
                    f"{subject.text}: {_words(exc)}; mend what dsn says in options",
                    sqlstate=exc.sqlstate,
                )
            return _refused(exc, kind, subject)
        case TimeoutError():
            return Transient(f"{endpoint}: no connection within connect_timeout", is_sent=False)
        case socket.gaierror():
            return Transient(f"the name {endpoint.host} can't be resolved", is_sent=False)
        case ssl.SSLCertVerificationError():
            return ExtractError(
                f"{subject.text}: the certificate of {endpoint} is refused: {exc.verify_message}; "
                "name the PEM file of its authority in ca_file of the connection, and the host as "
                "the certificate has it"
            )
        case ssl.SSLError() if not isinstance(exc, _BROKEN_TLS):
            return ExtractError(
                f"{subject.text}: TLS with {endpoint} failed ({exc}); "
                "check client_cert and sslmode of the connection"
            )
        case PermissionError():
            return ExtractError(f"{subject.text}: {endpoint} may not be opened by this user")
        case OSError() if tls == "no":
            return ExtractError(
                f"{subject.text}: {endpoint} speaks no TLS, and nothing is sent to it in clear; "
                'set ssl = on there, or, where the network is trusted, sslmode = "disable" here'
            )
        case OSError() if tls == "foreign":
            return ExtractError(f"{subject.text}: {endpoint} is no PostgreSQL; check host and port")
        case OSError():
            return Transient(f"{endpoint}: {_words(exc)}", is_sent=False)
        case asyncpg.TargetServerAttributeNotMatched():
            return Transient(f"{endpoint} is not what target_session_attrs asks for", is_sent=False)
        case _:
            return _refusal(exc, subject) or Transient(f"{endpoint}: {_words(exc)}", is_sent=False)


_BROKEN_TLS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""TLS that ended because the connection did."""


def _spoken(exc: BaseException) -> BaseException:
    """The server's last words, where it ended the connection with some."""
    if isinstance(exc, asyncpg.ConnectionDoesNotExistError) and isinstance(
        exc.__cause__, asyncpg.PostgresError | OSError
    ):
        return exc.__cause__
    return exc


def _refusal(exc: BaseException, subject: Subject) -> ExtractError | None:
    """What no other attempt would change, of what asyncpg itself has raised."""
    if isinstance(exc, asyncpg.InternalClientError):
        return ExtractError(f"{subject.text}: {exc}; {_FOREIGN}")
    if isinstance(exc, asyncpg.InterfaceError) and type(exc) is not asyncpg.InterfaceError:
        return ExtractError(f"{subject.text}: {exc}; {_REPORT}")
    return None


def _refused(exc: asyncpg.PostgresError, kind: Kind, subject: Subject) -> BronzeError:
    if kind == "permission":
        what = subject.grant or "SELECT ON what the query reads"
        error: type[BronzeError] = ExtractError
        step = f"its owner can say: GRANT {what} TO {quote_ident(subject.role)}"
    else:
        error, step = _STEPS[kind]
    return error(f"{subject.text}: {_words(exc)}; {step}", sqlstate=exc.sqlstate)


def _words(exc: BaseException) -> str:
    if isinstance(exc, asyncpg.PostgresError):
        more = "; ".join(each for each in (exc.detail, exc.hint) if each)
        return f"{exc.args[0]}{more and f' ({more})'} [{exc.sqlstate}]"
    if isinstance(exc, OSError) and exc.errno and not isinstance(exc, ssl.SSLError):
        return os.strerror(exc.errno)  # asyncio's own text is "Connect call failed"
    return str(exc) or type(exc).__name__
