"""[catalogs.NAME]: an Iceberg catalog, which says where tables stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from bronze_engine.config.units import Secret

__all__ = ["Catalog", "with_absolute_paths"]

_SQLITE: Final = "sqlite:///"


class Catalog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A catalog as pyiceberg opens it."""

    name: str = ""
    """The key in [catalogs], set on loading."""
    type: Literal["rest", "sql", "glue", "hive"]
    """A REST catalog (Polaris, Unity, Lakekeeper, Nessie, …), the tables of a SQL database, AWS
    Glue, a Hive metastore."""
    uri: Secret | None = None
    """Where it is: a URL, or SQLAlchemy's of a database; never shown. The file of a SQLite
    database is relative to pipelines.toml."""
    warehouse: str | None = None
    """Where tables that are made keep their metadata: a URL, or a path (relative to
    pipelines.toml); where unset the catalog decides. Data files stay where they landed."""
    properties: dict[str, Secret] = {}
    """pyiceberg's own ("token", "s3.endpoint", …), and they win; never shown. What the target's
    store says of its server and its keys need not be said again."""


def with_absolute_paths(catalog: Catalog, absolute: Callable[[str], Path]) -> Catalog:
    """The catalog with the paths of its warehouse and of a SQLite database made absolute."""
    warehouse, uri = catalog.warehouse, catalog.uri
    if warehouse is not None and "://" not in warehouse:
        warehouse = f"file://{absolute(warehouse)}"  # unescaped, as pyiceberg takes it
    if uri is not None and uri.reveal().startswith(_SQLITE):
        name = uri.reveal().removeprefix(_SQLITE)
        uri = Secret(f"{_SQLITE}{absolute(name)}") if name not in ("", ":memory:") else uri
    return msgspec.structs.replace(catalog, warehouse=warehouse, uri=uri)
