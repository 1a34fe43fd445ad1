"""What a transaction of ours asks of its session: how values are printed, what may take long."""

from __future__ import annotations

from bronze_engine.config.connection import PostgresConnection
from bronze_engine.config.database.address import address_of

__all__ = ["local_settings"]


def local_settings(config: PostgresConnection, *, version: int, pipeline: str = "") -> str:
    """SQL for the beginning of a transaction: how values are printed, and what may take long.

    For one transaction, so that it holds behind a pooler that shares sessions, too, and
    nothing of it is left. No query: SET TRANSACTION SNAPSHOT may follow. Where no timeout is
    configured, none of the server's defaults ends a long reading, as with pg_dump. `version`
    is the server's major one.
    """
    settings = {
        "DateStyle": "ISO",
        "IntervalStyle": "postgres",
        "TimeZone": "UTC",
        "extra_float_digits": "3",  # the shortest that is exact; before version 12 all digits
        "bytea_output": "hex",
        "lc_monetary": "C",
        "xmloption": "content",
        "statement_timeout": _milliseconds(config.statement_timeout or 0),
        "lock_timeout": _milliseconds(config.lock_timeout),
        "idle_in_transaction_session_timeout": "0",  # whoever keeps a snapshot for others is idle
        "synchronize_seqscans": "off",  # the same rows in the same order, run after run
    }
    if version >= 17:
        settings["transaction_timeout"] = "0"
    if pipeline:
        settings["application_name"] = f"{address_of(config).application_name}/{pipeline}"
    return "; ".join(f"SET LOCAL {name} = {_literal(text)}" for name, text in settings.items())


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _literal(text: str) -> str:
    """As SQL reads it, whatever standard_conforming_strings is."""
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{doubled}'"
