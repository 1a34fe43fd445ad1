"""What a well-typed [catalogs.NAME] may still get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bronze_engine.config.catalog import Catalog
from bronze_engine.config.loading.fault import Fault, KeyPath

__all__ = ["catalog_faults"]

_AT_URI: Final = ("rest", "sql", "hive")
_OURS: Final = ("type", "uri", "warehouse")


def catalog_faults(catalog: Catalog, path: KeyPath) -> Iterator[Fault]:
    if catalog.type in _AT_URI and catalog.uri is None:
        yield Fault((*path, "uri"), f'missing; type = "{catalog.type}" is reached by one')
    if catalog.type == "sql" and catalog.warehouse is None:
        yield Fault((*path, "warehouse"), 'missing; type = "sql" has none of its own')
    for key in _OURS:
        if key in catalog.properties:
            here = (*path, "properties", key)
            yield Fault(here, f"stands in [{'.'.join(map(str, path))}] itself; move it there")
