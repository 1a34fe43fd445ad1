"""What [output] of a pipeline, and of its Silver, may get wrong about tables of other engines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.stores.store import CustomStore
from bronze_engine.config.stores.uri import uri_of
from bronze_engine.config.table_format import TableOutput

__all__ = ["table_format_faults"]

_ENDS: Final = "#?"
_TABLE: Final = re.compile(r"[^.\s]+(?:\.[^.\s]+)+")


def table_format_faults(pipeline: Pipeline, path: KeyPath) -> Iterator[Fault]:
    outputs = pipeline.table_outputs
    for output, key in outputs:
        here = (*path, *key)
        yield from _output(output, here)
        if output.table_format == "iceberg" and isinstance(pipeline.target, CustomStore):
            yield Fault(
                (*here, "table_format"),
                f"{pipeline.target.location} has no URL that readers of Iceberg know; "
                'use "delta", or a target of type local, s3 or azure',
            )
        elif output.table_format == "iceberg":
            yield from _cut_paths(pipeline, output, (*here, "table_format"))
    tables = [(output.catalog, pipeline.table_of(output)) for output, _ in outputs]
    if len(outputs) == 2 and all(catalog for catalog, _ in tables) and tables[0] == tables[1]:
        yield Fault(
            (*path, *outputs[1][1], "table"),
            f"{tables[1][1]} is the table of output too; give it a name of its own",
        )


def _cut_paths(pipeline: Pipeline, output: TableOutput, path: KeyPath) -> Iterator[Fault]:
    """pyiceberg takes locations unescaped, and ends them where a URL would have its query."""
    places = {"the target": uri_of(pipeline.target, "")}
    catalog = pipeline.catalogs.get(output.catalog or "")
    if catalog is not None and catalog.warehouse is not None and catalog.type != "rest":
        places[f"catalogs.{catalog.name}.warehouse"] = catalog.warehouse
    for place, location in places.items():
        found = next((each for each in location if each in _ENDS), None)
        if found is not None:
            yield Fault(
                path,
                f'"iceberg" can\'t be at {location}, {place}: readers of Iceberg end a path at its'
                f' "{found}"; choose another place, or use "delta"',
            )


def _output(output: TableOutput, path: KeyPath) -> Iterator[Fault]:
    is_iceberg = output.table_format == "iceberg"
    if output.table_format is not None and output.reap == "now":
        yield Fault(
            (*path, "reap"),
            f'"now" takes away files that readers of the {output.table_format} table still open; '
            'write "next_run", or leave it out',
        )
    if is_iceberg and output.catalog is None:
        yield Fault((*path, "catalog"), "missing; a table of Iceberg is in a catalog of [catalogs]")
    for key in ("catalog", "table"):
        if getattr(output, key) is not None and not is_iceberg:
            yield Fault((*path, key), 'is of table_format = "iceberg"; take it away')
    if output.table is not None and _TABLE.fullmatch(output.table) is None:
        shown = json.dumps(output.table, ensure_ascii=False)
        yield Fault((*path, "table"), f'{shown} is no table; write "namespace.name"')
