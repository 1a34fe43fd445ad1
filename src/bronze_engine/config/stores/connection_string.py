"""Azure's connection strings: `AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net`."""

from __future__ import annotations

__all__ = ["account_in", "connection_parts"]

_DEVELOPMENT_ACCOUNT = "devstoreaccount1"


def connection_parts(text: str) -> dict[str, str] | None:
    """Its settings by their names in lower case; None where it is no connection string."""
    pairs = [pair.partition("=") for pair in text.strip().rstrip(";").split(";")]
    if not all(name and separator for name, separator, _ in pairs):
        return None
    return {name.strip().lower(): value for name, _, value in pairs}


def account_in(text: str) -> str | None:
    """The storage account that a connection string names; one with a SAS may name none."""
    parts = connection_parts(text) or {}
    if parts.get("usedevelopmentstorage", "").lower() == "true":
        return _DEVELOPMENT_ACCOUNT
    return parts.get("accountname")
