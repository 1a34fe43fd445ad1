"""The first rows that fulfil a condition, read as far as that takes."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from bronze_engine.config.expression.parse import ExpressionFault, parse_condition
from bronze_engine.config.expression.tree import Node, names_in
from bronze_engine.errors import ConfigError, StateError
from bronze_engine.model.manifest import Manifest
from bronze_engine.quality.conditions.constants import Unfit
from bronze_engine.quality.conditions.evaluate import truth_of
from bronze_engine.reading.committed import Committed
from bronze_engine.reading.head import chosen_schema

__all__ = ["first_matching"]


def first_matching(
    committed: Committed, where: str, rows: int, *, columns: Sequence[str] | None = None
) -> tuple[Manifest, pa.Table]:
    """What is committed, and the first `rows` rows for which `where` is true, in bounded memory.

    `where` is a condition as quality rules have them: `country = 'DE' AND amount > 10`. Raises
    ConfigError for one that makes no sense there, and for a column that there is not; StateError
    where it was committed anew meanwhile.
    """
    try:
        node = parse_condition(where)
    except ExpressionFault as exc:
        raise ConfigError(f"the condition {where!r}: {exc}") from None
    manifest = committed.manifest()
    chosen = chosen_schema(manifest, columns)
    spoken_of = tuple(dict.fromkeys(names_in(node)))
    chosen_schema(manifest, spoken_of)
    found: list[pa.RecordBatch] = []
    if manifest.files and rows:
        needed = list(dict.fromkeys((*chosen.names, *spoken_of)))
        found = _first(committed.stream(columns=needed), node, rows, where)
        if committed.manifest().generation != manifest.generation:
            raise StateError(
                f"{committed.location} was committed anew while it was read; look again"
            )
    schema = pa.schema([field.with_nullable(True) for field in chosen])
    if not found:
        return manifest, schema.empty_table()
    table = pa.Table.from_batches([each.select(chosen.names) for each in found])
    return manifest, table.cast(schema)


def _first(
    batches: pa.RecordBatchReader, node: Node, rows: int, where: str
) -> list[pa.RecordBatch]:
    found: list[pa.RecordBatch] = []
    with batches:
        for batch in batches:
            try:
                truth = truth_of(node, batch)
            except Unfit as exc:
                raise ConfigError(f"the condition {where!r} makes no sense: it {exc}") from None
            piece = batch.filter(truth).slice(0, rows)
            rows -= piece.num_rows
            if piece.num_rows:
                found.append(piece)
            if rows <= 0:
                break
    return found
