"""Passwords from a file that libpq's programs read too.

https://www.postgresql.org/docs/current/libpq-pgpass.html
"""

from __future__ import annotations

import logging
import re
import stat
from pathlib import Path
from typing import Final

from bronze_engine.config.database.address import Endpoint

__all__ = ["find_password"]

log = logging.getLogger(__name__)

_FIELD: Final = re.compile(r"((?:[^:\\]|\\.)*)(?::|$)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def find_password(path: str, endpoint: Endpoint, database: str, user: str) -> str | None:
    """The password of the first line that fits; None where none does, or there is no file.

    A file that others may read is not used, with a warning. Reads the disk: for a worker.
    """
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            return None
        if mode & _OTHERS:
            log.warning(
                "%s is not used: others than its owner may read it; chmod 0600 mends that", path
            )
            return None
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        log.warning("%s is not used: it can't be read (%s)", path, type(exc).__name__)
        return None
    # To libpq a socket in its own default folder is localhost; which that is, is not known here.
    hosts = (endpoint.host, "localhost") if endpoint.is_socket else (endpoint.host,)
    wanted = (hosts, (str(endpoint.port),), (database,), (user,))
    for line in lines:
        fields = [] if line.startswith("#") else _fields(line)
        if len(fields) == 5 and all(map(_fits, fields, wanted)):
            return _ESCAPED.sub(r"\1", fields[4])
    return None


def _fits(field: str, values: tuple[str, ...]) -> bool:
    return field == "*" or _ESCAPED.sub(r"\1", field) in values


def _fields(line: str) -> list[str]:
    """Host, port, database, user and password, still escaped; the last may have colons."""
    fields: list[str] = []
    at = 0
    while len(fields) < 4:
        match = _FIELD.match(line, at)
        if match is None or match.end() == match.end(1):
            return []
        fields.append(match[1])
        at = match.end()
    return [*fields, line[at:]]
